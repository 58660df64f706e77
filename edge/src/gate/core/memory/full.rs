//! How many may wait: of one user, in the queue, and in all.

use super::Verdict;
use super::tests::{gate, keys, take};
use crate::gate::testing::reservation;
use crate::runtime::limits::{QUEUE_MAX, USER_WAITERS_MAX, WAITERS_MAX};

#[test]
fn a_full_queue_refuses_at_once_and_duplicates_still_join() {
    let mut gate = gate();
    for waiter in 0..QUEUE_MAX as u32 {
        gate.arrive(reservation(&waiter.to_string(), "k", "fp"), waiter, 0);
    }
    assert_eq!(gate.drain(), []);
    gate.arrive(reservation("late", "k", "fp"), u32::MAX, 0);
    gate.arrive(reservation("0", "k", "fp"), 9_999, 0);
    assert_eq!(gate.drain(), [(u32::MAX, Verdict::Unavailable)]);
    // So many of one user's, and no more.
    for waiter in 2..USER_WAITERS_MAX as u32 + 5 {
        gate.arrive(reservation("0", "k", "fp"), waiter, 0);
    }
    assert_eq!(gate.drain(), (0..5).map(|n| (USER_WAITERS_MAX as u32 + n, Verdict::TooMany)).collect::<Vec<_>>());
}

#[test]
fn the_number_of_all_waiting_clients_is_bounded() {
    let mut gate = gate();
    for waiter in 0..WAITERS_MAX as u32 + 5 {
        let user = (waiter as usize / USER_WAITERS_MAX).to_string();
        gate.arrive(reservation(&user, "k", "fp"), waiter, 0);
    }
    let refused = (0..5).map(|n| (WAITERS_MAX as u32 + n, Verdict::Unavailable));
    assert_eq!(gate.drain(), refused.collect::<Vec<_>>());
}

#[test]
fn a_users_fourth_request_is_not_queued() {
    let mut gate = gate();
    for (waiter, key) in (0..).zip(["k1", "k2", "k3", "k4"]) {
        gate.arrive(reservation("a", key, "fp"), waiter, 0);
    }
    gate.arrive(reservation("b", "k", "fp"), 9, 0);
    assert_eq!(gate.drain(), [(3, Verdict::TooMany)]);
    assert_eq!(keys(&take(&mut gate, 0)), ["k1", "k"]);
}
