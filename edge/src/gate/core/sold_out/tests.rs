//! When "sold out" is repeated, and each reason why it is not.

use std::rc::Rc;

use protocol::shop::{Line, PricedLine, SaleStatus};

use super::*;
use crate::gate::testing::{hold, lines, reservation};
use crate::runtime::limits::{SOLD_OUT_KEEP_MS, SOLD_OUT_PROBE_MS};
use crate::runtime::user_hash;

pub const SALE: &str = "spring-drop";

pub fn sold_out(available: i64, for_ms: u64) -> ReserveOutcome {
    ReserveOutcome::SoldOut { sku_id: "a".to_owned(), available, max_per_user: 2, for_ms }
}

fn asks(user: &str, items: Vec<Line>) -> Reservation {
    Reservation { items, ..reservation(user, "k", "fp") }
}

pub fn one(user: &str) -> Reservation {
    asks(user, lines(&["a"]))
}

fn qty(qty: i64) -> Vec<Line> {
    vec![Line { sku_id: "a".to_owned(), qty }]
}

pub fn send_batch(memory: &mut SoldOut, user: &str, sent_ms: u64) -> InFlightBatch {
    let hashes = vec![user_hash::Key::default().user(user)];
    let (number, users, reservations) = (memory.begin_batch(&hashes), vec![Rc::from(user)], vec![one(user)]);
    InFlightBatch { number, sent_ms, within_ms: 0, sale_id: SALE.to_owned(), users, hashes, reservations }
}

/// A batch of one user is sent and completes.
pub fn run_batch(memory: &mut SoldOut, user: &str, sent_ms: u64, outcome: ReserveOutcome) {
    let batch = send_batch(memory, user, sent_ms);
    memory.learn(&batch, Some(&[outcome]), sent_ms);
}

/// At 1 000, T1 answered that none of `a` is left; there were no holders before.
fn remembering() -> SoldOut {
    let mut memory = SoldOut::default();
    run_batch(&mut memory, "first", 1_000, sold_out(0, 1_000));
    assert_eq!(memory.question(1_000).as_deref(), Some(SALE));
    memory.holders(SALE, Some((Vec::new(), true)), 1_000);
    memory
}

pub fn hash(asked: &Reservation) -> u64 {
    user_hash::Key::default().user(&asked.user_id)
}

pub fn admission(memory: &mut SoldOut, asked: &Reservation, now_ms: u64) -> Admission {
    memory.admission(asked, hash(asked), now_ms)
}

fn repeated(memory: &SoldOut, asked: &Reservation, now_ms: u64) -> Option<ReserveOutcome> {
    memory.repeated(asked, hash(asked), now_ms)
}

pub fn refuses(memory: &mut SoldOut, asked: &Reservation, now_ms: u64) -> bool {
    matches!(admission(memory, asked, now_ms), Admission::Refused(_))
}

#[test]
fn sold_out_is_repeated_for_less_than_a_second_after_its_call_left() {
    let mut memory = remembering();
    let refusal = ReserveOutcome::SoldOut { sku_id: "a".to_owned(), available: 0, max_per_user: 2, for_ms: 0 };
    assert_eq!(admission(&mut memory, &one("b"), 1_000), Admission::Refused(Box::new(refusal)));
    let last_ms = 1_000 + SOLD_OUT_KEEP_MS;
    assert!(repeated(&memory, &one("b"), last_ms - 1).is_some());
    assert!(repeated(&memory, &one("b"), last_ms).is_none());
    assert!(repeated(&memory, &one("b"), 999).is_none(), "a clock that was put back");
}

#[test]
fn it_ends_when_a_hold_lapses_or_the_sale_closes() {
    let mut memory = remembering();
    run_batch(&mut memory, "first", 1_100, sold_out(0, 50));
    assert!(repeated(&memory, &one("b"), 1_149).is_some());
    assert!(repeated(&memory, &one("b"), 1_150).is_none());
    run_batch(&mut memory, "first", 1_200, sold_out(0, 0));
    assert!(repeated(&memory, &one("b"), 1_200).is_none());
}

