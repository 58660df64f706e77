//! A gateway's own lists of payments, a page at a time.

use time::OffsetDateTime;

use crate::dispute::Dispute;
use crate::snapshot::PaymentSnapshot;

/// Maximum entries of a page, so that it fits into the maximum response.
pub const PAGE_MAX: usize = 50;

/// A page of one of a gateway's lists.
#[derive(Clone, Copy, Debug)]
pub struct ListPage<'a> {
    /// One of [`crate::GatewayApi::lists`].
    pub list: &'a str,
    /// Unix seconds, this one included.
    pub from_s: i64,
    /// Unix seconds, this one not included.
    pub until_s: i64,
    /// The last page's `next`; empty: the first page.
    pub cursor: &'a str,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listed {
    pub entries: Vec<Entry>,
    /// Entries that name no payment that can be read. One of them hides no other.
    pub unread: usize,
    /// The next page's cursor; none: this is the last page.
    pub next: Option<String>,
}

impl Listed {
    /// A page of these entries. None: it cannot be read, or is about no payment. An empty `next` is the first page's cursor,
    /// so it leads nowhere.
    pub fn of(entries: impl Iterator<Item = Option<Entry>>, next: Option<String>) -> Self {
        let mut listed = Self { next: next.filter(|next| !next.is_empty()), ..Self::default() };
        for entry in entries {
            match entry {
                Some(entry) if !entry.payment_id.is_empty() => listed.entries.push(entry),
                _ => listed.unread += 1,
            }
        }
        listed
    }
}

/// An entry: a payment, or a change of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub payment_id: String,
    /// The hold it names, if the list says it.
    pub hold_ref: String,
    pub detail: EntryDetail,
}

#[derive(Debug, PartialEq, Eq)]
pub enum EntryDetail {
    /// Everything that looking the payment up would say.
    Snapshot(Box<PaymentSnapshot>),
    /// Only that it was captured.
    Taken,
    /// A dispute of the payment as it is now.
    Disputed(Dispute),
    /// Something changed; the payment itself says what. `at_s`: Unix seconds, if the entry is final; None: it may
    /// change later.
    Changed { at_s: Option<i64> },
}

/// An entry with a complete snapshot.
pub fn listed_payment(payment_id: String, snapshot: PaymentSnapshot) -> Entry {
    let hold_ref = snapshot.mark.as_ref().map(|mark| mark.hold_ref.clone()).unwrap_or_default();
    Entry { payment_id, hold_ref, detail: EntryDetail::Snapshot(Box::new(snapshot)) }
}

/// A moment of the years to 9999 as `2026-01-15T05:00:00`, without its zone.
pub fn civil(unix_s: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(unix_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", u8::from(month))
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn a_moment_is_written_by_the_calendar() {
        for (unix_s, written) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_768_453_499, "2026-01-15T05:04:59"),
            (4_102_444_799, "2099-12-31T23:59:59"),
            (-1, "1969-12-31T23:59:59"),
        ] {
            assert_eq!(civil(unix_s), written);
        }
    }
}
