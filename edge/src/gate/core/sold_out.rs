//! Refusals that a Gate repeats for a moment without a call: a SKU is sold out, or a sale is not open. T1 said so in
//! its last answer. Until then this changes only through the edge, which invalidates it at once, or by the clock: a
//! hold lapses, the sale opens or closes. T1 says when that is.
//!
//! In the order of refusals these are last, except for what only a user with a key, a hold or an order can get. So they
//! are repeated only to a user who, as this Gate knows for sure, has none of these. All reservations of a user pass one
//! Gate, which sees what is granted. Holders from before the Gate started are looked up in the database, once a sale.

use std::collections::{HashMap, HashSet};

use protocol::reserve::{Reservation, ReserveOutcome};
use protocol::shop::SaleStatus;

use crate::gate::core::in_flight::InFlightBatch;
use crate::gate::core::leased::Leases;
use crate::gate::core::sold_out::sale::{Holders, Sale, knows_skus};
use crate::runtime::limits::{
    GATE_SETTLE_MS, HOLDERS_AGAIN_MS, HOLDERS_RETRY_MS, SOLD_OUT_SALES_MAX, SOLD_OUT_USERS_MAX,
};

mod lease;
mod sale;

#[derive(Default)]
pub struct SoldOut {
    /// From this time on, the database knows of every call that was sent before `users` began.
    settled_ms: u64,
    /// Hashes ([`crate::runtime::user_hash::Key::user`]) of the users who may have something in any sale. A collision only means that
    /// T1 is asked.
    users: HashSet<u64>,
    sales: HashMap<String, Sale>,
    leases: Leases,
    /// Users of the batches in flight, by number: any of them may get something.
    in_flight: HashMap<u64, Vec<u64>>,
    /// The filter of the next lease, until somebody else may have something.
    filter: Option<String>,
    /// The number of the next batch.
    next: u64,
    /// What a batch of a lower number saw may be outdated.
    current: u64,
}

/// Whether a reservation is refused from memory or goes to T1.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    Refused(Box<ReserveOutcome>),
    /// T1 is asked. `probe`: to refresh the memory by which others are refused meanwhile.
    SentToT1 {
        probe: bool,
    },
}

impl Default for Admission {
    fn default() -> Self {
        Self::SentToT1 { probe: false }
    }
}

/// What one batch saw that is true for other users too: of SKUs, what was left and the limit per user; and that the
/// sale is not open.
#[derive(Default)]
pub struct BatchFindings {
    sale_id: String,
    skus: HashMap<String, (i64, i64)>,
    closed: Option<(String, SaleStatus)>,
}

impl SoldOut {
    /// Until this time, calls of a predecessor of this Gate may still grant something.
    pub fn settle(&mut self, settled_ms: u64) {
        self.settled_ms = self.settled_ms.max(settled_ms);
    }

    /// The number of the batch that will leave next.
    pub fn next_batch(&self) -> u64 {
        self.next
    }

    /// For a reservation whose user has nothing else in the queue. Shortly before the memory expires one reservation is
    /// let through as a probe, so that not all others are sent when it does.
    pub fn admission(&mut self, asked: &Reservation, user: u64, now_ms: u64) -> Admission {
        let Some(refusal) = self.repeated(asked, user, now_ms) else { return Admission::default() };
        // A probe may be granted what it asks for.
        if self.leases.cover(asked, now_ms).is_some() {
            return Admission::Refused(Box::new(refusal));
        }
        let Some(sale) = self.sales.get_mut(&asked.sale_id) else { return Admission::Refused(Box::new(refusal)) };
        sale.used_ms = now_ms;
        if sale.probe(asked, now_ms) {
            Admission::SentToT1 { probe: true }
        } else {
            Admission::Refused(Box::new(refusal))
        }
    }

    /// Whether refusals of this sale can be repeated: only once its holders are known.
    pub fn answers_for(&self, sale_id: &str) -> bool {
        self.sales.get(sale_id).is_some_and(|sale| matches!(sale.holders, Holders::Known))
    }

    /// The sale, if its refusals apply to this user.
    fn for_anybody(&self, asked: &Reservation, user: u64) -> Option<&Sale> {
        let sale = self.sales.get(&asked.sale_id).filter(|sale| matches!(sale.holders, Holders::Known))?;
        (!self.users.contains(&user)).then_some(sale)
    }

