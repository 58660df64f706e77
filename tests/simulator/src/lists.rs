//! What the gateways' own lists have in common: a query, a time, a page.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::{Timestamp, tz};

/// A list's query as it came.
pub type Parameters = BTreeMap<String, String>;

/// A moment as RFC 3339 writes it; the beginning of time where it is none.
pub fn moment(text: &str) -> Timestamp {
    text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A moment by the clock of Seoul, without its zone.
pub fn seoul(text: &str) -> Timestamp {
    let civil = text.parse::<DateTime>().ok().and_then(|civil| tz::offset(9).to_timestamp(civil).ok());
    civil.unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A whole number; `usual` where it is none.
pub fn number(text: &str, usual: usize) -> usize {
    text.parse().unwrap_or(usual)
}

/// Whether a time in the books is one of these: the first included, the last not.
pub fn within(at: &str, from: Timestamp, until: Timestamp) -> bool {
    let at = moment(at);
    at >= from && at < until
}
