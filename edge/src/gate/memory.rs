//! What a Gate knows between two moments, without a clock or a network of its own: who may ask, what was granted, who
//! waits for what, and what leaves next. Losing it loses no promise: the database answers for all of it.

use std::rc::Rc;

use protocol::reserve::{BATCH_MAX, Reservation, ReserveOutcome};

use crate::bounds::{GATE_DEADLINE_MS, INVOKE_DEADLINE_MS, WAITERS_MAX};
use crate::breaker::Breaker;
use crate::gate::bucket::Buckets;
use crate::gate::keys::Keys;
use crate::gate::message::{Charge, Verdict};
use crate::gate::queue::{Arrival, Entry, Next, Queue};
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
    /// By which users are known.
    users: users::Key,
    answers: Vec<(W, Verdict)>,
}

/// One call of `reserve`: whose requests it carries, in the order of the batch.
#[derive(Default)]
pub struct Flight {
    /// In the order of leaving.
    pub number: u64,
    pub sent_ms: u64,
    /// How long somebody on board waits for it.
    pub within_ms: u64,
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
            users,
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
        if self.queue.waiters() >= WAITERS_MAX {
            return self.answers.push((waiter, Verdict::Unavailable));
        }
        if self.queue.waits_enough(&asked.user_id) {
            return self.answers.push((waiter, Verdict::TooMany));
        }
        let (deadline_ms, before) = (now_ms.saturating_add(GATE_DEADLINE_MS), self.sold_out.next_flight());
        let arrival = Arrival { deadline_ms, before, probe: false, user: self.users.user(&asked.user_id) };
        let Some(waiter) = self.queue.join(&asked, waiter, arrival) else { return };
        self.line_up(asked, vec![waiter], arrival, now_ms);
    }

    /// Put in line, unless it need not be asked, or cannot be.
    fn line_up(&mut self, asked: Reservation, waiters: Vec<W>, arrival: Arrival, now_ms: u64) {
        // Behind another request of this user it waits to see what comes of that.
        let waits = self.queue.has(&asked.user_id);
        let way = if waits { Way::default() } else { self.sold_out.way(&asked, arrival.user, now_ms) };
        let probe = match way {
            Way::Refused(refusal) => return self.tell(waiters, &Verdict::Remembered(*refusal)),
            Way::Asked { probe } => probe,
        };
        if self.queue.has_enough(&asked.user_id) {
            return self.tell(waiters, &Verdict::TooMany);
        }
        if self.queue.is_full(&asked.sale_id) || self.breaker.refuses(now_ms) {
            return self.tell(waiters, &Verdict::Unavailable);
        }
        self.queue.push(asked, waiters, Arrival { probe, ..arrival });
    }

    fn tell(&mut self, waiters: Vec<W>, verdict: &Verdict) {
        self.answers.extend(waiters.into_iter().map(|waiter| (waiter, verdict.clone())));
    }

    /// What leaves now, if anything waits and there is room in the air.
    pub fn take_batch(&mut self, now_ms: u64) -> Option<Flight> {
        loop {
            let mut flight = self.load(now_ms);
            if flight.users.is_empty() {
                return None;
            }
            if self.breaker.admit(now_ms) {
                self.queue.depart(&flight.sale_id);
                flight.number = self.sold_out.depart();
                return Some(flight);
            }
            self.settle(&flight.users, None, now_ms);
        }
    }

    /// A flight is back without outcomes, and by its own fault: the function is well, for everybody else.
    pub fn land_rejected(&mut self, flight: &Flight, now_ms: u64) {
        self.queue.land(&flight.sale_id);
        self.breaker.no_verdict(now_ms);
        self.sold_out.learn(flight, None, now_ms);
        self.scouts.learn(&flight.sale_id, &[]);
        self.settle(&flight.users, None, now_ms);
    }

    /// A flight is back, with an outcome for each of its reservations or with none at all.
    pub fn land(&mut self, flight: &Flight, outcomes: Option<Vec<ReserveOutcome>>, now_ms: u64) {
        self.queue.land(&flight.sale_id);
        // Fewer or more outcomes than questions: none of them can be trusted to be whose it seems.
        let outcomes = outcomes.filter(|outcomes| outcomes.len() == flight.users.len());
        if outcomes.is_some() {
            self.breaker.succeeded()
        } else {
            self.breaker.failed(now_ms)
        }
        self.sold_out.learn(flight, outcomes.as_deref(), now_ms);
        self.scouts.learn(&flight.sale_id, outcomes.as_deref().unwrap_or_default());
        let brought = outcomes.as_deref().and_then(|outcomes| self.sold_out.brought(flight, outcomes));
        self.settle(&flight.users, outcomes, now_ms);
        // It was so when they had asked already, whatever has changed since: nobody need ask for it once more.
        let Some(brought) = brought else { return };
        let Self { queue, sold_out, .. } = self;
        let told = |asked: &Reservation, entry: &Entry<W>| {
            let asked_before = entry.arrival.before <= flight.number;
            asked_before.then(|| sold_out.refused_by(&brought, asked, entry.arrival.user)).flatten()
        };
        for (waiters, refusal) in queue.take_those(&flight.sale_id, told) {
            self.tell(waiters, &Verdict::Remembered(refusal));
        }
    }

    /// Answers to be delivered, each to its waiter.
    pub fn drain(&mut self) -> Vec<(W, Verdict)> {
        std::mem::take(&mut self.answers)
    }

    /// One sale's: a transaction spans no two. It is the sale of whoever has waited longest.
    fn load(&mut self, now_ms: u64) -> Flight {
        let mut flight = Flight { sent_ms: now_ms, ..Flight::default() };
        let mut waited_for_ms = now_ms;
        let mut aboard = Aboard::default();
        while flight.users.len() < BATCH_MAX {
            let Self { queue, keys, sold_out, scouts, .. } = self;
            let sale = Some(flight.sale_id.as_str()).filter(|_| !flight.users.is_empty());
            // Whom memory answers need not board; and scouts go for those only whom it will answer when they are back.
            let may = |asked: &Reservation, entry: &Entry<W>| {
                scouts.may_board(asked, &aboard)
                    || !sold_out.answers_for(&asked.sale_id)
                    || sold_out.repeated(asked, entry.arrival.user, now_ms).is_some()
            };
            let mut known = Verdict::Unavailable;
            let sends = |asked: &Reservation, entry: &Entry<W>| {
                // The same key was granted, or all of it was sold, while it stood in line.
                let answer = keys.answer(asked, now_ms);
                let Arrival { user, probe, deadline_ms, .. } = entry.arrival;
                let answer = answer.or_else(|| sold_out.repeated(asked, user, now_ms).filter(|_| !probe));
                let unknown = answer.is_none();
                known = answer.map_or(Verdict::Unavailable, Verdict::Remembered);
                // Or nobody waits for it any more.
                let sends = unknown && now_ms < deadline_ms;
                waited_for_ms = waited_for_ms.max(if sends { deadline_ms } else { 0 });
                sends
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
        flight.within_ms = waited_for_ms.saturating_sub(now_ms).min(INVOKE_DEADLINE_MS);
        flight
    }

    fn settle(&mut self, users: &[Rc<str>], outcomes: Option<Vec<ReserveOutcome>>, now_ms: u64) {
        let verdicts =
            outcomes.into_iter().flatten().map(Verdict::Outcome).chain(std::iter::repeat(Verdict::Unavailable));
        for (user, verdict) in users.iter().zip(verdicts) {
            let Some(entry) = self.queue.take(user) else { continue };
            // Only a grant uses its key up; a refusal leaves no trace.
            if let Verdict::Outcome(ReserveOutcome::Granted { hold, .. }) = &verdict {
                self.keys.keep(user, &entry.idem_key, entry.fingerprint, hold.clone(), now_ms);
            }
            let repeated = verdict.clone().repeated();
            let mut waiters = entry.waiters.into_iter();
            self.answers.extend(waiters.next().map(|first| (first, verdict)));
            self.tell(waiters.collect(), &repeated);
            let Some(late) = entry.late else { continue };
            match &repeated {
                Verdict::Outcome(ReserveOutcome::Granted { .. }) | Verdict::Unavailable => {
                    self.tell(late.waiters, &repeated)
                }
                // A refusal may have been over when they asked: something came back, or was given back.
                _ => self.line_up(late.asked, late.waiters, late.arrival, now_ms),
            }
        }
    }
}

#[cfg(test)]
mod after_sold_out;
#[cfg(test)]
mod tests;
