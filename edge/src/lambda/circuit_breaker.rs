//! A circuit breaker: after several failures in a row a function is not called for a moment, then probed with one call
//! at a time. A database that is down costs a quick 503 instead of a queue of time-outs. Only failures of the function
//! count: one bad request must not close it to all others.

use crate::runtime::limits::{BREAKER_FAILURES, BREAKER_OPEN_MS, BREAKER_PROBE_MAX_MS};

#[derive(Debug, Default)]
pub struct Breaker {
    /// Consecutive failures.
    failures: u32,
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Closed,
    Open {
        until_ms: u64,
    },
    Probing {
        since_ms: u64,
    },
}

impl Breaker {
    /// Whether a call started now would be refused. Changes no state.
    pub fn refuses(&self, now_ms: u64) -> bool {
        match self.state {
            State::Closed => false,
            // A clock that is set back extends nothing, here and below.
            State::Open { until_ms } => now_ms < until_ms && until_ms.abs_diff(now_ms) <= BREAKER_OPEN_MS,
            // A probe whose request was cancelled never reports.
            State::Probing { since_ms } => now_ms.abs_diff(since_ms) < BREAKER_PROBE_MAX_MS,
        }
    }

    /// Admits a call; its caller reports how it ended.
    pub fn admit(&mut self, now_ms: u64) -> bool {
        if self.refuses(now_ms) {
            return false;
        }
        if !matches!(self.state, State::Closed) {
            self.state = State::Probing { since_ms: now_ms };
        }
        true
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The call says nothing about the function's health, because the request itself was at fault. It neither opens nor
    /// closes the breaker, and the next caller may probe.
    pub fn no_verdict(&mut self, now_ms: u64) {
        if matches!(self.state, State::Probing { .. }) {
            self.state = State::Open { until_ms: now_ms };
        }
    }

    pub fn failed(&mut self, now_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= BREAKER_FAILURES {
            self.state = State::Open { until_ms: now_ms.saturating_add(BREAKER_OPEN_MS) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened_at(now_ms: u64) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..BREAKER_FAILURES {
            assert!(breaker.admit(now_ms));
            breaker.failed(now_ms);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            (0..4).for_each(|_| breaker.failed(0));
            breaker.succeeded();
        }
        assert!(breaker.admit(0));
        assert!(opened_at(0).refuses(0));
    }

    #[test]
    fn after_a_second_one_probe_at_a_time_is_let_through() {
        let mut breaker = opened_at(0);
        assert!(!breaker.admit(999));
        assert!(breaker.admit(1_000));
        assert!(!breaker.admit(1_000) && !breaker.admit(3_000));
        breaker.failed(3_000);
        assert!(!breaker.admit(3_999));
        assert!(breaker.admit(4_000));
        breaker.succeeded();
        assert!(breaker.admit(4_000) && breaker.admit(4_000));
    }

    #[test]
    fn a_request_that_fails_by_its_own_fault_neither_opens_nor_closes_it() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            assert!(breaker.admit(0));
            breaker.no_verdict(0);
        }
        assert!(!breaker.refuses(0));
        (0..4).for_each(|_| breaker.failed(0));
        breaker.no_verdict(0);
        breaker.failed(0);
        assert!(breaker.refuses(0), "four failures, and a fifth");
        assert!(breaker.admit(1_000) && !breaker.admit(1_000));
        breaker.no_verdict(1_500);
        assert!(breaker.admit(1_500), "the last probe has no result yet, and the next one may run");
        assert!(!breaker.admit(1_500), "one at a time");
    }

    #[test]
    fn a_clock_set_back_does_not_keep_it_open() {
        const AHEAD_MS: u64 = 600_000;
        assert!(!opened_at(AHEAD_MS).refuses(0));
        let mut probing = opened_at(AHEAD_MS);
        assert!(probing.admit(AHEAD_MS + 1_000) && probing.refuses(AHEAD_MS + 1_000));
        assert!(!probing.refuses(0));
    }

    #[test]
    fn a_probe_without_a_response_does_not_keep_it_open() {
        let mut breaker = opened_at(0);
        assert!(breaker.admit(1_000));
        assert!(!breaker.admit(6_999));
        assert!(breaker.admit(7_000));
    }
}