    /// The refusal from memory, if it is what T1 would say.
    pub fn repeated(&self, asked: &Reservation, user: u64, now_ms: u64) -> Option<ReserveOutcome> {
        let sale = self.for_anybody(asked, user)?;
        let closed = sale.closed.as_ref().filter(|closed| closed.observation.is_fresh(now_ms));
        if let Some(closed) = closed {
            return not_open(sale, asked, &closed.opens_at, closed.status);
        }
        short(asked, |sku_id| {
            let sku = sale.skus.get(sku_id).filter(|sku| sku.observation.is_fresh(now_ms))?;
            Some((sku.available, sku.max_per_user))
        })
    }

    /// The refusal that this batch found, if it is what T1 would have said to this reservation too.
    pub fn refused_by(&self, findings: &BatchFindings, asked: &Reservation, user: u64) -> Option<ReserveOutcome> {
        let sale = self.for_anybody(asked, user).filter(|_| asked.sale_id == findings.sale_id)?;
        match &findings.closed {
            Some((opens_at, status)) => not_open(sale, asked, opens_at, *status),
            None => short(asked, |sku_id| findings.skus.get(sku_id).copied()),
        }
    }

    /// What a batch saw that is true for every reservation that had arrived before it left. None: nothing of the kind.
    pub fn findings(&self, batch: &InFlightBatch, outcomes: &[ReserveOutcome]) -> Option<BatchFindings> {
        if !self.answers_for(&batch.sale_id) {
            return None;
        }
        let mut findings = BatchFindings { sale_id: batch.sale_id.clone(), ..BatchFindings::default() };
        for outcome in outcomes {
            match outcome {
                ReserveOutcome::SoldOut { sku_id, available, max_per_user, .. } => {
                    findings.skus.insert(sku_id.clone(), (*available, *max_per_user));
                }
                ReserveOutcome::SaleNotOpen { opens_at, status, .. } => {
                    findings.closed = Some((opens_at.clone(), *status))
                }
                _ => {}
            }
        }
        Some(findings).filter(|findings| findings.closed.is_some() || !findings.skus.is_empty())
    }

    /// Learns from a batch before its waiters are answered. No outcomes: it is unknown what it did.
    pub fn learn(&mut self, batch: &InFlightBatch, outcomes: Option<&[ReserveOutcome]>, now_ms: u64) {
        self.in_flight.remove(&batch.number);
        let Some(outcomes) = outcomes else {
            self.add_users(batch.hashes.iter().copied());
            return self.keep_within_bounds(now_ms);
        };
        let mut something = Vec::new();
        for (outcome, user) in outcomes.iter().zip(&batch.hashes) {
            let nothing = matches!(
                outcome,
                ReserveOutcome::SoldOut { .. }
                    | ReserveOutcome::NotFound { .. }
                    | ReserveOutcome::SaleNotOpen { .. }
                    | ReserveOutcome::TooLate
            );
            if !nothing {
                something.push(*user);
            }
        }
        self.add_users(something);
        self.learn_of_sale(batch, outcomes, now_ms);
        self.keep_within_bounds(now_ms);
    }

    fn learn_of_sale(&mut self, batch: &InFlightBatch, outcomes: &[ReserveOutcome], now_ms: u64) {
        let says = |outcome: &ReserveOutcome| {
            matches!(outcome, ReserveOutcome::SoldOut { .. } | ReserveOutcome::SaleNotOpen { .. })
        };
        if outcomes.iter().any(says) && batch.number >= self.current {
            self.sale(&batch.sale_id, now_ms);
        }
        let Some(sale) = self.sales.get_mut(&batch.sale_id) else { return };
        for (outcome, asked) in outcomes.iter().zip(&batch.reservations) {
            if knows_skus(outcome) {
                sale.known.extend(asked.items.iter().map(|line| line.sku_id.clone()));
            }
        }
        for outcome in outcomes {
            // A refusal from before the invalidation is outdated; a grant is never.
            if batch.number >= sale.current.max(self.current) || !says(outcome) {
                sale.learn(batch, outcome);
            }
        }
    }

    /// Stock came back, or the sale changed: what earlier batches saw is outdated.
    pub fn forget(&mut self, sale_id: &str, now_ms: u64) {
        let next = self.next;
        let sale = self.sale(sale_id, now_ms);
        sale.skus.clear();
        sale.closed = None;
        sale.current = next;
    }