#[test]
fn a_possible_holder_is_never_refused_from_memory() {
    let key = || ReserveOutcome::Granted { hold: hold("h"), replayed: true };
    for (user, outcome) in [
        ("granted", Some(ReserveOutcome::Granted { hold: hold("h"), replayed: false })),
        ("replayed", Some(key())),
        ("reused", Some(ReserveOutcome::IdempotencyKeyReused)),
        ("in-progress", Some(ReserveOutcome::RequestInProgress)),
        ("holding", Some(ReserveOutcome::AlreadyHolding { hold_id: "h".to_owned(), sku_id: "a".to_owned() })),
        ("limited", Some(ReserveOutcome::LimitReached { sku_id: "a".to_owned(), max_per_user: 2, retry_at: None })),
        ("unknown", None),
    ] {
        let mut memory = remembering();
        assert!(refuses(&mut memory, &one(user), 1_001), "{user}");
        let batch = send_batch(&mut memory, user, 1_002);
        memory.learn(&batch, outcome.as_slice().first().map(std::slice::from_ref), 1_003);
        assert!(!refuses(&mut memory, &one(user), 1_004), "{user}");
        assert!(refuses(&mut memory, &one("b"), 1_004), "{user}");
        // In other sales too: a key belongs to its user.
        assert!(!refuses(&mut memory, &Reservation { sale_id: "other".to_owned(), ..one(user) }, 1_004), "{user}");
    }
}

#[test]
fn no_request_is_refused_before_the_holders_are_known() {
    let mut memory = SoldOut::default();
    run_batch(&mut memory, "first", 1_000, sold_out(0, 1_000));
    assert!(!refuses(&mut memory, &one("b"), 1_001));
    assert_eq!(memory.question(1_001).as_deref(), Some(SALE));
    assert_eq!(memory.question(1_001), None, "once");
    assert!(!refuses(&mut memory, &one("b"), 1_002));
    memory.holders(SALE, Some((vec![user_hash::Key::default().user("before")], true)), 1_003);
    assert!(refuses(&mut memory, &one("b"), 1_004));
    assert!(!refuses(&mut memory, &one("before"), 1_004));
}

#[test]
fn the_holders_lookup_waits_until_calls_of_the_gate_before_a_restart_have_ended() {
    let mut memory = SoldOut::default();
    memory.settle(1_500);
    run_batch(&mut memory, "first", 1_000, sold_out(0, 1_000));
    assert_eq!(memory.question(1_499), None);
    assert!(memory.question(1_500).is_some());
}

#[test]
fn after_a_failed_or_truncated_holders_lookup_t1_decides_and_the_lookup_is_repeated() {
    for (answer, again_ms) in [(None, HOLDERS_RETRY_MS), (Some((vec![7], false)), HOLDERS_AGAIN_MS)] {
        let mut memory = SoldOut::default();
        run_batch(&mut memory, "first", 1_000, sold_out(0, 1_000));
        assert!(memory.question(1_000).is_some());
        memory.holders(SALE, answer, 1_000);
        assert!(!refuses(&mut memory, &one("b"), 1_001));
        assert_eq!(memory.question(999 + again_ms), None);
        assert!(memory.question(1_000 + again_ms).is_some());
    }
}

#[test]
fn a_holders_lookup_without_a_response_is_repeated() {
    let mut memory = SoldOut::default();
    run_batch(&mut memory, "first", 1_000, sold_out(0, 1_000));
    assert!(memory.question(1_000).is_some());
    assert_eq!(memory.question(999 + GATE_SETTLE_MS), None);
    assert!(memory.question(1_000 + GATE_SETTLE_MS).is_some());
}

#[test]
fn only_a_cart_that_t1_would_refuse_for_this_reason_is_refused() {
    let mut memory = remembering();
    run_batch(&mut memory, "first", 1_000, sold_out(1, 1_000));
    for (what, asked, refused) in [
        ("more than is left", asks("b", qty(2)), true),
        ("what is left", asks("b", qty(1)), false),
        ("more than one user may have", asks("b", qty(3)), false),
        ("a SKU that was not requested", asks("b", lines(&["b"])), false),
        ("another SKU with it", asks("b", [qty(2), lines(&["b"])].concat()), false),
        ("another sale", Reservation { sale_id: "other".to_owned(), ..asks("b", qty(2)) }, false),
    ] {
        assert_eq!(refuses(&mut memory, &asked, 1_001), refused, "{what}");
    }
    let sku_b = ReserveOutcome::SoldOut { sku_id: "b".to_owned(), available: 0, max_per_user: 1, for_ms: 900 };
    run_batch(&mut memory, "first", 1_000, sku_b);
    let both = repeated(&memory, &asks("b", [qty(1), lines(&["b"])].concat()), 1_001);
    assert!(matches!(both, Some(ReserveOutcome::SoldOut { sku_id, available: 0, .. }) if sku_id == "b"));
}

