//! What is remembered of one sale: which SKUs are sold out, that it is not open, and whether it is known who has something.

use std::collections::{HashMap, HashSet};

use protocol::reserve::{Reservation, ReserveOutcome};
use protocol::shop::SaleStatus;

use crate::bounds::{SOLD_OUT_KEEP_MS, SOLD_OUT_PROBE_MS};
use crate::gate::memory::Flight;

#[derive(Default)]
pub struct Sale {
    pub skus: HashMap<String, Sku>,
    pub closed: Option<Closed>,
    /// The last flight that saw it open.
    open: Option<u64>,
    /// SKUs that the sale has: T1 named no other reason for a cart with them. They stay.
    pub known: HashSet<String>,
    pub holders: Holders,
    /// What a flight of a lower number saw of it may be over.
    pub current: u64,
    pub used_ms: u64,
}

/// Whether `users` has everybody of a sale who had something before this memory began.
#[derive(Default)]
pub enum Holders {
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

/// Who said so, when it left (what it saw, it saw later), and until when it may be repeated.
pub struct Said {
    pub flight: u64,
    sent_ms: u64,
    until_ms: u64,
    /// Somebody was let through to ask for all.
    probing: bool,
}

pub struct Sku {
    pub available: i64,
    pub max_per_user: i64,
    pub said: Said,
}

pub struct Closed {
    pub opens_at: String,
    pub status: SaleStatus,
    pub said: Said,
}

impl Said {
    fn by(flight: &Flight, for_ms: u64) -> Self {
        let until_ms = flight.sent_ms.saturating_add(for_ms.min(SOLD_OUT_KEEP_MS));
        Self { flight: flight.number, sent_ms: flight.sent_ms, until_ms, probing: false }
    }

    /// A clock that was put back makes nothing last longer.
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        (self.sent_ms..self.until_ms).contains(&now_ms)
    }

    fn wants_probe(&self, now_ms: u64) -> bool {
        !self.probing && now_ms >= self.sent_ms.saturating_add(SOLD_OUT_PROBE_MS)
    }
}

impl Sale {
    /// Whether something is remembered for which it has to be known who has something.
    pub fn says_something(&self) -> bool {
        !self.skus.is_empty() || self.closed.is_some()
    }

    /// Whether this request is let through, before what refuses it lapses, to ask for all.
    pub fn probe(&mut self, asked: &Reservation, now_ms: u64) -> bool {
        let Self { skus, closed, .. } = self;
        if let Some(closed) = closed.as_mut().filter(|closed| closed.said.is_fresh(now_ms)) {
            let probes = closed.said.wants_probe(now_ms);
            closed.said.probing |= probes;
            return probes;
        }
        let lines = || asked.items.iter().map(|line| line.sku_id.as_str());
        let probes = lines().any(|sku| skus.get(sku).is_some_and(|sku| sku.said.wants_probe(now_ms)));
        if probes {
            lines().for_each(|sku| {
                if let Some(sku) = skus.get_mut(sku) {
                    sku.said.probing = true;
                }
            });
        }
        probes
    }

    /// What one of a flight's outcomes says of stock and of the sale being open; of a flight that is not too old for that.
    pub fn learn(&mut self, flight: &Flight, outcome: &ReserveOutcome) {
        let newer = |said: &Said| said.flight > flight.number;
        match outcome {
            ReserveOutcome::SoldOut { sku_id, available, max_per_user, for_ms } => {
                let overtaken = self.skus.get(sku_id).is_some_and(|sku| newer(&sku.said));
                if overtaken || self.closed.as_ref().is_some_and(|closed| newer(&closed.said)) {
                    return;
                }
                (self.closed, self.open) = (None, self.open.max(Some(flight.number)));
                let (available, max_per_user, said) = (*available, *max_per_user, Said::by(flight, *for_ms));
                self.skus.insert(sku_id.clone(), Sku { available, max_per_user, said });
            }
            ReserveOutcome::SaleNotOpen { opens_at, status, for_ms } => {
                let opened = self.open.is_some_and(|open| open > flight.number);
                if opened || self.closed.as_ref().is_some_and(|closed| newer(&closed.said)) {
                    return;
                }
                self.skus.clear();
                let (opens_at, status, said) = (opens_at.clone(), *status, Said::by(flight, *for_ms));
                self.closed = Some(Closed { opens_at, status, said });
            }
            // There is some again, and it is open.
            ReserveOutcome::Granted { hold, replayed: false } => {
                self.skus.retain(|sku_id, _| hold.items.iter().all(|line| line.sku_id != *sku_id));
                self.open = self.open.max(Some(flight.number));
                self.closed = self.closed.take().filter(|closed| newer(&closed.said));
            }
            ReserveOutcome::Granted { replayed: true, .. }
            | ReserveOutcome::IdempotencyKeyReused
            | ReserveOutcome::RequestInProgress
            | ReserveOutcome::NotFound { .. }
            | ReserveOutcome::AlreadyHolding { .. }
            | ReserveOutcome::LimitReached { .. }
            | ReserveOutcome::TooLate => {}
        }
    }
}

/// Whether this outcome, of a request for them, says that the sale has all of its SKUs.
pub fn knows_skus(outcome: &ReserveOutcome) -> bool {
    matches!(
        outcome,
        ReserveOutcome::Granted { replayed: false, .. }
            | ReserveOutcome::SaleNotOpen { .. }
            | ReserveOutcome::AlreadyHolding { .. }
            | ReserveOutcome::LimitReached { .. }
            | ReserveOutcome::SoldOut { .. }
    )
}
