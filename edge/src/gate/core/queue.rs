//! The queue of a Gate: per sale a line of users, and per user a line of requests, of which at most one is in flight.
//! So a batch has each user once, in the order of arrival, and a user's later request sees the outcome of the earlier
//! one. Sales take turns, so that a crowd at one does not block the others.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use protocol::reserve::Reservation;

use crate::runtime::limits::{
    BATCHES_IN_FLIGHT_MAX, QUEUE_ALL_MAX, QUEUE_MAX, QUEUE_SHARE, SALE_BATCHES_IN_FLIGHT_MAX, USER_ENTRIES_MAX,
    USER_WAITERS_MAX,
};

pub struct Queue<W> {
    users: HashMap<Rc<str>, VecDeque<Entry<W>>>,
    sales: HashMap<Rc<str>, Sale>,
    entries: usize,
    waiters: usize,
    in_flight: usize,
    /// Batches that have left.
    sent_batches: u64,
    /// Requests that have arrived.
    arrived: u64,
}

/// One sale's line. Kept while something of it waits or is in flight.
#[derive(Default)]
struct Sale {
    /// Users whose first request is of this sale and is not in flight.
    ready: VecDeque<Rc<str>>,
    entries: usize,
    in_flight: usize,
    /// The number of its last batch; 0: none yet.
    last: u64,
}

/// When a request arrived, and how.
#[derive(Clone, Copy, Default)]
pub struct Arrival {
    /// When the last client that waits for it gives up.
    pub deadline_ms: u64,
    /// Sent to T1 although memory would refuse it, to refresh what memory knows.
    pub probe: bool,
    /// The number of the next batch when its last duplicate arrived. A batch of this number or a later one sees the
    /// state after all of them had arrived.
    pub before: u64,
    /// The user's hash.
    pub user: u64,
}

/// One request, and every client that sent it.
pub struct Entry<W> {
    pub idem_key: String,
    pub fingerprint: String,
    pub waiters: Vec<W>,
    /// Clients that sent it again while it was in flight.
    pub late: Option<Late<W>>,
    pub arrival: Arrival,
    sale: Rc<str>,
    number: u64,
    /// None: in flight.
    reservation: Option<Reservation>,
}

/// A grant answers them too. A refusal is older than their request, and may no longer be true.
pub struct Late<W> {
    pub asked: Reservation,
    pub waiters: Vec<W>,
    pub arrival: Arrival,
}

impl Arrival {
    /// Another client sent the same request.
    fn joined_by(&mut self, other: Self) {
        self.deadline_ms = self.deadline_ms.max(other.deadline_ms);
        self.before = self.before.max(other.before);
    }
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        let (users, sales) = (HashMap::new(), HashMap::new());
        Self { users, sales, entries: 0, waiters: 0, in_flight: 0, sent_batches: 0, arrived: 0 }
    }
}

impl<W> Queue<W> {
    #[cfg(test)]
    pub fn entries(&self) -> usize {
        self.entries
    }

    pub fn waiters(&self) -> usize {
        self.waiters
    }

    /// Whether a request waits that is not in flight.
    pub fn has_waiting(&self) -> bool {
        self.sales.values().any(|sale| !sale.ready.is_empty())
    }

    /// Whether the user has a request that waits or is in flight.
    pub fn has(&self, user_id: &str) -> bool {
        self.users.contains_key(user_id)
    }

    /// Whether the user has as many requests here as are allowed.
    pub fn has_enough(&self, user_id: &str) -> bool {
        self.users.get(user_id).is_some_and(|line| line.len() >= USER_ENTRIES_MAX)
    }

    /// Whether as many clients of the user wait as are allowed, duplicates included.
    pub fn waits_enough(&self, user_id: &str) -> bool {
        let late = |entry: &Entry<W>| entry.late.as_ref().map_or(0, |late| late.waiters.len());
        let waiting = |line: &VecDeque<Entry<W>>| -> usize {
            line.iter().map(|entry| entry.waiters.len().saturating_add(late(entry))).sum()
        };
        self.users.get(user_id).is_some_and(|line| waiting(line) >= USER_WAITERS_MAX)
    }

    /// Whether the sale's line is full. When the whole queue is, a sale with few requests still has room for its share.
    pub fn is_full(&self, sale_id: &str) -> bool {
        let of_it = self.sales.get(sale_id).map_or(0, |sale| sale.entries);
        of_it >= QUEUE_MAX || (self.entries >= QUEUE_MAX && of_it >= QUEUE_SHARE) || self.entries >= QUEUE_ALL_MAX
    }

    /// Joins the waiter to an identical request; gives the waiter back if there is none.
    pub fn join(&mut self, asked: &Reservation, waiter: W, arrival: Arrival) -> Option<W> {
        let line = self.users.get_mut(asked.user_id.as_str());
        let same = |entry: &&mut Entry<W>| entry.idem_key == asked.idem_key && entry.fingerprint == asked.fingerprint;
        let Some(entry) = line.and_then(|line| line.iter_mut().find(same)) else { return Some(waiter) };
        if entry.reservation.is_some() {
            entry.waiters.push(waiter);
            entry.arrival.joined_by(arrival);
        } else {
            let late = || Late { asked: asked.clone(), waiters: Vec::new(), arrival };
            let late = entry.late.get_or_insert_with(late);
            late.waiters.push(waiter);
            late.arrival.joined_by(arrival);
        }
        self.waiters = self.waiters.saturating_add(1);
        None
    }

