//! Tests: which users a Gate refuses without a call after "sold out", and which it never does.

use super::tests::{Gate, gate, grant, granted, keys, remembered, sold_out, take};
use super::*;
use crate::gate::testing::{lines, reservation};
use crate::runtime::limits::{SALE_BATCHES_IN_FLIGHT_MAX, SLOW_START_FIRST, SOLD_OUT_PROBE_MS};

/// At 0, T1 answered that `a` is sold out, and the database that there are no holders.
fn sold_out_gate() -> Gate {
    let mut gate = gate();
    gate.arrive(one("first"), 0, 0);
    let batch = take(&mut gate, 0);
    gate.complete(&batch, Some(vec![sold_out()]), 0);
    let sale = gate.sold_out.question(0).unwrap_or_default();
    gate.sold_out.holders(&sale, Some((Vec::new(), true)), 0);
    gate.drain();
    gate
}

fn one(user: &str) -> Reservation {
    Reservation { items: lines(&["a"]), ..reservation(user, user, "fp") }
}

fn refused_from_memory(answers: &[(u32, Verdict)]) -> Vec<u32> {
    let repeated = |verdict: &Verdict| matches!(verdict, Verdict::Remembered(ReserveOutcome::SoldOut { .. }));
    answers.iter().filter(|(_, verdict)| repeated(verdict)).map(|(waiter, _)| *waiter).collect()
}

