//! Tests: what is leased, until when, and who waits for the end of a lease.

use super::tests::{SALE, admission, one, run_batch, send_batch, sold_out};
use super::*;
use crate::gate::core::sold_out::tests::hash;
use crate::gate::filter::Filter;
use crate::gate::lease::Lease;
use crate::gate::testing::{hold, lines, reservation};
use crate::runtime::limits::{LEASE_LATE_MS, LEASE_PAUSE_MS, LEASE_USERS_MAX, SOLD_OUT_PROBE_MS};

/// At 1 000 T1 said that none of `a` is left; `before` had something.
fn remembering(outcome: ReserveOutcome) -> SoldOut {
    let mut memory = SoldOut::default();
    run_batch(&mut memory, "first", 1_000, outcome);
    assert_eq!(memory.question(1_000).as_deref(), Some(SALE));
    memory.holders(SALE, Some((vec![hash(&one("before"))], true)), 1_000);
    memory
}

fn admits(lease: &Lease, user: &str) -> bool {
    Filter::read(&lease.filter).expect("a filter").contains(hash(&one(user)))
}

#[test]
fn what_is_gone_is_leased_until_the_next_probe() {
    let mut memory = remembering(sold_out(0, 1_000));
    let lease = memory.lease(SALE, 1_100).expect("a lease");
    assert_eq!((lease.skus.len(), &lease.closed), (1, &None));
    let sku = &lease.skus[0];
    assert_eq!((sku.sku_id.as_str(), sku.max_per_user, sku.term.as_of_ms), ("a", 2, 1_000));
    assert_eq!(1_100 + sku.term.for_ms + LEASE_LATE_MS, 1_000 + SOLD_OUT_PROBE_MS);
    assert!(admits(&lease, "before") && !admits(&lease, "b"));
    let last_ms = 1_000 + SOLD_OUT_PROBE_MS - LEASE_LATE_MS;
    assert!(memory.lease(SALE, last_ms - 1).is_some() && memory.lease(SALE, last_ms).is_none());
    assert!(memory.lease(SALE, 999).is_none(), "a clock that was put back");
    assert!(memory.lease("another", 1_100).is_none());
}

#[test]
fn a_lease_ends_before_a_hold_lapses_and_names_nothing_of_which_some_is_left() {
    let mut memory = remembering(sold_out(0, 200));
    let lease = memory.lease(SALE, 1_100).expect("a lease");
    assert_eq!(lease.skus[0].term.for_ms, 100 - LEASE_LATE_MS);
    assert!(remembering(sold_out(1, 1_000)).lease(SALE, 1_100).is_none());
}

#[test]
fn a_sale_that_is_not_open_is_leased_with_its_skus() {
    let closed = ReserveOutcome::SaleNotOpen { opens_at: "soon".to_owned(), status: SaleStatus::Paused, for_ms: 1_000 };
    let mut memory = remembering(closed);
    let lease = memory.lease(SALE, 1_100).expect("a lease");
    let closed = lease.closed.expect("the sale");
    assert_eq!((closed.skus, closed.term.as_of_ms), (vec!["a".to_owned()], 1_000));
    let waits = |memory: &SoldOut, sku: &str| {
        memory.holds_back(&Reservation { items: lines(&[sku]), ..reservation("b", "k", "fp") }, 7, 1_200)
    };
    assert!(waits(&memory, "a") && !waits(&memory, "b"), "another SKU is not leased: T1 may know it");
}

#[test]
fn nothing_leased_is_sent_to_t1_for_others_before_the_lease_ends() {
    let mut memory = remembering(sold_out(0, 1_000));
    memory.lease(SALE, 1_100).expect("a lease");
    // A piece came back.
    memory.forget(SALE, 1_200);
    let end_ms = 1_000 + SOLD_OUT_PROBE_MS;
    let held_back = |memory: &SoldOut, asked: &Reservation, now_ms| memory.holds_back(asked, hash(asked), now_ms);
    assert_eq!(admission(&mut memory, &one("b"), 1_200), Admission::SentToT1 { probe: false });
    assert!(held_back(&memory, &one("b"), end_ms - 1) && !held_back(&memory, &one("b"), end_ms));
    assert!(held_back(&memory, &one("before"), 1_200), "who may have something overtakes nobody");
    let other = Reservation { items: lines(&["c"]), ..reservation("b", "k", "fp") };
    assert!(!held_back(&memory, &other, 1_200));
    assert_eq!((memory.next_lease_end(end_ms - 1), memory.next_lease_end(end_ms)), (Some(end_ms), None));
}