    pub fn push(&mut self, asked: Reservation, waiters: Vec<W>, arrival: Arrival) {
        let (user, sale_id): (Rc<str>, Rc<str>) = (asked.user_id.as_str().into(), asked.sale_id.as_str().into());
        let sale = self.sales.entry(sale_id.clone()).or_default();
        let line = self.users.entry(user.clone()).or_default();
        if line.is_empty() {
            sale.ready.push_back(user);
        }
        sale.entries = sale.entries.saturating_add(1);
        self.entries = self.entries.saturating_add(1);
        self.arrived = self.arrived.saturating_add(1);
        self.waiters = self.waiters.saturating_add(waiters.len());
        line.push_back(Entry {
            idem_key: asked.idem_key.clone(),
            fingerprint: asked.fingerprint.clone(),
            waiters,
            late: None,
            arrival,
            sale: sale_id,
            number: self.arrived,
            reservation: Some(asked),
        });
    }

    /// The next user of this sale (none: of the sale whose turn it is) whose first request `may` leave. `send` decides
    /// about that request: true puts it in flight, false removes it.
    pub fn next(
        &mut self,
        sale: Option<&str>,
        may: impl Fn(&Reservation, &Entry<W>) -> bool,
        send: impl FnOnce(&Reservation, &Entry<W>) -> bool,
    ) -> Option<Next<W>> {
        let front = |user: &Rc<str>| self.users.get(user).and_then(|line| line.front());
        let wants = |user: &Rc<str>| {
            front(user).is_some_and(|entry| entry.reservation.as_ref().is_some_and(|asked| may(asked, entry)))
        };
        let of = |sale: &Sale| sale.ready.iter().position(wants);
        let (sale_id, turn) = if let Some(sale_id) = sale {
            (Rc::from(sale_id), of(self.sales.get(sale_id)?)?)
        } else {
            let may_depart = |sale: &Sale| match sale.in_flight {
                0 => self.in_flight < BATCHES_IN_FLIGHT_MAX,
                in_flight => in_flight < SALE_BATCHES_IN_FLIGHT_MAX && self.in_flight < SALE_BATCHES_IN_FLIGHT_MAX,
            };
            let waiting = self.sales.iter().filter(|(_, sale)| may_depart(sale));
            let turns = waiting.filter_map(|(sale_id, sale)| {
                let turn = of(sale)?;
                let came = sale.ready.get(turn).and_then(front).map(|entry| entry.number);
                Some(((sale.last, came), sale_id, turn))
            });
            let (_, sale_id, turn) = turns.min_by_key(|(since, ..)| *since)?;
            (sale_id.clone(), turn)
        };
        let user = self.sales.get_mut(&sale_id)?.ready.remove(turn)?;
        let front = self.users.get_mut(&user)?.front_mut()?;
        // A user in `ready` has nothing in flight.
        let reservation = front.reservation.take()?;
        if send(&reservation, front) {
            return Some(Next::Send(user, reservation));
        }
        self.take(&user).map(|entry| Next::Taken(entry.waiters))
    }

    /// A batch of this sale has left.
    pub fn call_sent(&mut self, sale_id: &str) {
        self.in_flight = self.in_flight.saturating_add(1);
        self.sent_batches = self.sent_batches.saturating_add(1);
        if let Some(sale) = self.sales.get_mut(sale_id) {
            sale.in_flight = sale.in_flight.saturating_add(1);
            sale.last = self.sent_batches;
        }
    }

    pub fn call_ended(&mut self, sale_id: &str) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(sale) = self.sales.get_mut(sale_id) {
            sale.in_flight = sale.in_flight.saturating_sub(1);
        }
        self.close_if_empty(sale_id);
    }

    fn close_if_empty(&mut self, sale_id: &str) {
        if self.sales.get(sale_id).is_some_and(|sale| sale.entries == 0 && sale.in_flight == 0) {
            self.sales.remove(sale_id);
        }
    }

    /// Removes first requests of a sale's users for which `decide` has an answer; returns their waiters with it.
    pub fn take_those<T>(
        &mut self,
        sale_id: &str,
        decide: impl Fn(&Reservation, &Entry<W>) -> Option<T>,
    ) -> Vec<(Vec<W>, T)> {
        let Some(sale) = self.sales.get_mut(sale_id) else { return Vec::new() };
        let (mut taken, mut stay) = (Vec::new(), VecDeque::new());
        for user in std::mem::take(&mut sale.ready) {
            let front = self.users.get(&user).and_then(|line| line.front());
            let verdict = front.and_then(|entry| decide(entry.reservation.as_ref()?, entry));
            match verdict {
                None => stay.push_back(user),
                Some(verdict) => taken.extend(self.take(&user).map(|entry| (entry.waiters, verdict))),
            }
        }
        // Users whose next request became the first stand behind the others.
        if let Some(sale) = self.sales.get_mut(sale_id) {
            stay.append(&mut sale.ready);
            sale.ready = stay;
        }
        taken
    }

    /// Removes the user's first request, in flight or not; the next one becomes ready.
    pub fn take(&mut self, user: &Rc<str>) -> Option<Entry<W>> {
        let line = self.users.get_mut(user)?;
        let entry = line.pop_front()?;
        if let Some(next) = line.front() {
            self.sales.entry(next.sale.clone()).or_default().ready.push_back(user.clone());
        } else {
            self.users.remove(user);
        }
        if let Some(sale) = self.sales.get_mut(&entry.sale) {
            sale.entries = sale.entries.saturating_sub(1);
        }
        self.close_if_empty(&entry.sale);
        self.entries = self.entries.saturating_sub(1);
        let late = entry.late.as_ref().map_or(0, |late| late.waiters.len());
        self.waiters = self.waiters.saturating_sub(entry.waiters.len()).saturating_sub(late);
        Some(entry)
    }
}

pub enum Next<W> {
    /// To be sent. The entry stays, in flight, until it is taken.
    Send(Rc<str>, Reservation),
    /// Not to be sent: its waiters.
    Taken(Vec<W>),
}

#[cfg(test)]
mod tests;
