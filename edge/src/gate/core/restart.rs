//! When a restarted Gate may rely on the database: once every call of its predecessor must have ended.

use crate::runtime::limits::{GATE_MARK_MS, GATE_SETTLE_MS, SOLD_OUT_KEEP_MS};

/// The time from which on no call of the predecessor can still be running, by the time of its last mark. No mark: there was
/// no call. There may have been calls after the mark, up to the time of the next one.
pub fn settled_ms(mark: Option<u64>, now_ms: u64) -> u64 {
    mark.map_or(0, |sent_ms| sent_ms.min(now_ms).saturating_add(GATE_MARK_MS).saturating_add(GATE_SETTLE_MS))
}

/// The time at which none of the predecessor's leases lasts, by the time of its last mark. No mark, or an old one: there is
/// none now.
pub fn leased_ms(mark: Option<u64>, now_ms: u64) -> u64 {
    let may_last =
        |given_ms: u64| now_ms < given_ms.min(now_ms).saturating_add(GATE_MARK_MS).saturating_add(SOLD_OUT_KEEP_MS);
    if mark.is_some_and(may_last) { now_ms.saturating_add(SOLD_OUT_KEEP_MS) } else { 0 }
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

    #[test]
    fn a_restarted_gate_waits_for_its_predecessors_leases_if_there_may_be_one() {
        const NOW_MS: u64 = 1_800_000_000_000;
        let leased = |mark| leased_ms(mark, NOW_MS);
        let waits = NOW_MS + SOLD_OUT_KEEP_MS;
        assert_eq!((leased(None), leased(Some(NOW_MS)), leased(Some(NOW_MS * 2))), (0, waits, waits));
        assert_eq!(leased(Some(NOW_MS - GATE_MARK_MS)), waits);
        assert_eq!(leased(Some(NOW_MS - GATE_MARK_MS - SOLD_OUT_KEEP_MS)), 0);
    }
}
