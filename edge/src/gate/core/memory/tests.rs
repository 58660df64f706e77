//! The Gate's rules, one a test, by a clock that the test moves.

use super::*;
use crate::gate::testing::{hold, reservation};
use crate::runtime::limits::{BREAKER_FAILURES, BREAKER_OPEN_MS, SALE_BATCHES_IN_FLIGHT_MAX};

pub type Gate = Memory<u32>;

pub fn gate() -> Gate {
    Memory::new(20, 5, user_hash::Key::default())
}

pub fn granted(key: &str, replayed: bool) -> Verdict {
    Verdict::Outcome(ReserveOutcome::Granted { hold: hold(key), replayed })
}

pub fn remembered(verdict: Verdict) -> Verdict {
    let Verdict::Outcome(outcome) = verdict else { panic!("{verdict:?} is no outcome") };
    Verdict::Remembered(outcome)
}

pub fn sold_out() -> ReserveOutcome {
    ReserveOutcome::SoldOut { sku_id: "a".to_owned(), available: 0, max_per_user: 1, for_ms: 1_000 }
}

pub fn keys(batch: &InFlightBatch) -> Vec<&str> {
    batch.reservations.iter().map(|reservation| reservation.idem_key.as_str()).collect()
}

/// Grants the whole batch, each hold named after its key.
pub fn grant(gate: &mut Gate, batch: &InFlightBatch, now_ms: u64) {
    let outcomes =
        keys(batch).into_iter().map(|key| ReserveOutcome::Granted { hold: hold(key), replayed: false }).collect();
    gate.complete(batch, Some(outcomes), now_ms);
}

pub fn take(gate: &mut Gate, now_ms: u64) -> InFlightBatch {
    gate.take_batch(now_ms).unwrap_or_default()
}

#[test]
fn a_single_request_leaves_at_once() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    let batch = take(&mut gate, 0);
    assert_eq!(keys(&batch), ["k"]);
    grant(&mut gate, &batch, 5);
    assert_eq!(gate.drain(), [(1, granted("k", false))]);
    assert!(gate.take_batch(5).is_none());
}

#[test]
fn requests_that_arrive_during_calls_share_the_next_batch() {
    let mut gate = gate();
    let users: Vec<String> = (0..150).map(|user| format!("user-{user}")).collect();
    for (waiter, user) in (0..).zip(&users) {
        gate.arrive(reservation(user, user, "fp"), waiter, 0);
        if waiter < SALE_BATCHES_IN_FLIGHT_MAX as u32 {
            assert_eq!(take(&mut gate, 0).users.len(), 1);
        }
        assert!(gate.take_batch(0).is_none());
    }
    grant(
        &mut gate,
        &InFlightBatch {
            sale_id: "spring-drop".to_owned(),
            users: vec!["user-0".into()],
            reservations: vec![reservation("user-0", "user-0", "fp")],
            ..InFlightBatch::default()
        },
        1,
    );
    let batch = take(&mut gate, 1);
    assert_eq!(keys(&batch), users.iter().skip(2).take(BATCH_MAX).collect::<Vec<_>>());
    assert!(gate.take_batch(1).is_none());
}

#[test]
fn a_batch_has_a_user_once_and_the_users_later_request_waits_its_turn() {
    let mut gate = gate();
    for (waiter, (user, key)) in (0..).zip([("a", "a1"), ("a", "a2"), ("b", "b1")]) {
        gate.arrive(reservation(user, key, "fp"), waiter, 0);
    }
    let first = take(&mut gate, 0);
    assert_eq!(keys(&first), ["a1", "b1"]);
    assert!(gate.take_batch(0).is_none(), "a2 waits for a1 although there is room in flight");
    grant(&mut gate, &first, 1);
    assert_eq!(keys(&take(&mut gate, 1)), ["a2"]);
}