#[test]
fn after_sold_out_a_crowd_costs_one_small_call_before_the_memory_lapses() {
    let mut gate = sold_out_gate();
    for now_ms in 0..SOLD_OUT_PROBE_MS as u32 {
        gate.arrive(one(&now_ms.to_string()), now_ms, now_ms.into());
        assert!(gate.take_batch(now_ms.into()).is_none());
    }
    assert_eq!(refused_from_memory(&gate.drain()).len(), SOLD_OUT_PROBE_MS as usize);
    for user in 0..9_u32 {
        gate.arrive(one(&format!("later-{user}")), user, SOLD_OUT_PROBE_MS);
    }
    assert_eq!(keys(&take(&mut gate, SOLD_OUT_PROBE_MS)), ["later-0"]);
    assert_eq!(refused_from_memory(&gate.drain()), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn requests_queued_when_it_sold_out_are_answered_without_a_call() {
    let mut gate = gate();
    let batches: Vec<InFlightBatch> = (0..SALE_BATCHES_IN_FLIGHT_MAX as u32)
        .map(|user| {
            gate.arrive(one(&user.to_string()), user, 0);
            take(&mut gate, 0)
        })
        .collect();
    gate.arrive(one("in-line"), 9, 0);
    gate.complete(&batches[0], Some(vec![sold_out()]), 0);
    let sale = gate.sold_out.question(0).unwrap_or_default();
    gate.sold_out.holders(&sale, Some((Vec::new(), true)), 0);
    assert!(gate.take_batch(0).is_none());
    assert_eq!(refused_from_memory(&gate.drain()), [9]);
}

#[test]
fn a_key_that_was_granted_comes_before_sold_out() {
    let mut gate = gate();
    gate.arrive(one("a"), 1, 0);
    let batch = take(&mut gate, 0);
    grant(&mut gate, &batch, 0);
    gate.arrive(one("first"), 2, 0);
    let batch = take(&mut gate, 0);
    gate.complete(&batch, Some(vec![sold_out()]), 0);
    let sale = gate.sold_out.question(0).unwrap_or_default();
    gate.sold_out.holders(&sale, Some((Vec::new(), true)), 0);
    gate.drain();
    gate.arrive(one("a"), 3, 1);
    gate.arrive(Reservation { idem_key: "another".to_owned(), ..one("a") }, 4, 1);
    gate.arrive(one("b"), 5, 1);
    assert_eq!(keys(&take(&mut gate, 1)), ["another"], "who holds something is T1's to answer");
    let answers = gate.drain();
    assert_eq!(answers.first(), Some(&(3, remembered(granted("a", true)))));
    assert_eq!(refused_from_memory(&answers), [5]);
}

#[test]
fn behind_a_request_of_the_same_user_nothing_is_refused_from_memory() {
    let mut gate = sold_out_gate();
    gate.arrive(Reservation { items: lines(&["b"]), ..one("a") }, 1, 1);
    let batch = take(&mut gate, 1);
    assert_eq!(keys(&batch), ["a"]);
    gate.arrive(Reservation { idem_key: "another".to_owned(), ..one("a") }, 2, 1);
    assert!(gate.take_batch(1).is_none());
    assert!(gate.drain().is_empty());
    grant(&mut gate, &batch, 2);
    assert_eq!(keys(&take(&mut gate, 2)), ["another"]);
}

#[test]
fn a_retry_while_it_sells_out_is_answered_from_memory_unless_stock_came_back() {
    for came_back in [false, true] {
        let mut gate = sold_out_gate();
        let asked_ms = SOLD_OUT_PROBE_MS;
        gate.arrive(one("a"), 1, asked_ms);
        let batch = take(&mut gate, asked_ms);
        assert_eq!(keys(&batch), ["a"], "it is the one that asks for all");
        gate.arrive(one("a"), 2, asked_ms + 1);
        if came_back {
            gate.sold_out.forget("spring-drop", asked_ms + 1);
        }
        gate.complete(&batch, Some(vec![sold_out()]), asked_ms + 2);
        let again = gate.take_batch(asked_ms + 2);
        assert_eq!(again.as_ref().map(keys), came_back.then(|| vec!["a"]));
        let told_from_memory = refused_from_memory(&gate.drain());
        assert_eq!(told_from_memory, if came_back { vec![] } else { vec![2] });
    }
}

#[test]
fn what_came_back_is_sent_when_the_lease_has_ended_and_not_before() {
    let mut gate = sold_out_gate();
    assert!(gate.sold_out.lease("spring-drop", 100).is_some());
    assert_eq!(gate.wake_ms(100), None, "nothing waits for it");
    gate.sold_out.forget("spring-drop", 100);
    gate.arrive(one("a"), 1, 200);
    assert!(gate.take_batch(200).is_none());
    assert_eq!(gate.wake_ms(200), Some(SOLD_OUT_PROBE_MS));
    assert!(gate.take_batch(SOLD_OUT_PROBE_MS - 1).is_none());
    assert_eq!(keys(&take(&mut gate, SOLD_OUT_PROBE_MS)), ["a"]);
}

#[test]
fn a_probe_that_could_not_leave_before_the_next_lease_is_refused_like_the_others() {
    let mut gate = sold_out_gate();
    let probe_ms = SOLD_OUT_PROBE_MS;
    // A batch that will say again that nothing is left, and two other sales' calls: nothing else can leave.
    gate.sold_out.forget("spring-drop", probe_ms - 99);
    gate.arrive(one("before"), 1, probe_ms - 99);
    let again = take(&mut gate, probe_ms - 99);
    let others = ["x", "y"].map(|sale| {
        gate.arrive(Reservation { sale_id: sale.to_owned(), ..one(sale) }, 2, probe_ms - 98);
        take(&mut gate, probe_ms - 98)
    });
    gate.arrive(Reservation { sale_id: "z".to_owned(), ..one("z") }, 3, probe_ms - 97);
    gate.complete(&again, Some(vec![sold_out()]), probe_ms);
    assert!(gate.take_batch(probe_ms).is_some_and(|batch| batch.sale_id == "z"));
    let due_ms = probe_ms - 99 + probe_ms;
    gate.arrive(one("probe"), 4, due_ms);
    assert!(gate.take_batch(due_ms).is_none(), "three calls are in flight");
    gate.drain();
    // What is known of the sale is new again, and leased.
    run_call_of(&mut gate, due_ms + 1);
    assert!(gate.sold_out.lease("spring-drop", due_ms + 1).is_some());
    gate.complete(&others[0], None, due_ms + 2);
    assert!(gate.take_batch(due_ms + 2).is_none());
    assert_eq!(refused_from_memory(&gate.drain()), [4]);
}

/// T1's answer to a call that another path has made: `a` is still sold out.
fn run_call_of(gate: &mut Gate, sent_ms: u64) {
    let number = gate.sold_out.begin_batch(&[]);
    let batch = InFlightBatch {
        sale_id: "spring-drop".to_owned(),
        reservations: vec![one("other")],
        number,
        sent_ms,
        ..InFlightBatch::default()
    };
    gate.sold_out.learn(&batch, Some(&[sold_out()]), sent_ms);
}

#[test]
fn when_stock_may_be_back_a_few_requests_are_sent_and_the_rest_get_their_result() {
    let mut gate = sold_out_gate();
    gate.sold_out.forget("spring-drop", 0);
    for user in 0..50_u32 {
        gate.arrive(one(&user.to_string()), user, 0);
    }
    let batches: Vec<InFlightBatch> = (0..SALE_BATCHES_IN_FLIGHT_MAX).map(|_| take(&mut gate, 0)).collect();
    assert!(batches.iter().all(|batch| batch.users.len() == SLOW_START_FIRST));
    assert!(gate.take_batch(0).is_none());
    gate.complete(&batches[0], Some(vec![sold_out(); SLOW_START_FIRST]), 0);
    assert!(gate.take_batch(0).is_none());
    let crowd = u32::try_from(SALE_BATCHES_IN_FLIGHT_MAX * SLOW_START_FIRST).unwrap_or_default()..50;
    assert_eq!(refused_from_memory(&gate.drain()), crowd.collect::<Vec<_>>());
}

#[test]
fn until_the_holders_are_known_the_crowd_does_not_wait_for_slow_start() {
    let mut gate = gate();
    gate.arrive(one("first"), 0, 0);
    let batch = take(&mut gate, 0);
    gate.complete(&batch, Some(vec![sold_out()]), 0);
    for user in 0..50_u32 {
        gate.arrive(one(&user.to_string()), user, 1);
    }
    assert_eq!(take(&mut gate, 1).users.len(), 50);
}

#[test]
fn a_calls_result_answers_the_requests_from_before_it_left_and_no_others() {
    let mut gate = sold_out_gate();
    // Something comes back before each call is back: the Gate never gets to know that it is sold out.
    gate.sold_out.forget("spring-drop", 0);
    for user in 0..20_u32 {
        gate.arrive(one(&user.to_string()), user, 0);
    }
    let batches: Vec<InFlightBatch> = (0..SALE_BATCHES_IN_FLIGHT_MAX).map(|_| take(&mut gate, 0)).collect();
    gate.arrive(one("later"), 99, 1);
    gate.arrive(one("19"), 98, 1);
    gate.sold_out.forget("spring-drop", 1);
    gate.complete(&batches[0], Some(vec![sold_out(); SLOW_START_FIRST]), 2);
    let refused = refused_from_memory(&gate.drain());
    let crowd = u32::try_from(SALE_BATCHES_IN_FLIGHT_MAX * SLOW_START_FIRST).unwrap_or_default()..19;
    assert_eq!(refused, crowd.collect::<Vec<_>>(), "19 asked again after it had left");
    assert_eq!(keys(&take(&mut gate, 2)), ["19", "later"]);
}

#[test]
fn a_crowd_before_the_opening_costs_one_small_call_before_the_memory_lapses() {
    let mut gate = gate();
    let closed = || ReserveOutcome::SaleNotOpen {
        opens_at: String::new(),
        status: protocol::shop::SaleStatus::Scheduled,
        for_ms: 1_000,
    };
    gate.arrive(one("first"), 0, 0);
    let batch = take(&mut gate, 0);
    gate.complete(&batch, Some(vec![closed()]), 0);
    let sale = gate.sold_out.question(0).unwrap_or_default();
    gate.sold_out.holders(&sale, Some((Vec::new(), true)), 0);
    gate.drain();
    for user in 0..100_u32 {
        gate.arrive(one(&user.to_string()), user, SOLD_OUT_PROBE_MS);
    }
    assert_eq!(keys(&take(&mut gate, SOLD_OUT_PROBE_MS)), ["0"]);
    assert_eq!(gate.drain().len(), 99);
}
