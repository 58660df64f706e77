//! What a Gate repeats for a moment without a call: that a SKU is sold out, or that a sale is not open. T1 said so, when it
//! was asked last; nothing changes meanwhile but through the edge, which says so at once, or by the clock, when a hold
//! lapses or the sale opens or closes, and T1 said when that is.
//!
//! They are the last of the refusals but those that only who has something can get, so they are repeated only to a user
//! who can get no earlier one: who, as this Gate knows for sure, has no key, no hold and no order. A user's reservations
//! all pass one Gate: it sees who gets something. What was there before it, it asks the database for, once a sale.

use std::collections::{HashMap, HashSet};

use protocol::reserve::{Reservation, ReserveOutcome};
use protocol::shop::SaleStatus;

use crate::bounds::{GATE_SETTLE_MS, HOLDERS_AGAIN_MS, HOLDERS_RETRY_MS, SOLD_OUT_SALES_MAX, SOLD_OUT_USERS_MAX};
use crate::gate::memory::Flight;
use crate::gate::sold_out::sale::{Holders, Sale, knows_skus};
use crate::gate::users;

mod sale;

#[derive(Default)]
pub struct SoldOut {
    key: users::Key,
    /// From then on the database knows whatever was begun before `users` was.
    settled_ms: u64,
    /// Hashes ([`users::Key::user`]) of those who may have something in whatever sale. Two users with one hash only means
    /// that T1 is asked.
    users: HashSet<u64>,
    sales: HashMap<String, Sale>,
    /// The number of the next flight.
    next: u64,
    /// What a flight of a lower number saw may be over.
    current: u64,
}

/// What becomes of a reservation.
#[derive(Debug, PartialEq, Eq)]
pub enum Way {
    Refused(Box<ReserveOutcome>),
    /// T1 is asked; `probe`: on behalf of everybody who is refused meanwhile.
    Asked {
        probe: bool,
    },
}

impl Default for Way {
    fn default() -> Self {
        Self::Asked { probe: false }
    }
}

/// What one flight saw that is true for others too: of SKUs, what was left and the limit; and that the sale is not open.
#[derive(Default)]
pub struct Brought {
    sale_id: String,
    skus: HashMap<String, (i64, i64)>,
    closed: Option<(String, SaleStatus)>,
}

impl SoldOut {
    pub fn new(key: users::Key) -> Self {
        Self { key, ..Self::default() }
    }

    /// Calls that an earlier life of this Gate made may still change something until then.
    pub fn settle(&mut self, settled_ms: u64) {
        self.settled_ms = self.settled_ms.max(settled_ms);
    }

    /// The number of the flight that will leave next.
    pub fn next_flight(&self) -> u64 {
        self.next
    }