#[test]
fn a_finished_key_is_answered_without_a_call() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    let batch = take(&mut gate, 0);
    grant(&mut gate, &batch, 0);
    gate.drain();
    gate.arrive(reservation("a", "k", "fp"), 2, 1);
    gate.arrive(reservation("a", "k", "other"), 3, 1);
    assert!(gate.take_batch(1).is_none());
    let (replay, reused) = (granted("k", true), Verdict::Outcome(ReserveOutcome::IdempotencyKeyReused));
    assert_eq!(gate.drain(), [(2, remembered(replay)), (3, remembered(reused))]);
}

#[test]
fn a_duplicate_of_a_running_request_gets_the_first_ones_answer() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    gate.arrive(reservation("a", "k", "fp"), 2, 0);
    let batch = take(&mut gate, 0);
    gate.arrive(reservation("a", "k", "fp"), 3, 1);
    assert_eq!(keys(&batch), ["k"]);
    assert!(gate.take_batch(1).is_none());
    grant(&mut gate, &batch, 2);
    assert_eq!(gate.drain(), [(1, granted("k", false)), (2, granted("k", true)), (3, granted("k", true))]);
}

#[test]
fn a_retry_sent_after_a_call_left_does_not_get_that_calls_refusal() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    let batch = take(&mut gate, 0);
    gate.arrive(reservation("a", "k", "fp"), 2, 1);
    gate.arrive(reservation("a", "k", "fp"), 3, 2);
    gate.complete(&batch, Some(vec![sold_out()]), 3);
    assert_eq!(gate.drain(), [(1, Verdict::Outcome(sold_out()))]);
    let again = take(&mut gate, 3);
    assert_eq!(keys(&again), ["k"]);
    grant(&mut gate, &again, 4);
    assert_eq!(gate.drain(), [(2, granted("k", false)), (3, granted("k", true))]);
    assert!(gate.take_batch(4).is_none());
    assert_eq!((gate.queue.waiters(), gate.queue.entries()), (0, 0));
}

#[test]
fn a_failed_batch_is_reported_to_duplicates_too() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    let batch = take(&mut gate, 0);
    gate.arrive(reservation("a", "k", "fp"), 2, 1);
    gate.complete(&batch, None, 2);
    assert_eq!(gate.drain(), [(1, Verdict::Unavailable), (2, Verdict::Unavailable)]);
}

#[test]
fn another_request_under_a_running_key_is_refused_if_the_first_is_granted() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    gate.arrive(reservation("a", "k", "other"), 2, 0);
    let batch = take(&mut gate, 0);
    grant(&mut gate, &batch, 1);
    assert!(gate.take_batch(1).is_none());
    let reused = Verdict::Remembered(ReserveOutcome::IdempotencyKeyReused);
    assert_eq!(gate.drain(), [(1, granted("k", false)), (2, reused)]);
}

#[test]
fn a_refusal_leaves_no_trace_and_the_key_may_succeed_later() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    gate.arrive(reservation("a", "k", "other"), 2, 0);
    let batch = take(&mut gate, 0);
    gate.complete(&batch, Some(vec![sold_out()]), 1);
    let second = take(&mut gate, 1);
    assert_eq!(second.reservations, [reservation("a", "k", "other")]);
    grant(&mut gate, &second, 2);
    assert_eq!(gate.drain(), [(1, Verdict::Outcome(sold_out())), (2, granted("k", false))]);
}

#[test]
fn a_failed_batch_drops_its_keys_and_answers_every_request() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    gate.arrive(reservation("a", "k", "fp"), 2, 0);
    let batch = take(&mut gate, 0);
    gate.complete(&batch, None, 1);
    assert_eq!(gate.drain(), [(1, Verdict::Unavailable), (2, Verdict::Unavailable)]);
    gate.arrive(reservation("a", "k", "fp"), 3, 2);
    assert_eq!(keys(&take(&mut gate, 2)), ["k"]);
}

#[test]
fn outcomes_that_do_not_match_the_batch_are_a_failed_call() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    let batch = take(&mut gate, 0);
    gate.complete(&batch, Some(vec![sold_out(), sold_out()]), 1);
    assert_eq!(gate.drain(), [(1, Verdict::Unavailable)]);
}

