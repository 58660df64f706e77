//! What a Gate repeats for a moment without a call: that a SKU is sold out. T1 said so, when it was asked last; nothing
//! comes back meanwhile but through the edge, which says so at once, or by a hold that lapses, and T1 said when that is.
//!
//! "Sold out" is the last of the refusals, so it is repeated only to a user who can get no earlier one: who, as this Gate
//! knows for sure, has no key, no hold and no order. A user's reservations all pass one Gate: it sees who gets something.
//! What was there before it, it asks the database for, once a sale.

use std::collections::{HashMap, HashSet};

use wire::reserve::{Outcome, Reservation};

use crate::bounds::{
    GATE_SETTLE_MS, HOLDERS_AGAIN_MS, HOLDERS_RETRY_MS, SOLD_OUT_KEEP_MS, SOLD_OUT_PROBE_MS, SOLD_OUT_SALES_MAX,
    SOLD_OUT_USERS_MAX,
};
use crate::gate::memory::Flight;
use crate::gate::users;

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

#[derive(Default)]
struct Sale {
    skus: HashMap<String, Sku>,
    holders: Holders,
    /// As in [`SoldOut`], for this sale.
    current: u64,
    used_ms: u64,
}

/// Whether `users` has everybody of a sale who had something before this memory began.
#[derive(Default)]
enum Holders {
    #[default]
    Unknown,
    /// By then an answer has come, or none will.
    Asked {
        until_ms: u64,
    },
    Known,
    /// Nobody could say, or there are too many.
    NotBefore {
        ms: u64,
    },
}

struct Sku {
    available: i64,
    max_per_user: i64,
    /// Who said so, and when it left: what it saw, it saw later.
    flight: u64,
    sent_ms: u64,
    until_ms: u64,
    probing: bool,
}

/// What becomes of a reservation.
#[derive(Debug, PartialEq, Eq)]
pub enum Way {
    Refused(Box<Outcome>),
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

impl SoldOut {
    pub fn new(key: users::Key) -> Self {
        Self { key, ..Self::default() }
    }

    /// Calls that an earlier life of this Gate made may still change something until then.
    pub fn settle(&mut self, settled_ms: u64) {
        self.settled_ms = self.settled_ms.max(settled_ms);
    }

    /// The number of a flight that leaves now.
    pub fn depart(&mut self) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }

    /// For who arrives and has nothing else under way. One a while is let through before the memory lapses, so that the
    /// others need not all ask at once when it does.
    pub fn way(&mut self, asked: &Reservation, now_ms: u64) -> Way {
        let Some(refusal) = self.repeated(asked, now_ms) else { return Way::default() };
        let Some(sale) = self.sales.get_mut(&asked.sale_id) else { return Way::Refused(Box::new(refusal)) };
        sale.used_ms = now_ms;
        let lines = || asked.items.iter().map(|line| line.sku_id.as_str());
        if !lines().any(|sku| sale.skus.get(sku).is_some_and(|sku| sku.wants_probe(now_ms))) {
            return Way::Refused(Box::new(refusal));
        }
        lines().for_each(|sku| {
            if let Some(sku) = sale.skus.get_mut(sku) {
                sku.probing = true;
            }
        });
        Way::Asked { probe: true }
    }

    /// Whether what T1 says of this sale can be repeated to anybody: not before it is known who has something.
    pub fn answers_for(&self, sale_id: &str) -> bool {
        self.sales.get(sale_id).is_some_and(|sale| matches!(sale.holders, Holders::Known))
    }

    /// The refusal, if it is what T1 would say.
    pub fn repeated(&self, asked: &Reservation, now_ms: u64) -> Option<Outcome> {
        let sale = self.sales.get(&asked.sale_id).filter(|sale| matches!(sale.holders, Holders::Known))?;
        if self.users.contains(&self.key.user(&asked.user_id)) {
            return None;
        }
        let mut short = None;
        for line in &asked.items {
            // A SKU that T1 did not name may not exist; a quantity above the limit is refused for that.
            let sku = sale.skus.get(&line.sku_id).filter(|sku| sku.is_fresh(now_ms))?;
            if line.qty > sku.max_per_user {
                return None;
            }
            if line.qty > sku.available {
                short.get_or_insert((line, sku));
            }
        }
        let (line, sku) = short?;
        let Sku { available, max_per_user, .. } = *sku;
        Some(Outcome::SoldOut { sku_id: line.sku_id.clone(), available, max_per_user, for_ms: 0 })
    }

