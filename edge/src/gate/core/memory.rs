//! The state of a Gate, without a clock or a network of its own: token buckets, granted keys, the queue, what is sold
//! out, and the batch that leaves next. Losing it breaks no promise: the database answers for all of it.

use std::rc::Rc;

use protocol::reserve::{BATCH_MAX, Reservation, ReserveOutcome};

use crate::auth::rate_limit::{Buckets, Charge};
use crate::gate::answer::Verdict;
use crate::gate::core::in_flight::InFlightBatch;
use crate::gate::core::keys::Keys;
use crate::gate::core::queue::{Arrival, Entry, Next, Queue};
use crate::gate::core::slow_start::{BatchContents, SlowStart};
use crate::gate::core::sold_out::{Admission, SoldOut};
use crate::lambda::circuit_breaker::Breaker;
use crate::runtime::limits::{GATE_DEADLINE_MS, INVOKE_DEADLINE_MS, WAITERS_MAX};
use crate::runtime::user_hash;

pub struct Memory<W> {
    buckets: Buckets,
    keys: Keys,
    pub sold_out: SoldOut,
    slow_start: SlowStart,
    queue: Queue<W>,
    breaker: Breaker,
    /// Hashes users.
    users: user_hash::Key,
    answers: Vec<(W, Verdict)>,
}

impl<W> Memory<W> {
    pub fn new(user_burst: u32, user_per_s: u32, users: user_hash::Key) -> Self {
        Self {
            buckets: Buckets::new(user_burst, user_per_s),
            keys: Keys::default(),
            sold_out: SoldOut::default(),
            slow_start: SlowStart::default(),
            queue: Queue::default(),
            breaker: Breaker::default(),
            users,
            answers: Vec::new(),
        }
    }

    pub fn charge(&mut self, user_id: &str, now_ms: u64) -> Charge {
        self.buckets.charge(user_id, now_ms)
    }

