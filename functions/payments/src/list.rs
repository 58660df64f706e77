//! A gateway's own lists of payments, a page at a time.

use crate::snapshot::PaymentSnapshot;

/// Payments or changes that a page has at most: a page fits into what is read of an answer.
pub const PAGE_MAX: usize = 50;

/// Which part of one of a gateway's lists is asked for.
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
    /// Where the next page begins; none: there is none.
    pub next: Option<String>,
}

/// One line of a list: a payment, or something that became of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub payment_id: String,
    /// The hold it names, so far as the list says it.
    pub hold_ref: String,
    pub tells: Tells,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Tells {
    /// All that asking about the payment would tell.
    Snapshot(Box<PaymentSnapshot>),
    /// That it was taken, and nothing else.
    Taken,
    /// That something became of it: what, only the payment itself says. When, in Unix seconds, where that cannot change any
    /// more; none: it may have, whenever that began.
    Changed { at_s: Option<i64> },
}

/// A payment of a list with all that it says.
pub fn listed_payment(payment_id: String, snapshot: PaymentSnapshot) -> Entry {
    let hold_ref = snapshot.mark.as_ref().map(|mark| mark.hold_ref.clone()).unwrap_or_default();
    Entry { payment_id, hold_ref, tells: Tells::Snapshot(Box::new(snapshot)) }
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