#[test]
fn a_user_who_may_have_something_is_sent_while_t1_says_that_nothing_is_left() {
    let mut memory = remembering(sold_out(0, 1_000));
    memory.lease(SALE, 1_100).expect("a lease");
    let holder = one("before");
    assert!(!memory.holds_back(&holder, hash(&holder), 1_200), "T1 knows what they have");
    memory.forget(SALE, 1_300);
    assert!(memory.holds_back(&holder, hash(&holder), 1_300), "a piece came back, and others wait for it");
}

#[test]
fn while_a_lease_lasts_nobody_is_a_probe() {
    let mut memory = remembering(sold_out(0, 1_000));
    run_batch(
        &mut memory,
        "x",
        1_500,
        ReserveOutcome::SoldOut { sku_id: "b".to_owned(), available: 0, max_per_user: 2, for_ms: 1_000 },
    );
    memory.lease(SALE, 1_600).expect("a lease");
    let both = Reservation { items: lines(&["a", "b"]), ..reservation("cart", "k", "fp") };
    let due_ms = 1_000 + SOLD_OUT_PROBE_MS;
    // `b` is leased until 2 200: a cart that was granted both would meet that lease.
    assert!(matches!(admission(&mut memory, &both, due_ms), Admission::Refused(_)));
    assert_eq!(admission(&mut memory, &one("single"), due_ms), Admission::SentToT1 { probe: true });
}

#[test]
fn what_a_cart_waits_for_is_not_leased_again_until_it_could_leave() {
    let mut memory = remembering(sold_out(0, 1_000));
    memory.lease(SALE, 1_100).expect("a lease");
    let cart = Reservation { items: lines(&["a", "c"]), ..reservation("cart", "k", "fp") };
    assert!(memory.holds_back(&cart, hash(&cart), 1_200), "of `c` something may be left");
    memory.waits(&cart, 1_200);
    run_batch(&mut memory, "probe", 1_000 + SOLD_OUT_PROBE_MS, sold_out(0, 1_000));
    let end_ms = 1_000 + SOLD_OUT_PROBE_MS;
    assert!(memory.lease(SALE, end_ms + 1).is_none());
    assert!(!memory.holds_back(&cart, hash(&cart), end_ms), "it leaves");
    assert!(memory.lease(SALE, end_ms + LEASE_PAUSE_MS).is_some());
}

#[test]
fn whoever_is_in_a_call_when_a_lease_is_given_is_in_its_filter() {
    let mut memory = remembering(sold_out(0, 1_000));
    assert!(!admits(&memory.lease(SALE, 1_100).expect("a lease"), "late"));
    let batch = send_batch(&mut memory, "late", 1_150);
    assert!(admits(&memory.lease(SALE, 1_160).expect("a lease"), "late"));
    let other = ReserveOutcome::Granted { hold: hold("h"), replayed: true };
    memory.learn(&batch, Some(&[other]), 1_170);
    assert!(admits(&memory.lease(SALE, 1_180).expect("a lease"), "late"), "and stays there with what it got");
}

#[test]
fn leases_outlast_a_memory_that_begins_anew_and_a_predecessors_are_waited_for() {
    let mut memory = remembering(sold_out(0, 1_000));
    memory.lease(SALE, 1_100).expect("a lease");
    memory.begin_anew(1_200);
    assert!(memory.holds_back(&one("b"), hash(&one("b")), 1_200));
    let mut successor = SoldOut::default();
    successor.hold_back_until(2_000);
    assert!(successor.holds_back(&one("b"), hash(&one("b")), 1_999));
    assert_eq!(successor.next_lease_end(1_999), Some(2_000));
}

#[test]
fn with_too_many_holders_for_a_small_filter_nothing_is_leased() {
    let mut memory = remembering(sold_out(0, 1_000));
    memory.add_users(0..LEASE_USERS_MAX as u64 - 1);
    assert!(memory.lease(SALE, 1_100).is_some() && !memory.has_too_many_users_for_a_lease());
    memory.add_users([u64::MAX >> 1]);
    assert!(memory.lease(SALE, 1_100).is_none() && memory.has_too_many_users_for_a_lease());
}
