//! What is remembered of one sale: which SKUs are sold out, that it is not open, and whether its holders are known.

use std::collections::{HashMap, HashSet};

use protocol::reserve::{Reservation, ReserveOutcome};
use protocol::shop::SaleStatus;

use crate::gate::core::in_flight::InFlightBatch;
use crate::runtime::limits::{SOLD_OUT_KEEP_MS, SOLD_OUT_PROBE_MS};

#[derive(Default)]
pub struct Sale {
    pub skus: HashMap<String, Sku>,
    pub closed: Option<Closed>,
    /// The last batch that saw it open.
    open: Option<u64>,
    /// SKUs that the sale is known to have, because T1 gave another reason for a cart with them. A sale never loses
    /// one.
    pub known: HashSet<String>,
    pub holders: Holders,
    /// What a batch of a lower number saw of it may be outdated.
    pub current: u64,
    pub used_ms: u64,
}

/// Whether `users` has all holders of the sale from before this memory began.
#[derive(Default)]
pub enum Holders {
    #[default]
    Unknown,
    /// The lookup was sent; by this time it has been answered or has failed.
    LookupSent {
        until_ms: u64,
    },
    Known,
    /// The lookup failed, or there are too many: not again before this time.
    NotBefore {
        ms: u64,
    },
}

/// The batch that saw it, when that left (it saw the state of a later moment), and until when it may be repeated.
pub struct Observation {
    pub batch: u64,
    pub sent_ms: u64,
    pub until_ms: u64,
    /// A probe is in flight.
    probing: bool,
}

pub struct Sku {
    pub available: i64,
    pub max_per_user: i64,
    pub observation: Observation,
}

pub struct Closed {
    pub opens_at: String,
    pub status: SaleStatus,
    pub observation: Observation,
}

impl Observation {
    fn by(batch: &InFlightBatch, for_ms: u64) -> Self {
        let until_ms = batch.sent_ms.saturating_add(for_ms.min(SOLD_OUT_KEEP_MS));
        Self { batch: batch.number, sent_ms: batch.sent_ms, until_ms, probing: false }
    }

    /// A clock that is set back extends nothing.
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        (self.sent_ms..self.until_ms).contains(&now_ms)
    }

    fn wants_probe(&self, now_ms: u64) -> bool {
        !self.probing && now_ms >= self.sent_ms.saturating_add(SOLD_OUT_PROBE_MS)
    }
}

impl Sale {
    /// Whether a refusal is remembered, so that the holders have to be known.
    pub fn says_something(&self) -> bool {
        !self.skus.is_empty() || self.closed.is_some()
    }

    /// Whether this reservation is sent as a probe, shortly before the refusal expires.
    pub fn probe(&mut self, asked: &Reservation, now_ms: u64) -> bool {
        let Self { skus, closed, .. } = self;
        if let Some(closed) = closed.as_mut().filter(|closed| closed.observation.is_fresh(now_ms)) {
            let probes = closed.observation.wants_probe(now_ms);
            closed.observation.probing |= probes;
            return probes;
        }
        let lines = || asked.items.iter().map(|line| line.sku_id.as_str());
        let probes = lines().any(|sku| skus.get(sku).is_some_and(|sku| sku.observation.wants_probe(now_ms)));
        if probes {
            lines().for_each(|sku| {
                if let Some(sku) = skus.get_mut(sku) {
                    sku.observation.probing = true;
                }
            });
        }
        probes
    }

    /// Learns from one outcome of a batch that is not outdated.
    pub fn learn(&mut self, batch: &InFlightBatch, outcome: &ReserveOutcome) {
        let newer = |observation: &Observation| observation.batch > batch.number;
        match outcome {
            ReserveOutcome::SoldOut { sku_id, available, max_per_user, for_ms } => {
                let overtaken = self.skus.get(sku_id).is_some_and(|sku| newer(&sku.observation));
                if overtaken || self.closed.as_ref().is_some_and(|closed| newer(&closed.observation)) {
                    return;
                }
                (self.closed, self.open) = (None, self.open.max(Some(batch.number)));
                let (available, max_per_user, observation) =
                    (*available, *max_per_user, Observation::by(batch, *for_ms));
                self.skus.insert(sku_id.clone(), Sku { available, max_per_user, observation });
            }
            ReserveOutcome::SaleNotOpen { opens_at, status, for_ms } => {
                let opened = self.open.is_some_and(|open| open > batch.number);
                if opened || self.closed.as_ref().is_some_and(|closed| newer(&closed.observation)) {
                    return;
                }
                self.skus.clear();
                let (opens_at, status, observation) = (opens_at.clone(), *status, Observation::by(batch, *for_ms));
                self.closed = Some(Closed { opens_at, status, observation });
            }
            // There is stock again, and the sale is open.
            ReserveOutcome::Granted { hold, replayed: false } => {
                self.skus.retain(|sku_id, _| hold.items.iter().all(|line| line.sku_id != *sku_id));
                self.open = self.open.max(Some(batch.number));
                self.closed = self.closed.take().filter(|closed| newer(&closed.observation));
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

/// Whether this outcome implies that the sale has all SKUs of the request.
pub fn knows_skus(outcome: &ReserveOutcome) -> bool {
    match outcome {
        ReserveOutcome::Granted { replayed: false, .. }
        | ReserveOutcome::SaleNotOpen { .. }
        | ReserveOutcome::AlreadyHolding { .. }
        | ReserveOutcome::LimitReached { .. }
        | ReserveOutcome::SoldOut { .. } => true,
        ReserveOutcome::Granted { replayed: true, .. }
        | ReserveOutcome::IdempotencyKeyReused
        | ReserveOutcome::RequestInProgress
        | ReserveOutcome::NotFound { .. }
        | ReserveOutcome::TooLate => false,
    }
}