#[test]
fn a_result_after_the_deadline_still_lands_in_the_keys() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    let batch = take(&mut gate, 0);
    grant(&mut gate, &batch, GATE_DEADLINE_MS + 1);
    gate.drain();
    gate.arrive(reservation("a", "k", "fp"), 2, GATE_DEADLINE_MS + 2);
    assert_eq!(gate.drain(), [(2, remembered(granted("k", true)))]);
}

#[test]
fn a_request_without_a_waiting_client_is_not_sent() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    gate.arrive(reservation("b", "l", "fp"), 2, 1);
    assert_eq!(keys(&take(&mut gate, GATE_DEADLINE_MS)), ["l"]);
    assert_eq!(gate.drain(), [(1, Verdict::Unavailable)]);
}

#[test]
fn a_call_says_how_long_a_reservation_of_its_batch_still_waits() {
    let mut gate = gate();
    gate.arrive(reservation("a", "k", "fp"), 1, 0);
    assert_eq!(take(&mut gate, 0).within_ms, INVOKE_DEADLINE_MS, "no longer than the call itself");
    gate.arrive(reservation("b", "k", "fp"), 2, 0);
    gate.arrive(reservation("c", "k", "fp"), 3, 40);
    assert_eq!(take(&mut gate, GATE_DEADLINE_MS - 100).within_ms, 140);
}

#[test]
fn after_failures_in_a_row_requests_are_refused_until_one_call_succeeds() {
    let mut gate = gate();
    for failure in 0..BREAKER_FAILURES {
        gate.arrive(reservation(&failure.to_string(), "k", "fp"), failure, 0);
        let batch = take(&mut gate, 0);
        gate.complete(&batch, None, 0);
    }
    assert_eq!(gate.drain().len(), BREAKER_FAILURES as usize);
    gate.arrive(reservation("a", "k", "fp"), 1, 1);
    assert!(gate.take_batch(1).is_none());
    assert_eq!(gate.drain(), [(1, Verdict::Unavailable)]);

    gate.arrive(reservation("a", "k", "fp"), 2, BREAKER_OPEN_MS);
    let probe = take(&mut gate, BREAKER_OPEN_MS);
    gate.arrive(reservation("b", "k", "fp"), 3, BREAKER_OPEN_MS);
    assert_eq!(gate.drain(), [(3, Verdict::Unavailable)]);
    grant(&mut gate, &probe, BREAKER_OPEN_MS);
    gate.arrive(reservation("b", "k", "fp"), 4, BREAKER_OPEN_MS);
    assert_eq!(keys(&take(&mut gate, BREAKER_OPEN_MS)), ["k"]);
}

#[test]
fn requests_that_wait_when_the_breaker_opens_are_answered_at_once() {
    let mut gate = gate();
    let mut batches = Vec::new();
    for user in 0..BREAKER_FAILURES {
        gate.arrive(reservation(&user.to_string(), "k", "fp"), user, 0);
        if user < SALE_BATCHES_IN_FLIGHT_MAX as u32 {
            batches.push(take(&mut gate, 0));
        }
    }
    // The function fails elsewhere too: here only the number in a row matters.
    (0..BREAKER_FAILURES).for_each(|_| gate.breaker.failed(0));
    for batch in batches {
        gate.complete(&batch, None, 0);
    }
    assert!(gate.take_batch(0).is_none());
    assert_eq!(gate.drain().len(), BREAKER_FAILURES as usize);
}

#[test]
fn a_call_carries_one_sale_and_the_others_leave_in_the_next() {
    let mut gate = gate();
    for (waiter, (user, sale)) in (0..).zip([("a", "one"), ("b", "one"), ("c", "two"), ("d", "one"), ("e", "two")]) {
        gate.arrive(Reservation { sale_id: sale.to_owned(), ..reservation(user, user, "fp") }, waiter, 0);
    }
    let (first, second) = (take(&mut gate, 0), take(&mut gate, 0));
    assert_eq!((keys(&first), keys(&second)), (vec!["a", "b", "d"], vec!["c", "e"]));
}
