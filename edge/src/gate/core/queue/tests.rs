//! Which request is sent when, one rule a test.

use super::*;
use crate::gate::testing::reservation;
use crate::runtime::limits::{QUEUE_MAX, QUEUE_SHARE, SALE_BATCHES_IN_FLIGHT_MAX};

fn until(deadline_ms: u64) -> Arrival {
    Arrival { deadline_ms, ..Arrival::default() }
}

fn send(queue: &mut Queue<u32>) -> Option<(Rc<str>, String)> {
    match queue.next(None, |_, _| true, |_, _| true) {
        Some(Next::Send(user, reservation)) => Some((user, reservation.idem_key)),
        Some(Next::Taken(..)) | None => None,
    }
}

#[test]
fn users_are_sent_in_order_of_arrival_one_request_at_a_time() {
    let mut queue = Queue::default();
    for (user, key) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("c", "c1"), ("a", "a3")] {
        queue.push(reservation(user, key, "fp"), vec![0_u32], Arrival::default());
    }
    let sent: Vec<_> = std::iter::from_fn(|| send(&mut queue)).collect();
    assert_eq!(sent.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>(), ["a1", "b1", "c1"]);
    let a = sent.first().map(|(user, _)| user.clone()).unwrap_or_default();
    assert_eq!(queue.take(&a).map(|entry| entry.idem_key).as_deref(), Some("a1"));
    assert_eq!(send(&mut queue).map(|(_, key)| key).as_deref(), Some("a2"));
    assert_eq!(send(&mut queue), None);
    assert_eq!(queue.entries(), 4);
}

#[test]
fn a_user_who_was_served_queues_behind_those_who_were_not() {
    let mut queue = Queue::default();
    for (user, key) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        queue.push(reservation(user, key, "fp"), vec![0_u32], Arrival::default());
    }
    let (a, _) = send(&mut queue).unwrap_or_default();
    queue.take(&a);
    let sent: Vec<_> = std::iter::from_fn(|| send(&mut queue)).map(|(_, key)| key).collect();
    assert_eq!(sent, ["b1", "a2"]);
}

#[test]
fn the_same_request_joins_and_another_under_its_key_does_not() {
    let mut queue = Queue::default();
    queue.push(reservation("a", "k", "fp"), vec![1_u32], until(10));
    assert_eq!(queue.join(&reservation("a", "k", "fp"), 2, until(20)), None);
    assert_eq!(send(&mut queue).map(|(_, key)| key).as_deref(), Some("k"));
    assert_eq!(queue.join(&reservation("a", "k", "fp"), 3, until(15)), None);
    for other in [reservation("a", "k", "x"), reservation("a", "l", "fp"), reservation("b", "k", "fp")] {
        assert_eq!(queue.join(&other, 4, until(30)), Some(4));
    }
    let entry = queue.take(&"a".into());
    let of_late = |late: Late<u32>| (late.waiters, late.arrival.deadline_ms);
    let shown = entry.map(|entry| (entry.waiters, entry.arrival.deadline_ms, entry.late.map(of_late)));
    assert_eq!(shown, Some((vec![1, 2], 20, Some((vec![3], 15)))));
    assert_eq!((queue.entries(), queue.waiters(), queue.users.len()), (0, 0, 0));
}

#[test]
fn taking_one_sales_requests_keeps_the_others_in_place() {
    let mut queue = Queue::default();
    for (user, sale) in [("a", "one"), ("b", "two"), ("c", "one"), ("d", "two")] {
        queue.push(
            Reservation { sale_id: sale.to_owned(), ..reservation(user, "k", "fp") },
            vec![0_u32],
            Arrival::default(),
        );
    }
    let mut of = |sale| match queue.next(sale, |_, _| true, |_, _| true) {
        Some(Next::Send(user, _)) => user.to_string(),
        Some(Next::Taken(..)) | None => String::new(),
    };
    assert_eq!([of(Some("two")), of(Some("two")), of(Some("two"))], ["b", "d", ""]);
    assert_eq!([of(None), of(Some("one")), of(None)], ["a", "c", ""]);
}

#[test]
fn a_request_that_may_not_be_sent_keeps_its_place() {
    let mut queue = Queue::default();
    for user in ["a", "b"] {
        queue.push(reservation(user, "k", "fp"), vec![0_u32], Arrival::default());
    }
    let next = |queue: &mut Queue<u32>, may: fn(&Reservation) -> bool| match queue.next(
        None,
        |asked, _| may(asked),
        |_, _| true,
    ) {
        Some(Next::Send(user, _)) => user.to_string(),
        Some(Next::Taken(..)) | None => String::new(),
    };
    assert_eq!(next(&mut queue, |asked| asked.user_id != "a"), "b");
    assert_eq!(next(&mut queue, |asked| asked.user_id != "a"), "");
    assert_eq!(next(&mut queue, |_| true), "a");
}