#[test]
fn one_request_asks_t1_for_all_before_the_memory_lapses() {
    let mut memory = remembering();
    let due_ms = 1_000 + SOLD_OUT_PROBE_MS;
    assert!(refuses(&mut memory, &one("b"), due_ms - 1));
    assert_eq!(admission(&mut memory, &one("c"), due_ms), Admission::SentToT1 { probe: true });
    assert!(refuses(&mut memory, &one("d"), due_ms), "one is enough");
    run_batch(&mut memory, "c", due_ms, sold_out(0, 1_000));
    assert!(refuses(&mut memory, &one("d"), due_ms + SOLD_OUT_PROBE_MS - 1), "it lasts on");
}

#[test]
fn returned_stock_ends_it_at_once_and_a_call_in_flight_does_not_restore_it() {
    let mut memory = remembering();
    let underway = send_batch(&mut memory, "c", 1_001);
    memory.forget(SALE, 1_002);
    assert!(!refuses(&mut memory, &one("b"), 1_002));
    memory.learn(&underway, Some(&[sold_out(0, 1_000)]), 1_003);
    assert!(!refuses(&mut memory, &one("b"), 1_003));
    run_batch(&mut memory, "d", 1_002, sold_out(0, 1_000));
    assert!(refuses(&mut memory, &one("b"), 1_003), "what left after it saw what came back");
}

#[test]
fn forgetting_a_sale_that_is_not_remembered_yet_counts_too() {
    let mut memory = SoldOut::default();
    let underway = send_batch(&mut memory, "c", 1_001);
    memory.forget(SALE, 1_002);
    memory.learn(&underway, Some(&[sold_out(0, 1_000)]), 1_003);
    assert_eq!(memory.question(1_003), None);
}

#[test]
fn the_call_that_left_later_wins_whichever_returns_first() {
    let mut memory = remembering();
    let (earlier, later) = (send_batch(&mut memory, "c", 1_001), send_batch(&mut memory, "d", 1_002));
    memory.learn(&later, Some(&[sold_out(0, 1_000)]), 1_003);
    memory.learn(&earlier, Some(&[sold_out(2, 1_000)]), 1_004);
    assert!(refuses(&mut memory, &one("b"), 1_005));
}

#[test]
fn what_was_granted_is_not_sold_out_and_a_sale_that_is_not_open_says_that() {
    let mut memory = remembering();
    let items = vec![PricedLine { sku_id: "a".to_owned(), qty: 1, unit_price: 0 }];
    let granted = ReserveOutcome::Granted { hold: protocol::shop::Hold { items, ..hold("h") }, replayed: false };
    run_batch(&mut memory, "c", 1_001, granted);
    assert!(!refuses(&mut memory, &one("b"), 1_002));

    let mut memory = remembering();
    let closed = ReserveOutcome::SaleNotOpen { opens_at: String::new(), status: SaleStatus::Paused, for_ms: 0 };
    run_batch(&mut memory, "c", 1_001, closed);
    assert!(!refuses(&mut memory, &one("b"), 1_002));
}

#[test]
fn sales_are_bounded_and_an_old_call_does_not_restore_an_evicted_sale() {
    let mut memory = SoldOut::default();
    let underway = send_batch(&mut memory, "c", 0);
    memory.forget(SALE, 0);
    for sale in 0..SOLD_OUT_SALES_MAX {
        memory.forget(&sale.to_string(), 1);
    }
    assert_eq!(memory.sales.len(), SOLD_OUT_SALES_MAX);
    memory.learn(&underway, Some(&[sold_out(0, 1_000)]), 2);
    assert!(!memory.sales.contains_key(SALE));
}

#[test]
fn too_many_holders_are_dropped_and_looked_up_again_after_all_calls_have_ended() {
    let mut memory = remembering();
    let hashes = (0..=SOLD_OUT_USERS_MAX as u64).collect();
    let batch = InFlightBatch { hashes, ..send_batch(&mut memory, "c", 1_001) };
    let underway = send_batch(&mut memory, "d", 1_001);
    memory.learn(&batch, None, 1_002);
    assert!(memory.users.is_empty() && memory.sales.is_empty());
    memory.learn(&underway, Some(&[sold_out(0, 1_000)]), 1_003);
    run_batch(&mut memory, "e", 1_004, sold_out(0, 1_000));
    assert_eq!(memory.question(1_001 + GATE_SETTLE_MS), None);
    assert!(memory.question(1_002 + GATE_SETTLE_MS).is_some());
}
