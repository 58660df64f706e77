//! Who waits at a Gate: a line of users, and behind each user a line of that user's own requests, of which at most one
//! is in the air. So a batch has a user once, in the order of arrival, and a user's later request sees what came of
//! the one before it.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use wire::reserve::Reservation;

pub struct Queue<W> {
    users: HashMap<Rc<str>, VecDeque<Entry<W>>>,
    /// Users with a request to send and none in the air.
    ready: VecDeque<Rc<str>>,
    entries: usize,
    waiters: usize,
}

/// One request, and everybody who sent it.
pub struct Entry<W> {
    pub idem_key: String,
    pub fingerprint: String,
    pub waiters: Vec<W>,
    /// Whoever sent it again while it was in the air.
    pub late: Option<Late<W>>,
    /// When the last of those it was sent for has given up.
    pub deadline_ms: u64,
    /// Sent to ask for others too, whatever this Gate remembers.
    pub probe: bool,
    /// None: in the air.
    reservation: Option<Reservation>,
}

/// A grant is theirs too; a refusal is older than their question, and may no longer be true.
pub struct Late<W> {
    pub asked: Reservation,
    pub waiters: Vec<W>,
    /// When the last of them has given up.
    pub deadline_ms: u64,
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Self { users: HashMap::new(), ready: VecDeque::new(), entries: 0, waiters: 0 }
    }
}

impl<W> Queue<W> {
    /// Requests, those in the air included.
    pub fn entries(&self) -> usize {
        self.entries
    }

    pub fn waiters(&self) -> usize {
        self.waiters
    }

    /// Whether anything of this user waits or is in the air.
    pub fn has(&self, user_id: &str) -> bool {
        self.users.contains_key(user_id)
    }

    /// Waits with the same request that is already here; gives the waiter back if there is none.
    pub fn join(&mut self, asked: &Reservation, waiter: W, deadline_ms: u64) -> Option<W> {
        let line = self.users.get_mut(asked.user_id.as_str());
        let same = |entry: &&mut Entry<W>| entry.idem_key == asked.idem_key && entry.fingerprint == asked.fingerprint;
        let Some(entry) = line.and_then(|line| line.iter_mut().find(same)) else { return Some(waiter) };
        if entry.reservation.is_some() {
            entry.waiters.push(waiter);
            entry.deadline_ms = entry.deadline_ms.max(deadline_ms);
        } else {
            let late = || Late { asked: asked.clone(), waiters: Vec::new(), deadline_ms };
            let late = entry.late.get_or_insert_with(late);
            late.waiters.push(waiter);
            late.deadline_ms = late.deadline_ms.max(deadline_ms);
        }
        self.waiters = self.waiters.saturating_add(1);
        None
    }

    pub fn push(&mut self, asked: Reservation, waiters: Vec<W>, deadline_ms: u64, probe: bool) {
        let user: Rc<str> = asked.user_id.as_str().into();
        let line = self.users.entry(user.clone()).or_default();
        if line.is_empty() {
            self.ready.push_back(user);
        }
        self.entries = self.entries.saturating_add(1);
        self.waiters = self.waiters.saturating_add(waiters.len());
        line.push_back(Entry {
            idem_key: asked.idem_key.clone(),
            fingerprint: asked.fingerprint.clone(),
            waiters,
            late: None,
            deadline_ms,
            probe,
            reservation: Some(asked),
        });
    }

    /// The user whose turn it is, of those who want something of this sale (none: of any) and `may` leave, with the
    /// request that `send` looks at: true sends it, false takes it out instead.
    pub fn next(
        &mut self,
        sale: Option<&str>,
        may: impl Fn(&Reservation) -> bool,
        send: impl FnOnce(&Reservation, &Entry<W>) -> bool,
    ) -> Option<Next<W>> {
        let first =
            |user| self.users.get(user).and_then(|line| line.front()).and_then(|entry| entry.reservation.as_ref());
        let wants = |asked: &Reservation| sale.is_none_or(|sale| asked.sale_id == sale) && may(asked);
        let turn = self.ready.iter().position(|user| first(user).is_some_and(wants))?;
        let user = self.ready.remove(turn)?;
        let front = self.users.get_mut(&user)?.front_mut()?;
        // A user in `ready` has nothing in the air.
        let reservation = front.reservation.take()?;
        if send(&reservation, front) {
            return Some(Next::Send(user, reservation));
        }
        self.take(&user).map(|entry| Next::Taken(entry.waiters))
    }

    /// The user's request that was in the air, or was first in line; the user's next one becomes ready.
    pub fn take(&mut self, user: &Rc<str>) -> Option<Entry<W>> {
        let line = self.users.get_mut(user)?;
        let entry = line.pop_front()?;
        if line.is_empty() {
            self.users.remove(user);
        } else {
            self.ready.push_back(user.clone());
        }
        self.entries = self.entries.saturating_sub(1);
        let late = entry.late.as_ref().map_or(0, |late| late.waiters.len());
        self.waiters = self.waiters.saturating_sub(entry.waiters.len()).saturating_sub(late);
        Some(entry)
    }
}

