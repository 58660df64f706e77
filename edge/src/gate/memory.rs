//! What a Gate knows between two moments, without a clock or a network of its own: who may ask, what was granted, who
//! waits for what, and what leaves next. Losing it loses no promise: the database answers for all of it.

use std::rc::Rc;

use wire::reserve::{BATCH_MAX, Outcome, Reservation};

use crate::bounds::{FLIGHTS_MAX, GATE_DEADLINE_MS, QUEUE_MAX, WAITERS_MAX};
use crate::breaker::Breaker;
use crate::gate::bucket::Buckets;
use crate::gate::keys::Keys;
use crate::gate::message::{Charge, Verdict};
use crate::gate::queue::{Entry, Next, Queue};
use crate::gate::scouts::{Aboard, Scouts};
use crate::gate::sold_out::{SoldOut, Way};
use crate::gate::users;

pub struct Memory<W> {
    buckets: Buckets,
    keys: Keys,
    pub sold_out: SoldOut,
    scouts: Scouts,
    queue: Queue<W>,
    breaker: Breaker,
    flying: usize,
    answers: Vec<(W, Verdict)>,
}

/// One call of `reserve`: whose requests it carries, in the order of the batch.
#[derive(Default)]
pub struct Flight {
    /// In the order of leaving.
    pub number: u64,
    pub sent_ms: u64,
    pub sale_id: String,
    pub users: Vec<Rc<str>>,
    pub reservations: Vec<Reservation>,
}

impl<W> Memory<W> {
    pub fn new(user_burst: u32, user_per_s: u32, users: users::Key) -> Self {
        Self {
            buckets: Buckets::new(user_burst, user_per_s),
            keys: Keys::default(),
            sold_out: SoldOut::new(users),
            scouts: Scouts::default(),
            queue: Queue::default(),
            breaker: Breaker::default(),
            flying: 0,
            answers: Vec::new(),
        }
    }

    pub fn charge(&mut self, user_id: &str, now_ms: u64) -> Charge {
        self.buckets.charge(user_id, now_ms)
    }

    /// A reservation: answered from memory, joined to its twin, put in line, or refused because the line is full.
    pub fn arrive(&mut self, asked: Reservation, waiter: W, now_ms: u64) {
        if let Some(outcome) = self.keys.answer(&asked, now_ms) {
            return self.answers.push((waiter, Verdict::Remembered(outcome)));
        }
        let deadline_ms = now_ms.saturating_add(GATE_DEADLINE_MS);
        if self.queue.waiters() >= WAITERS_MAX {
            return self.answers.push((waiter, Verdict::Unavailable));
        }
        let Some(waiter) = self.queue.join(&asked, waiter, deadline_ms) else { return };
        self.line_up(asked, vec![waiter], deadline_ms, now_ms);
    }

    /// Put in line, unless it need not be asked, or cannot be.
    fn line_up(&mut self, asked: Reservation, waiters: Vec<W>, deadline_ms: u64, now_ms: u64) {
        // Behind another request of this user it waits to see what comes of that.
        let way = if self.queue.has(&asked.user_id) { Way::default() } else { self.sold_out.way(&asked, now_ms) };
        let probe = match way {
            Way::Refused(refusal) => return self.tell(waiters, &Verdict::Remembered(*refusal)),
            Way::Asked { probe } => probe,
        };
        if self.queue.entries() >= QUEUE_MAX || self.breaker.refuses(now_ms) {
            return self.tell(waiters, &Verdict::Unavailable);
        }
        self.queue.push(asked, waiters, deadline_ms, probe);
    }

    fn tell(&mut self, waiters: Vec<W>, verdict: &Verdict) {
        self.answers.extend(waiters.into_iter().map(|waiter| (waiter, verdict.clone())));
    }

    /// What leaves now, if anything waits and there is room in the air.
    pub fn take_batch(&mut self, now_ms: u64) -> Option<Flight> {
        while self.flying < FLIGHTS_MAX {
            let mut flight = self.load(now_ms);
            if flight.users.is_empty() {
                return None;
            }
            if self.breaker.admit(now_ms) {
                self.flying = self.flying.saturating_add(1);
                flight.number = self.sold_out.depart();
                return Some(flight);
            }
            self.settle(&flight.users, None, now_ms);
        }
        None
    }

