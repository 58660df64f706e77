//! A gateway's own lists of payments, a page at a time.

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
    /// Where the next page begins; none: there is none.
    pub next: Option<String>,
}

impl Listed {
    /// A page of these entries. None: it cannot be read, or is about no payment.
    pub fn of(entries: impl Iterator<Item = Option<Entry>>, next: Option<String>) -> Self {
        let mut listed = Self { next, ..Self::default() };
        for entry in entries {
            match entry {
                Some(entry) => listed.entries.push(entry),
                None => listed.unread += 1,
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
    /// Something changed; the payment itself says what. `at_s`: Unix seconds, if the entry is final; None: it may
    /// change later.
    Changed { at_s: Option<i64> },
}

/// An entry with a complete snapshot.
pub fn listed_payment(payment_id: String, snapshot: PaymentSnapshot) -> Entry {
    let hold_ref = snapshot.mark.as_ref().map(|mark| mark.hold_ref.clone()).unwrap_or_default();
    Entry { payment_id, hold_ref, detail: EntryDetail::Snapshot(Box::new(snapshot)) }
}

/// A moment as `2026-01-15T05:00:00`, without its zone.
pub fn civil(unix_s: i64) -> String {
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    // Days since 0000-03-01, in eras of 400 years.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + 400 * era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
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