pub enum Next<W> {
    /// To be sent; the entry stays, in the air, until it is taken.
    Send(Rc<str>, Reservation),
    /// Not to be sent: who waits for it.
    Taken(Vec<W>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::reservation;

    fn send(queue: &mut Queue<u32>) -> Option<(Rc<str>, String)> {
        match queue.next(None, |_| true, |_, _| true) {
            Some(Next::Send(user, reservation)) => Some((user, reservation.idem_key)),
            Some(Next::Taken(..)) | None => None,
        }
    }

    #[test]
    fn users_leave_in_the_order_of_their_arrival_and_one_request_at_a_time() {
        let mut queue = Queue::default();
        for (user, key) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("c", "c1"), ("a", "a3")] {
            queue.push(reservation(user, key, "fp"), vec![0_u32], 0, false);
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
    fn who_has_had_a_turn_stands_behind_whoever_has_not() {
        let mut queue = Queue::default();
        for (user, key) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
            queue.push(reservation(user, key, "fp"), vec![0_u32], 0, false);
        }
        let (a, _) = send(&mut queue).unwrap_or_default();
        queue.take(&a);
        let sent: Vec<_> = std::iter::from_fn(|| send(&mut queue)).map(|(_, key)| key).collect();
        assert_eq!(sent, ["b1", "a2"]);
    }

    #[test]
    fn the_same_request_joins_and_another_under_its_key_does_not() {
        let mut queue = Queue::default();
        queue.push(reservation("a", "k", "fp"), vec![1_u32], 10, false);
        assert_eq!(queue.join(&reservation("a", "k", "fp"), 2, 20), None);
        assert_eq!(send(&mut queue).map(|(_, key)| key).as_deref(), Some("k"));
        assert_eq!(queue.join(&reservation("a", "k", "fp"), 3, 15), None);
        for other in [reservation("a", "k", "x"), reservation("a", "l", "fp"), reservation("b", "k", "fp")] {
            assert_eq!(queue.join(&other, 4, 30), Some(4));
        }
        let entry = queue.take(&"a".into());
        let of_late = |late: Late<u32>| (late.waiters, late.deadline_ms);
        let shown = entry.map(|entry| (entry.waiters, entry.deadline_ms, entry.late.map(of_late)));
        assert_eq!(shown, Some((vec![1, 2], 20, Some((vec![3], 15)))));
        assert_eq!((queue.entries(), queue.waiters(), queue.users.len()), (0, 0, 0));
    }

    #[test]
    fn a_sale_is_asked_for_and_the_others_keep_their_place() {
        let mut queue = Queue::default();
        for (user, sale) in [("a", "one"), ("b", "two"), ("c", "one"), ("d", "two")] {
            queue.push(Reservation { sale_id: sale.to_owned(), ..reservation(user, "k", "fp") }, vec![0_u32], 0, false);
        }
        let mut of = |sale| match queue.next(sale, |_| true, |_, _| true) {
            Some(Next::Send(user, _)) => user.to_string(),
            Some(Next::Taken(..)) | None => String::new(),
        };
        assert_eq!([of(Some("two")), of(Some("two")), of(Some("two"))], ["b", "d", ""]);
        assert_eq!([of(None), of(None), of(None)], ["a", "c", ""]);
    }

    #[test]
    fn who_may_not_leave_keeps_the_place() {
        let mut queue = Queue::default();
        for user in ["a", "b"] {
            queue.push(reservation(user, "k", "fp"), vec![0_u32], 0, false);
        }
        let next = |queue: &mut Queue<u32>, may: fn(&Reservation) -> bool| match queue.next(None, may, |_, _| true) {
            Some(Next::Send(user, _)) => user.to_string(),
            Some(Next::Taken(..)) | None => String::new(),
        };
        assert_eq!(next(&mut queue, |asked| asked.user_id != "a"), "b");
        assert_eq!(next(&mut queue, |asked| asked.user_id != "a"), "");
        assert_eq!(next(&mut queue, |_| true), "a");
    }

    #[test]
    fn what_is_not_sent_is_taken_and_the_next_of_the_user_has_its_turn() {
        let mut queue = Queue::default();
        queue.push(reservation("a", "a1", "fp"), vec![0_u32], 0, false);
        queue.push(reservation("a", "a2", "fp"), vec![0_u32], 0, false);
        let taken = queue.next(None, |_| true, |asked, _| asked.idem_key != "a1");
        assert!(matches!(taken, Some(Next::Taken(waiters)) if waiters == [0]));
        assert_eq!(send(&mut queue).map(|(_, key)| key).as_deref(), Some("a2"));
    }
}