    /// A flight is back, with an outcome for each of its reservations or with none at all.
    pub fn land(&mut self, flight: &Flight, outcomes: Option<Vec<Outcome>>, now_ms: u64) {
        self.flying = self.flying.saturating_sub(1);
        // Fewer or more outcomes than questions: none of them can be trusted to be whose it seems.
        let outcomes = outcomes.filter(|outcomes| outcomes.len() == flight.users.len());
        if outcomes.is_some() {
            self.breaker.succeeded()
        } else {
            self.breaker.failed(now_ms)
        }
        self.sold_out.learn(flight, outcomes.as_deref(), now_ms);
        self.scouts.learn(&flight.sale_id, outcomes.as_deref().unwrap_or_default());
        self.settle(&flight.users, outcomes, now_ms);
    }

    /// Answers to be delivered, each to its waiter.
    pub fn drain(&mut self) -> Vec<(W, Verdict)> {
        std::mem::take(&mut self.answers)
    }

    /// One sale's: a transaction spans no two. It is the sale of whoever has waited longest.
    fn load(&mut self, now_ms: u64) -> Flight {
        let mut flight = Flight { sent_ms: now_ms, ..Flight::default() };
        let mut aboard = Aboard::default();
        while flight.users.len() < BATCH_MAX {
            let Self { queue, keys, sold_out, scouts, .. } = self;
            let sale = Some(flight.sale_id.as_str()).filter(|_| !flight.users.is_empty());
            // Whom memory answers need not board; and scouts go for those only whom it will answer when they are back.
            let may = |asked: &Reservation| {
                scouts.may_board(asked, &aboard)
                    || !sold_out.answers_for(&asked.sale_id)
                    || sold_out.repeated(asked, now_ms).is_some()
            };
            let mut known = Verdict::Unavailable;
            let sends = |asked: &Reservation, entry: &Entry<W>| {
                // The same key was granted, or all of it was sold, while it stood in line.
                let answer = keys.answer(asked, now_ms);
                let answer = answer.or_else(|| sold_out.repeated(asked, now_ms).filter(|_| !entry.probe));
                let unknown = answer.is_none();
                known = answer.map_or(Verdict::Unavailable, Verdict::Remembered);
                // Or nobody waits for it any more.
                unknown && now_ms < entry.deadline_ms
            };
            match queue.next(sale, may, sends) {
                None => break,
                Some(Next::Send(user, reservation)) => {
                    flight.sale_id.clone_from(&reservation.sale_id);
                    aboard.board(&reservation);
                    flight.users.push(user);
                    flight.reservations.push(reservation);
                }
                Some(Next::Taken(waiters)) => self.tell(waiters, &known),
            }
        }
        flight
    }

    fn settle(&mut self, users: &[Rc<str>], outcomes: Option<Vec<Outcome>>, now_ms: u64) {
        let verdicts =
            outcomes.into_iter().flatten().map(Verdict::Outcome).chain(std::iter::repeat(Verdict::Unavailable));
        for (user, verdict) in users.iter().zip(verdicts) {
            let Some(entry) = self.queue.take(user) else { continue };
            // Only a grant uses its key up; a refusal leaves no trace.
            if let Verdict::Outcome(Outcome::Granted { hold, .. }) = &verdict {
                self.keys.keep(user, &entry.idem_key, entry.fingerprint, hold.clone(), now_ms);
            }
            let repeated = verdict.clone().repeated();
            let mut waiters = entry.waiters.into_iter();
            self.answers.extend(waiters.next().map(|first| (first, verdict)));
            self.tell(waiters.collect(), &repeated);
            let Some(late) = entry.late else { continue };
            match &repeated {
                Verdict::Outcome(Outcome::Granted { .. }) | Verdict::Unavailable => self.tell(late.waiters, &repeated),
                // A refusal may have been over when they asked: something came back, or was given back.
                _ => self.line_up(late.asked, late.waiters, late.deadline_ms, now_ms),
            }
        }
    }
}

#[cfg(test)]
mod after_sold_out;
#[cfg(test)]
mod tests;
