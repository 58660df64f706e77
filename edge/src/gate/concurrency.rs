//! Bounds the reservations that this isolate has in flight to Gates. Above its capacity, every further one makes all of
//! them later, until none is answered in time.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::http::problem::Problem;
use crate::runtime::limits::{GATE_SETTLE_MS, LATE_MAX_MS, RESERVATIONS_IN_FLIGHT_MAX};

thread_local! {
    static COUNTS: RefCell<Counts> = RefCell::default();
}

/// One reservation in flight, until it is dropped.
pub struct Permit {
    second: u64,
}

impl Permit {
    /// # Errors
    /// `unavailable`: the limit is reached.
    pub fn begin(now_ms: u64) -> Result<Self, Problem> {
        COUNTS.with_borrow_mut(|counts| counts.begin(now_ms)).map(|second| Self { second }).ok_or_else(busy)
    }
}

/// Checked before any work is done: refuses a request when the limit is reached, or when this isolate is so late that
/// the client will have given up. Work for clients who have left would delay all others.
///
/// # Errors
/// `unavailable`.
pub fn has_room(late_ms: u64, now_ms: u64) -> Result<(), Problem> {
    let room = late_ms <= LATE_MAX_MS && COUNTS.with_borrow_mut(|counts| counts.has_room(now_ms));
    if room { Ok(()) } else { Err(busy()) }
}

impl Drop for Permit {
    fn drop(&mut self) {
        COUNTS.with_borrow_mut(|counts| counts.end(self.second));
    }
}

fn busy() -> Problem {
    Problem::unavailable().because("as many reservations are under way as are allowed")
}

/// Counted by the second in which they began: a request that is cancelled because its client hung up never ends here,
/// and must not be counted for ever.
#[derive(Default)]
struct Counts(BTreeMap<u64, usize>);

impl Counts {
    fn begin(&mut self, now_ms: u64) -> Option<u64> {
        if !self.has_room(now_ms) {
            return None;
        }
        let second = now_ms.div_euclid(1_000);
        let count = self.0.entry(second).or_default();
        *count = count.saturating_add(1);
        Some(second)
    }

    fn has_room(&mut self, now_ms: u64) -> bool {
        self.0 = self.0.split_off(&now_ms.saturating_sub(GATE_SETTLE_MS).div_euclid(1_000));
        self.0.values().sum::<usize>() < RESERVATIONS_IN_FLIGHT_MAX
    }

    fn end(&mut self, second: u64) {
        if let Some(count) = self.0.get_mut(&second) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_bounded_and_a_finished_request_frees_its_slot() {
        let mut counts = Counts::default();
        let all: Vec<_> = std::iter::from_fn(|| counts.begin(5_000)).collect();
        assert_eq!(all.len(), RESERVATIONS_IN_FLIGHT_MAX);
        counts.end(5);
        assert_eq!((counts.begin(6_000), counts.begin(6_000)), (Some(6), None));
    }

    #[test]
    fn an_isolate_that_runs_late_admits_no_more_requests() {
        assert!(has_room(LATE_MAX_MS, 5_000).is_ok());
        assert!(has_room(LATE_MAX_MS + 1, 5_000).is_err());
    }

    #[test]
    fn a_request_that_never_ends_is_not_counted_for_ever() {
        let mut counts = Counts::default();
        while counts.begin(5_000).is_some() {}
        assert_eq!(counts.begin(5_999 + GATE_SETTLE_MS), None);
        assert_eq!(counts.begin(6_000 + GATE_SETTLE_MS), Some(6 + GATE_SETTLE_MS / 1_000));
        // The guard of one of them, after all.
        counts.end(5);
        assert_eq!(counts.0.values().sum::<usize>(), 1);
    }
}
