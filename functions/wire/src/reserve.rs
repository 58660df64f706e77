//! T1, reserve: a batch of reservations in, an outcome for each of them out, in the same order.

use serde::{Deserialize, Serialize};

use crate::Trace;
use crate::shop::{Hold, Line, SaleStatus};

/// Reservations a call carries at most: one call is one transaction.
pub const BATCH_MAX: usize = 100;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// 1 to [`BATCH_MAX`], in the order of their arrival; a user at most once.
    pub reservations: Vec<Reservation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    #[serde(flatten)]
    pub trace: Trace,
    pub user_id: String,
    pub idem_key: String,
    /// SHA-256 of what was asked, 64 hexadecimal digits: the same key with another one is refused.
    pub fingerprint: String,
    pub sale_id: String,
    pub items: Vec<Line>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answers {
    pub outcomes: Vec<Outcome>,
}

/// Listed in the order in which they are looked for; the first that applies is the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// `replayed`: the key was used before, and this is what was granted then.
    Granted {
        hold: Hold,
        #[serde(default)]
        replayed: bool,
    },
    /// The key was used before, for something else.
    IdempotencyKeyReused,
    /// Another request of this user is in the same transaction; ask again.
    RequestInProgress,
    /// No such sale (`sku_id` is none), or no such SKU in it.
    NotFound {
        sku_id: Option<String>,
    },
    SaleNotOpen {
        opens_at: String,
        status: SaleStatus,
    },
    AlreadyHolding {
        hold_id: String,
        sku_id: String,
    },
    LimitReached {
        sku_id: String,
        max_per_user: i64,
    },
    /// The last two are for the Gate, which may repeat this answer to others, and not for clients.
    SoldOut {
        sku_id: String,
        available: i64,
        #[serde(default)]
        max_per_user: i64,
        /// How long this holds at most unless stock comes back through the edge: until a hold lapses or the sale closes.
        #[serde(default)]
        for_ms: u64,
    },
}

impl Outcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Granted { replayed: false, .. } => "granted",
            Self::Granted { replayed: true, .. } => "replayed",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::RequestInProgress => "request_in_progress",
            Self::NotFound { .. } => "not_found",
            Self::SaleNotOpen { .. } => "sale_not_open",
            Self::AlreadyHolding { .. } => "already_holding",
            Self::LimitReached { .. } => "limit_reached",
            Self::SoldOut { .. } => "sold_out",
        }
    }
}