    /// A sale whose holders have to be looked up now: a refusal of it is remembered, and no call of a predecessor can
    /// still be running.
    pub fn question(&mut self, now_ms: u64) -> Option<String> {
        if now_ms < self.settled_ms {
            return None;
        }
        let due = |sale: &Sale| match sale.holders {
            Holders::Unknown => true,
            Holders::NotBefore { ms } | Holders::LookupSent { until_ms: ms } => ms <= now_ms,
            Holders::Known => false,
        };
        let (sale_id, sale) = self.sales.iter_mut().find(|(_, sale)| sale.says_something() && due(sale))?;
        sale.holders = Holders::LookupSent { until_ms: now_ms.saturating_add(GATE_SETTLE_MS) };
        Some(sale_id.clone())
    }

    /// The answer to that lookup: all holders, or too many to list, or none because it failed.
    pub fn holders(&mut self, sale_id: &str, answer: Option<(Vec<u64>, bool)>, now_ms: u64) {
        // The memory was reset since the lookup was sent: it will be sent again.
        let Some(sale) = self.sales.get_mut(sale_id).filter(|sale| matches!(sale.holders, Holders::LookupSent { .. }))
        else {
            return;
        };
        let again = |ms: u64| Holders::NotBefore { ms: now_ms.saturating_add(ms) };
        match answer {
            Some((users, true)) => {
                sale.holders = Holders::Known;
                self.add_users(users);
            }
            Some((_, false)) => sale.holders = again(HOLDERS_AGAIN_MS),
            None => sale.holders = again(HOLDERS_RETRY_MS),
        }
        self.keep_within_bounds(now_ms);
    }

    fn keep_within_bounds(&mut self, now_ms: u64) {
        if self.users.len() > SOLD_OUT_USERS_MAX {
            self.begin_anew(now_ms);
        }
    }

    /// Too many users to remember: start over, as after a restart. Calls may still be running, and the database is
    /// asked when they have ended.
    fn begin_anew(&mut self, now_ms: u64) {
        let (settled_ms, next) = (now_ms.saturating_add(GATE_SETTLE_MS), self.next);
        let (leases, in_flight) = (std::mem::take(&mut self.leases), std::mem::take(&mut self.in_flight));
        *self = Self { settled_ms, next, current: next, leases, in_flight, ..Self::default() };
    }

    fn sale(&mut self, sale_id: &str, now_ms: u64) -> &mut Sale {
        if !self.sales.contains_key(sale_id) && self.sales.len() >= SOLD_OUT_SALES_MAX {
            let oldest = self.sales.iter().min_by_key(|(_, sale)| sale.used_ms).map(|(sale_id, _)| sale_id.clone());
            oldest.and_then(|oldest| self.sales.remove(&oldest));
            // A batch in flight must not bring back what was invalidated.
            self.current = self.next;
        }
        let sale = self.sales.entry(sale_id.to_owned()).or_default();
        sale.used_ms = now_ms;
        sale
    }
}

/// "Not open", if the sale has all of these SKUs: T1 refuses an unknown SKU first.
fn not_open(sale: &Sale, asked: &Reservation, opens_at: &str, status: SaleStatus) -> Option<ReserveOutcome> {
    let known = asked.items.iter().all(|line| sale.known.contains(&line.sku_id));
    known.then(|| ReserveOutcome::SaleNotOpen { opens_at: opens_at.to_owned(), status, for_ms: 0 })
}

/// "Sold out" for the first line that asks for more than there is. None: T1 may refuse it for another reason, or grant
/// it.
fn short(asked: &Reservation, of: impl Fn(&str) -> Option<(i64, i64)>) -> Option<ReserveOutcome> {
    let mut short = None;
    for line in &asked.items {
        // A SKU that T1 did not name may not exist; a quantity above the limit is refused for that reason.
        let (available, max_per_user) = of(&line.sku_id)?;
        if line.qty > max_per_user {
            return None;
        }
        if line.qty > available {
            short.get_or_insert((line, available, max_per_user));
        }
    }
    let (line, available, max_per_user) = short?;
    Some(ReserveOutcome::SoldOut { sku_id: line.sku_id.clone(), available, max_per_user, for_ms: 0 })
}

#[cfg(test)]
mod closed;
#[cfg(test)]
mod leased;
#[cfg(test)]
mod tests;