#[test]
fn a_request_without_a_waiting_client_is_removed_and_the_users_next_one_is_sent() {
    let mut queue = Queue::default();
    queue.push(reservation("a", "a1", "fp"), vec![0_u32], Arrival::default());
    queue.push(reservation("a", "a2", "fp"), vec![0_u32], Arrival::default());
    let taken = queue.next(None, |_, _| true, |asked, _| asked.idem_key != "a1");
    assert!(matches!(taken, Some(Next::Taken(waiters)) if waiters == [0]));
    assert_eq!(send(&mut queue).map(|(_, key)| key).as_deref(), Some("a2"));
}

fn of_sale(user: &str, sale: &str) -> Reservation {
    Reservation { sale_id: sale.to_owned(), ..reservation(user, "k", "fp") }
}

/// The next call's users, of one sale.
fn batch(queue: &mut Queue<u32>, most: usize) -> (String, usize) {
    let mut sale: Option<String> = None;
    for users in 0..most {
        match queue.next(sale.as_deref(), |_, _| true, |_, _| true) {
            Some(Next::Send(_, asked)) => sale = Some(asked.sale_id),
            Some(Next::Taken(..)) | None => {
                return (sale.unwrap_or_default(), users);
            }
        }
    }
    (sale.unwrap_or_default(), most)
}

#[test]
fn sales_take_turns_however_many_want_one_of_them() {
    let mut queue = Queue::default();
    (0..50).for_each(|user| queue.push(of_sale(&format!("a{user}"), "crowded"), vec![0], Arrival::default()));
    (0..3).for_each(|user| queue.push(of_sale(&format!("b{user}"), "quiet"), vec![0], Arrival::default()));
    let mut left = Vec::new();
    for _ in 0..4 {
        let (sale, users) = batch(&mut queue, 10);
        queue.call_sent(&sale);
        queue.call_ended(&sale);
        left.push((sale, users));
    }
    let batches: Vec<(&str, usize)> = left.iter().map(|(sale, users)| (sale.as_str(), *users)).collect();
    assert_eq!(batches, [("crowded", 10), ("quiet", 3), ("crowded", 10), ("crowded", 10)]);
}

#[test]
fn calls_of_one_sale_that_take_long_leave_room_for_another_sales() {
    let mut queue = Queue::default();
    (0..50).for_each(|user| queue.push(of_sale(&format!("a{user}"), "crowded"), vec![0], Arrival::default()));
    for _ in 0..SALE_BATCHES_IN_FLIGHT_MAX {
        let (sale, _) = batch(&mut queue, 10);
        queue.call_sent(&sale);
    }
    assert_eq!(batch(&mut queue, 10), (String::new(), 0), "as many as one sale may have");
    queue.push(of_sale("b", "quiet"), vec![0], Arrival::default());
    let (sale, users) = batch(&mut queue, 10);
    assert_eq!((sale.as_str(), users), ("quiet", 1));
    queue.call_sent(&sale);
    queue.push(of_sale("c", "third"), vec![0], Arrival::default());
    assert_eq!(batch(&mut queue, 10), (String::new(), 0), "as many as all of them may have");
    queue.call_ended("crowded");
    assert_eq!(batch(&mut queue, 10).0, "third");
}

#[test]
fn a_full_queue_of_one_sale_admits_another_sales_requests() {
    let mut queue = Queue::default();
    (0..QUEUE_MAX).for_each(|user| queue.push(of_sale(&format!("a{user}"), "crowded"), vec![0], Arrival::default()));
    assert!(queue.is_full("crowded") && !queue.is_full("quiet"));
    (0..QUEUE_SHARE).for_each(|user| queue.push(of_sale(&format!("b{user}"), "quiet"), vec![0], Arrival::default()));
    assert!(queue.is_full("quiet") && !queue.is_full("third"));
}

#[test]
fn a_user_has_three_queued_requests_and_ten_waiting_clients() {
    let mut queue = Queue::default();
    for key in ["k1", "k2", "k3"] {
        assert!(!queue.has_enough("a"));
        queue.push(reservation("a", key, "fp"), vec![0], Arrival::default());
    }
    assert!(queue.has_enough("a") && !queue.has_enough("b"));
    assert!(!queue.waits_enough("a"));
    (3..USER_WAITERS_MAX).for_each(|_| assert_eq!(queue.join(&reservation("a", "k1", "fp"), 1, until(1)), None));
    assert!(queue.waits_enough("a") && !queue.waits_enough("b"));
}

#[test]
fn a_request_refused_in_the_queue_leaves_it_and_the_others_keep_their_order() {
    let mut queue = Queue::default();
    for (user, key) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("c", "c1")] {
        queue.push(reservation(user, key, "fp"), vec![0_u32], Arrival::default());
    }
    let refused = queue.take_those("spring-drop", |asked, _| (asked.user_id == "a").then_some(7));
    assert_eq!(refused, [(vec![0], 7)]);
    let sent: Vec<_> = std::iter::from_fn(|| send(&mut queue)).map(|(_, key)| key).collect();
    assert_eq!(sent, ["b1", "c1", "a2"], "a2 is looked at in its own turn");
    assert_eq!(queue.take_those("another", |_, _| Some(0)), []);
}
