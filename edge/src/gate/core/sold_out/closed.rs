//! Tests: when "not open" is repeated, and what a batch answers for those who were in the queue when it left.

use super::tests::{SALE, admission, one, refuses, run_batch, send_batch, sold_out};
use super::*;
use crate::gate::testing::{hold, lines};
use crate::runtime::limits::{SOLD_OUT_KEEP_MS, SOLD_OUT_PROBE_MS};
use crate::runtime::user_hash;

fn not_open(status: SaleStatus, for_ms: u64) -> ReserveOutcome {
    ReserveOutcome::SaleNotOpen { opens_at: "2026-01-15T05:00:00Z".to_owned(), status, for_ms }
}

/// At 1 000, T1 answered that the sale is not open; there are no holders.
fn remembering(status: SaleStatus, for_ms: u64) -> SoldOut {
    let mut memory = SoldOut::default();
    run_batch(&mut memory, "first", 1_000, not_open(status, for_ms));
    assert_eq!(memory.question(1_000).as_deref(), Some(SALE));
    memory.holders(SALE, Some((Vec::new(), true)), 1_000);
    memory
}

#[test]
fn not_open_is_repeated_until_the_sale_opens_and_not_a_moment_longer() {
    let mut memory = remembering(SaleStatus::Scheduled, 300);
    let refusal = not_open(SaleStatus::Scheduled, 0);
    assert_eq!(admission(&mut memory, &one("b"), 1_299), Admission::Refused(Box::new(refusal)));
    assert_eq!(admission(&mut memory, &one("b"), 1_300), Admission::SentToT1 { probe: false });
}

#[test]
fn during_a_pause_one_request_a_second_asks_t1_for_all() {
    let mut memory = remembering(SaleStatus::Paused, 1_000);
    let due_ms = 1_000 + SOLD_OUT_PROBE_MS;
    assert!(refuses(&mut memory, &one("b"), due_ms - 1));
    assert_eq!(admission(&mut memory, &one("c"), due_ms), Admission::SentToT1 { probe: true });
    assert!(refuses(&mut memory, &one("d"), due_ms), "one is enough");
    assert!(refuses(&mut memory, &one("d"), 999 + SOLD_OUT_KEEP_MS));
    assert!(!refuses(&mut memory, &one("d"), 1_000 + SOLD_OUT_KEEP_MS));
    run_batch(&mut memory, "c", due_ms, not_open(SaleStatus::Paused, 1_000));
    assert!(refuses(&mut memory, &one("d"), 1_000 + SOLD_OUT_KEEP_MS), "it lasts on");
}

#[test]
fn it_ends_with_a_change_of_the_sale_or_a_later_calls_result() {
    let mut memory = remembering(SaleStatus::Paused, 1_000);
    let underway = send_batch(&mut memory, "c", 1_001);
    memory.forget(SALE, 1_002);
    memory.learn(&underway, Some(&[not_open(SaleStatus::Paused, 1_000)]), 1_003);
    assert!(!refuses(&mut memory, &one("b"), 1_003));

    let granted = ReserveOutcome::Granted { hold: hold("h"), replayed: false };
    for (outcome, still) in [(granted, false), (sold_out(0, 1_000), true)] {
        let mut memory = remembering(SaleStatus::Paused, 1_000);
        let (earlier, later) = (send_batch(&mut memory, "c", 1_001), send_batch(&mut memory, "d", 1_002));
        memory.learn(&later, Some(&[outcome]), 1_003);
        memory.learn(&earlier, Some(&[not_open(SaleStatus::Paused, 1_000)]), 1_004);
        assert_eq!(refuses(&mut memory, &one("b"), 1_005), still, "as sold out, and not as closed");
        assert!(
            !matches!(admission(&mut memory, &one("b"), 1_005), Admission::Refused(why) if matches!(*why, ReserveOutcome::SaleNotOpen { .. }))
        );
    }
}

#[test]
fn holders_and_requests_for_unknown_skus_are_decided_by_t1() {
    let mut memory = remembering(SaleStatus::Paused, 1_000);
    let unknown = Reservation { items: lines(&["a", "x"]), ..one("b") };
    assert!(!refuses(&mut memory, &unknown, 1_001));
    let batch = send_batch(&mut memory, "c", 1_001);
    memory.learn(&batch, Some(&[ReserveOutcome::IdempotencyKeyReused]), 1_002);
    assert!(!refuses(&mut memory, &one("c"), 1_003));
    assert!(refuses(&mut memory, &one("b"), 1_003));
}

#[test]
fn a_batchs_findings_are_used_although_the_sale_was_forgotten_meanwhile() {
    for outcome in [sold_out(0, 0), not_open(SaleStatus::Paused, 0)] {
        let mut memory = remembering(SaleStatus::Paused, 1_000);
        let batch = send_batch(&mut memory, "c", 1_001);
        memory.forget(SALE, 1_002);
        let outcomes = [outcome];
        memory.learn(&batch, Some(&outcomes), 1_003);
        let findings = memory.findings(&batch, &outcomes).unwrap_or_default();
        let user = |name: &str| user_hash::Key::default().user(name);
        assert_eq!(
            memory.refused_by(&findings, &one("b"), user("b")).map(|refusal| refusal.name()),
            Some(outcomes[0].name())
        );
        let elsewhere = Reservation { sale_id: "other".to_owned(), ..one("b") };
        assert_eq!(memory.refused_by(&findings, &elsewhere, user("b")), None);
        memory.users.insert(user("b"));
        assert_eq!(memory.refused_by(&findings, &one("b"), user("b")), None, "who may have something asks T1");
        assert!(memory.findings(&batch, &[ReserveOutcome::TooLate]).is_none());
    }
}