    /// A reservation arrives: it is answered from memory, joined to an identical one, queued, or refused because the
    /// queue is full.
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
        let (deadline_ms, before) = (now_ms.saturating_add(GATE_DEADLINE_MS), self.sold_out.next_batch());
        let arrival = Arrival { deadline_ms, before, probe: false, user: self.users.user(&asked.user_id) };
        let Some(waiter) = self.queue.join(&asked, waiter, arrival) else { return };
        self.line_up(asked, vec![waiter], arrival, now_ms);
    }

    /// Queues it, unless memory refuses it or there is no room.
    fn line_up(&mut self, asked: Reservation, waiters: Vec<W>, arrival: Arrival, now_ms: u64) {
        // Behind another request of its user it waits for that one's outcome.
        let waits = self.queue.has(&asked.user_id);
        let admission =
            if waits { Admission::default() } else { self.sold_out.admission(&asked, arrival.user, now_ms) };
        let probe = match admission {
            Admission::Refused(refusal) => return self.respond(waiters, &Verdict::Remembered(*refusal)),
            Admission::SentToT1 { probe } => probe,
        };
        if self.queue.has_enough(&asked.user_id) {
            return self.respond(waiters, &Verdict::TooMany);
        }
        if self.queue.is_full(&asked.sale_id) || self.breaker.refuses(now_ms) {
            return self.respond(waiters, &Verdict::Unavailable);
        }
        if self.sold_out.holds_back(&asked, arrival.user, now_ms) {
            self.sold_out.waits(&asked, now_ms);
        }
        self.queue.push(asked, waiters, Arrival { probe, ..arrival });
    }

    fn respond(&mut self, waiters: Vec<W>, verdict: &Verdict) {
        self.answers.extend(waiters.into_iter().map(|waiter| (waiter, verdict.clone())));
    }

    /// The next batch, if anything waits and another call may be in flight.
    pub fn take_batch(&mut self, now_ms: u64) -> Option<InFlightBatch> {
        self.sold_out.watch_clock(now_ms);
        loop {
            let mut batch = self.load(now_ms);
            if batch.users.is_empty() {
                return None;
            }
            if self.breaker.admit(now_ms) {
                self.queue.call_sent(&batch.sale_id);
                batch.number = self.sold_out.begin_batch(&batch.hashes);
                return Some(batch);
            }
            self.settle(&batch.users, None, now_ms);
        }
    }

    /// A batch failed because of its own content: this says nothing about the function's health.
    pub fn complete_rejected(&mut self, batch: &InFlightBatch, now_ms: u64) {
        self.queue.call_ended(&batch.sale_id);
        self.breaker.no_verdict(now_ms);
        self.sold_out.learn(batch, None, now_ms);
        self.slow_start.learn(&batch.sale_id, &[]);
        self.settle(&batch.users, None, now_ms);
    }

    /// A batch is back, with an outcome for each of its reservations, or with none because the call failed.
    pub fn complete(&mut self, batch: &InFlightBatch, outcomes: Option<Vec<ReserveOutcome>>, now_ms: u64) {
        self.queue.call_ended(&batch.sale_id);
        // With fewer or more outcomes than reservations, none can be matched to its reservation.
        let outcomes = outcomes.filter(|outcomes| outcomes.len() == batch.users.len());
        if outcomes.is_some() {
            self.breaker.succeeded()
        } else {
            self.breaker.failed(now_ms)
        }
        self.sold_out.learn(batch, outcomes.as_deref(), now_ms);
        self.slow_start.learn(&batch.sale_id, outcomes.as_deref().unwrap_or_default());
        let findings = outcomes.as_deref().and_then(|outcomes| self.sold_out.findings(batch, outcomes));
        self.settle(&batch.users, outcomes, now_ms);
        // The batch left after these had arrived, so what it saw answers them too.
        let Some(findings) = findings else { return };
        let Self { queue, sold_out, .. } = self;
        let refusal = |asked: &Reservation, entry: &Entry<W>| {
            let asked_before = entry.arrival.before <= batch.number;
            asked_before.then(|| sold_out.refused_by(&findings, asked, entry.arrival.user)).flatten()
        };
        for (waiters, refusal) in queue.take_those(&batch.sale_id, refusal) {
            self.respond(waiters, &Verdict::Remembered(refusal));
        }
    }

    /// When what waits for the end of a lease may leave. None: nothing waits for one.
    pub fn wake_ms(&mut self, now_ms: u64) -> Option<u64> {
        let end_ms = self.sold_out.next_lease_end(now_ms)?;
        self.queue.has_waiting().then_some(end_ms)
    }

    /// Takes the verdicts to deliver, each with its waiter.
    pub fn drain(&mut self) -> Vec<(W, Verdict)> {
        std::mem::take(&mut self.answers)
    }

    /// Fills a batch with reservations of one sale, because a transaction spans no two: the sale that has waited
    /// longest.
    fn load(&mut self, now_ms: u64) -> InFlightBatch {
        let mut batch = InFlightBatch { sent_ms: now_ms, ..InFlightBatch::default() };
        let mut waited_for_ms = now_ms;
        let mut contents = BatchContents::default();
        while batch.users.len() < BATCH_MAX {
            let Self { queue, keys, sold_out, slow_start, .. } = self;
            let sale = Some(batch.sale_id.as_str()).filter(|_| !batch.users.is_empty());
            // What memory refuses. A probe that could not leave before the next lease is none any more.
            let repeated = |asked: &Reservation, arrival: Arrival| {
                let probes = arrival.probe && !sold_out.holds_back(asked, arrival.user, now_ms);
                sold_out.repeated(asked, arrival.user, now_ms).filter(|_| !probes)
            };
            // What memory will refuse needs no slot; slow start applies only where memory can refuse the others
            // afterwards.
            let may = |asked: &Reservation, entry: &Entry<W>| {
                if repeated(asked, entry.arrival).is_some() {
                    return true;
                }
                let may_leave = slow_start.admits(asked, &contents) || !sold_out.answers_for(&asked.sale_id);
                may_leave && !sold_out.holds_back(asked, entry.arrival.user, now_ms)
            };
            let mut known = Verdict::Unavailable;
            let mut hash = 0;
            let sends = |asked: &Reservation, entry: &Entry<W>| {
                // While it waited, the same key may have been granted, or the SKU sold out.
                let answer = keys.answer(asked, now_ms);
                let Arrival { user, deadline_ms, .. } = entry.arrival;
                hash = user;
                let answer = answer.or_else(|| repeated(asked, entry.arrival));
                let unknown = answer.is_none();
                known = answer.map_or(Verdict::Unavailable, Verdict::Remembered);
                // Or every client has given up.
                let sends = unknown && now_ms < deadline_ms;
                waited_for_ms = waited_for_ms.max(if sends { deadline_ms } else { 0 });
                sends
            };
            match queue.next(sale, may, sends) {
                None => break,
                Some(Next::Send(user, reservation)) => {
                    batch.sale_id.clone_from(&reservation.sale_id);
                    contents.add(&reservation);
                    batch.users.push(user);
                    batch.hashes.push(hash);
                    batch.reservations.push(reservation);
                }
                Some(Next::Taken(waiters)) => self.respond(waiters, &known),
            }
        }
        batch.within_ms = waited_for_ms.saturating_sub(now_ms).min(INVOKE_DEADLINE_MS);
        batch
    }

    fn settle(&mut self, users: &[Rc<str>], outcomes: Option<Vec<ReserveOutcome>>, now_ms: u64) {
        let verdicts =
            outcomes.into_iter().flatten().map(Verdict::Outcome).chain(std::iter::repeat(Verdict::Unavailable));
        for (user, verdict) in users.iter().zip(verdicts) {
            let Some(entry) = self.queue.take(user) else { continue };
            // Only a grant consumes its key; a refusal leaves no trace.
            if let Verdict::Outcome(ReserveOutcome::Granted { hold, .. }) = &verdict {
                self.keys.keep(user, &entry.idem_key, entry.fingerprint, hold.clone(), now_ms);
            }
            let repeated = verdict.clone().repeated();
            let mut waiters = entry.waiters.into_iter();
            self.answers.extend(waiters.next().map(|first| (first, verdict)));
            self.respond(waiters.collect(), &repeated);
            let Some(late) = entry.late else { continue };
            match &repeated {
                Verdict::Outcome(ReserveOutcome::Granted { .. }) | Verdict::Unavailable => {
                    self.respond(late.waiters, &repeated)
                }
                // The refusal may be older than this repetition: queue it again.
                _ => self.line_up(late.asked, late.waiters, late.arrival, now_ms),
            }
        }
    }
}

#[cfg(test)]
mod after_sold_out;
#[cfg(test)]
mod full;
#[cfg(test)]
mod tests;
