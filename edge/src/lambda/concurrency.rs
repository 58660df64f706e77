//! Bounds the calls of one function that this isolate has in flight. A caller above the limit waits, but not for long:
//! waiting for an instance uses up the client's patience.

/// The time at which each call is over at the latest: a request that is cancelled takes its call with it and never
/// leaves.
#[derive(Default)]
pub struct ConcurrencyLimit {
    ends_ms: Vec<u64>,
}

impl ConcurrencyLimit {
    /// Takes one of `most` slots until `end_ms`, if one is free.
    pub fn enter(&mut self, now_ms: u64, end_ms: u64, most: usize) -> bool {
        self.ends_ms.retain(|end| *end > now_ms);
        let free = self.ends_ms.len() < most;
        if free {
            self.ends_ms.push(end_ms);
        }
        free
    }

    /// Frees a slot that was taken until `end_ms`.
    pub fn leave(&mut self, end_ms: u64) {
        if let Some(place) = self.ends_ms.iter().position(|end| *end == end_ms) {
            self.ends_ms.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::limits::CALLS_MAX;

    #[test]
    fn slots_are_bounded_and_a_released_slot_is_free_again() {
        let mut calls = ConcurrencyLimit::default();
        assert!((0..CALLS_MAX).all(|_| calls.enter(0, 4_000, CALLS_MAX)));
        assert!(!calls.enter(0, 4_000, CALLS_MAX));
        calls.leave(4_000);
        assert!(calls.enter(1, 4_001, CALLS_MAX) && !calls.enter(1, 4_001, CALLS_MAX));
    }

    #[test]
    fn a_call_without_a_response_frees_its_slot_when_its_time_is_over() {
        let mut calls = ConcurrencyLimit::default();
        assert!((0..CALLS_MAX).all(|_| calls.enter(0, 4_000, CALLS_MAX)));
        assert!(!calls.enter(3_999, 8_000, CALLS_MAX));
        assert!(calls.enter(4_000, 8_000, CALLS_MAX));
    }
}