    /// The number of a flight that leaves now.
    pub fn depart(&mut self) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }

    /// For who arrives and has nothing else under way. One a while is let through before the memory lapses, so that the
    /// others need not all ask at once when it does.
    pub fn way(&mut self, asked: &Reservation, user: u64, now_ms: u64) -> Way {
        let Some(refusal) = self.repeated(asked, user, now_ms) else { return Way::default() };
        let Some(sale) = self.sales.get_mut(&asked.sale_id) else { return Way::Refused(Box::new(refusal)) };
        sale.used_ms = now_ms;
        if sale.probe(asked, now_ms) { Way::Asked { probe: true } } else { Way::Refused(Box::new(refusal)) }
    }

    /// Whether what T1 says of this sale can be repeated to anybody: not before it is known who has something.
    pub fn answers_for(&self, sale_id: &str) -> bool {
        self.sales.get(sale_id).is_some_and(|sale| matches!(sale.holders, Holders::Known))
    }

    /// The sale, where this user can be told what others are told.
    fn for_anybody(&self, asked: &Reservation, user: u64) -> Option<&Sale> {
        let sale = self.sales.get(&asked.sale_id).filter(|sale| matches!(sale.holders, Holders::Known))?;
        (!self.users.contains(&user)).then_some(sale)
    }

    /// The refusal, if it is what T1 would say.
    pub fn repeated(&self, asked: &Reservation, user: u64, now_ms: u64) -> Option<ReserveOutcome> {
        let sale = self.for_anybody(asked, user)?;
        let closed = sale.closed.as_ref().filter(|closed| closed.said.is_fresh(now_ms));
        if let Some(closed) = closed {
            return not_open(sale, asked, &closed.opens_at, closed.status);
        }
        short(asked, |sku_id| {
            let sku = sale.skus.get(sku_id).filter(|sku| sku.said.is_fresh(now_ms))?;
            Some((sku.available, sku.max_per_user))
        })
    }

    /// The refusal that this flight brought for others, if it is what T1 would have said to this one too.
    pub fn refused_by(&self, brought: &Brought, asked: &Reservation, user: u64) -> Option<ReserveOutcome> {
        let sale = self.for_anybody(asked, user).filter(|_| asked.sale_id == brought.sale_id)?;
        match &brought.closed {
            Some((opens_at, status)) => not_open(sale, asked, opens_at, *status),
            None => short(asked, |sku_id| brought.skus.get(sku_id).copied()),
        }
    }

    /// What a flight saw that is true for whoever had asked before it left. None: nothing such.
    pub fn brought(&self, flight: &Flight, outcomes: &[ReserveOutcome]) -> Option<Brought> {
        if !self.answers_for(&flight.sale_id) {
            return None;
        }
        let mut brought = Brought { sale_id: flight.sale_id.clone(), ..Brought::default() };
        for outcome in outcomes {
            match outcome {
                ReserveOutcome::SoldOut { sku_id, available, max_per_user, .. } => {
                    brought.skus.insert(sku_id.clone(), (*available, *max_per_user));
                }
                ReserveOutcome::SaleNotOpen { opens_at, status, .. } => {
                    brought.closed = Some((opens_at.clone(), *status))
                }
                _ => {}
            }
        }
        Some(brought).filter(|brought| brought.closed.is_some() || !brought.skus.is_empty())
    }

    /// What a flight brought back; none: nobody knows what it did. Before anybody is told.
    pub fn learn(&mut self, flight: &Flight, outcomes: Option<&[ReserveOutcome]>, now_ms: u64) {
        let key = self.key;
        let users = flight.users.iter().map(|user| key.user(user));
        let Some(outcomes) = outcomes else {
            self.users.extend(users);
            return self.keep_within_bounds(now_ms);
        };
        for (outcome, user) in outcomes.iter().zip(users) {
            let nothing = matches!(
                outcome,
                ReserveOutcome::SoldOut { .. }
                    | ReserveOutcome::NotFound { .. }
                    | ReserveOutcome::SaleNotOpen { .. }
                    | ReserveOutcome::TooLate
            );
            if !nothing {
                self.users.insert(user);
            }
        }
        self.learn_of_sale(flight, outcomes, now_ms);
        self.keep_within_bounds(now_ms);
    }

    fn learn_of_sale(&mut self, flight: &Flight, outcomes: &[ReserveOutcome], now_ms: u64) {
        let says = |outcome: &ReserveOutcome| {
            matches!(outcome, ReserveOutcome::SoldOut { .. } | ReserveOutcome::SaleNotOpen { .. })
        };
        if outcomes.iter().any(says) && flight.number >= self.current {
            self.sale(&flight.sale_id, now_ms);
        }
        let Some(sale) = self.sales.get_mut(&flight.sale_id) else { return };
        for (outcome, asked) in outcomes.iter().zip(&flight.reservations) {
            if knows_skus(outcome) {
                sale.known.extend(asked.items.iter().map(|line| line.sku_id.clone()));
            }
        }
        for outcome in outcomes {
            // What was said before it was forgotten is over; that something was granted is so for ever.
            if flight.number >= sale.current.max(self.current) || !says(outcome) {
                sale.learn(flight, outcome);
            }
        }
    }

    /// Something came back, or the sale is another now: whatever was asked before saw it as it was.
    pub fn forget(&mut self, sale_id: &str, now_ms: u64) {
        let next = self.next;
        let sale = self.sale(sale_id, now_ms);
        sale.skus.clear();
        sale.closed = None;
        sale.current = next;
    }

    /// A sale whose holders are to be asked for now: something of it is remembered, and nothing begun earlier goes on.
    pub fn question(&mut self, now_ms: u64) -> Option<String> {
        if now_ms < self.settled_ms {
            return None;
        }
        let due = |sale: &Sale| match sale.holders {
            Holders::Unknown => true,
            Holders::NotBefore { ms } | Holders::Asked { until_ms: ms } => ms <= now_ms,
            Holders::Known => false,
        };
        let (sale_id, sale) = self.sales.iter_mut().find(|(_, sale)| sale.says_something() && due(sale))?;
        sale.holders = Holders::Asked { until_ms: now_ms.saturating_add(GATE_SETTLE_MS) };
        Some(sale_id.clone())
    }

    /// The answer: all of them, too many, or none to be had.
    pub fn holders(&mut self, sale_id: &str, answer: Option<(Vec<u64>, bool)>, now_ms: u64) {
        // Begun anew since it was asked: then it is asked again, later than this could come back.
        let Some(sale) = self.sales.get_mut(sale_id).filter(|sale| matches!(sale.holders, Holders::Asked { .. }))
        else {
            return;
        };
        let again = |ms: u64| Holders::NotBefore { ms: now_ms.saturating_add(ms) };
        match answer {
            Some((users, true)) => {
                sale.holders = Holders::Known;
                self.users.extend(users);
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

    /// Too many to remember. As after a restart: calls of unknown end may go on, and the database is asked after them.
    fn begin_anew(&mut self, now_ms: u64) {
        let (settled_ms, next) = (now_ms.saturating_add(GATE_SETTLE_MS), self.next);
        *self = Self { settled_ms, next, current: next, ..Self::new(self.key) };
    }

    fn sale(&mut self, sale_id: &str, now_ms: u64) -> &mut Sale {
        if !self.sales.contains_key(sale_id) && self.sales.len() >= SOLD_OUT_SALES_MAX {
            let oldest = self.sales.iter().min_by_key(|(_, sale)| sale.used_ms).map(|(sale_id, _)| sale_id.clone());
            oldest.and_then(|oldest| self.sales.remove(&oldest));
            // What it was told to forget must not come back with a flight that is on its way.
            self.current = self.next;
        }
        let sale = self.sales.entry(sale_id.to_owned()).or_default();
        sale.used_ms = now_ms;
        sale
    }
}

/// That the sale is not open, if it has all of these SKUs: one that it has not would be told first.
fn not_open(sale: &Sale, asked: &Reservation, opens_at: &str, status: SaleStatus) -> Option<ReserveOutcome> {
    let known = asked.items.iter().all(|line| sale.known.contains(&line.sku_id));
    known.then(|| ReserveOutcome::SaleNotOpen { opens_at: opens_at.to_owned(), status, for_ms: 0 })
}

/// The first line that wants more than there is. None: another one may be refused for another reason, or for none.
fn short(asked: &Reservation, of: impl Fn(&str) -> Option<(i64, i64)>) -> Option<ReserveOutcome> {
    let mut short = None;
    for line in &asked.items {
        // A SKU that T1 did not name may not exist; a quantity above the limit is refused for that.
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
mod tests;
