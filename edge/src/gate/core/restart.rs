//! When a restarted Gate may rely on the database: once every call of its predecessor must have ended.

use crate::runtime::limits::{GATE_MARK_MS, GATE_SETTLE_MS};

/// The time from which on no call of the predecessor can still be running, by the time of its last mark. No mark: there was
/// no call. There may have been calls after the mark, up to the time of the next one.
pub fn settled_ms(mark: Option<u64>, now_ms: u64) -> u64 {
    mark.map_or(0, |sent_ms| sent_ms.min(now_ms).saturating_add(GATE_MARK_MS).saturating_add(GATE_SETTLE_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_gate_waits_for_its_predecessors_calls_and_for_nothing_else() {
        const NOW_MS: u64 = 1_800_000_000_000;
        let settled = |mark| settled_ms(mark, NOW_MS);
        assert_eq!(settled(None), 0);
        assert_eq!(settled(Some(NOW_MS)), NOW_MS + GATE_MARK_MS + GATE_SETTLE_MS);
        assert!(settled(Some(NOW_MS - GATE_MARK_MS - GATE_SETTLE_MS)) <= NOW_MS);
        // A clock that was ahead then.
        assert_eq!(settled(Some(NOW_MS * 2)), settled(Some(NOW_MS)));
    }
}