    /// What a flight brought back; none: nobody knows what it did. Before anybody is told.
    pub fn learn(&mut self, flight: &Flight, outcomes: Option<&[Outcome]>, now_ms: u64) {
        let key = self.key;
        let mut users = flight.users.iter().map(|user| key.user(user));
        match outcomes {
            None => self.users.extend(users),
            Some(outcomes) => {
                for (outcome, user) in outcomes.iter().zip(users.by_ref()) {
                    if !matches!(
                        outcome,
                        Outcome::SoldOut { .. }
                            | Outcome::NotFound { .. }
                            | Outcome::SaleNotOpen { .. }
                            | Outcome::TooLate
                    ) {
                        self.users.insert(user);
                    }
                    self.learn_stock(flight, outcome, now_ms);
                }
            }
        }
        if self.users.len() > SOLD_OUT_USERS_MAX {
            self.begin_anew(now_ms);
        }
    }

    fn learn_stock(&mut self, flight: &Flight, outcome: &Outcome, now_ms: u64) {
        match outcome {
            Outcome::SoldOut { sku_id, available, max_per_user, for_ms } => {
                let known = self.sales.get(&flight.sale_id).and_then(|sale| sale.skus.get(sku_id));
                if flight.number < self.current || known.is_some_and(|sku| sku.flight > flight.number) {
                    return;
                }
                let sale = self.sale(&flight.sale_id, now_ms);
                if flight.number >= sale.current {
                    let sku = Sku {
                        available: *available,
                        max_per_user: *max_per_user,
                        flight: flight.number,
                        sent_ms: flight.sent_ms,
                        until_ms: flight.sent_ms.saturating_add((*for_ms).min(SOLD_OUT_KEEP_MS)),
                        probing: false,
                    };
                    sale.skus.insert(sku_id.clone(), sku);
                }
            }
            // There is some again.
            Outcome::Granted { hold, replayed: false } => {
                if let Some(sale) = self.sales.get_mut(&flight.sale_id) {
                    sale.skus.retain(|sku_id, _| hold.items.iter().all(|line| line.sku_id != *sku_id));
                }
            }
            Outcome::SaleNotOpen { .. } => {
                if let Some(sale) = self.sales.get_mut(&flight.sale_id) {
                    sale.skus.clear();
                }
            }
            Outcome::Granted { replayed: true, .. }
            | Outcome::IdempotencyKeyReused
            | Outcome::RequestInProgress
            | Outcome::NotFound { .. }
            | Outcome::AlreadyHolding { .. }
            | Outcome::LimitReached { .. }
            | Outcome::TooLate => {}
        }
    }

    /// Something came back, or the sale is another now: whatever was asked before saw it as it was.
    pub fn forget(&mut self, sale_id: &str, now_ms: u64) {
        let next = self.next;
        let sale = self.sale(sale_id, now_ms);
        sale.skus.clear();
        sale.current = next;
    }

    /// A sale whose holders are to be asked for now: something of it is sold out, and nothing begun earlier goes on.
    pub fn question(&mut self, now_ms: u64) -> Option<String> {
        if now_ms < self.settled_ms {
            return None;
        }
        let due = |sale: &Sale| match sale.holders {
            Holders::Unknown => true,
            Holders::NotBefore { ms } | Holders::Asked { until_ms: ms } => ms <= now_ms,
            Holders::Known => false,
        };
        let (sale_id, sale) = self.sales.iter_mut().find(|(_, sale)| !sale.skus.is_empty() && due(sale))?;
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

impl Sku {
    /// A clock that was put back makes nothing last longer.
    fn is_fresh(&self, now_ms: u64) -> bool {
        (self.sent_ms..self.until_ms).contains(&now_ms)
    }

    fn wants_probe(&self, now_ms: u64) -> bool {
        !self.probing && now_ms >= self.sent_ms.saturating_add(SOLD_OUT_PROBE_MS)
    }
}

#[cfg(test)]
mod tests;
