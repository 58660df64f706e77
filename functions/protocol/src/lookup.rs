//! Lookup: everything that only reads.

use serde::{Deserialize, Serialize};

use crate::Trace;
use crate::ranking::{RankedSale, RankedSku, Ranking, Window};
use crate::shop::{Hold, HoldStatus, Order, Sale};

/// Users that an answer to [`Question::Holders`] names at most.
pub const HOLDERS_MAX: usize = 200_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupRequest {
    #[serde(flatten)]
    pub trace: Trace,
    #[serde(flatten)]
    pub question: Question,
}

/// Ids of holds and orders are UUIDs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "snake_case")]
pub enum Question {
    Hold {
        user_id: String,
        hold_id: String,
    },
    Order {
        user_id: String,
        order_id: String,
    },
    OrderOfHold {
        user_id: String,
        hold_id: String,
    },
    /// The user's own, newest first.
    Holds {
        user_id: String,
        status: Option<HoldStatus>,
        page: Page,
    },
    Orders {
        user_id: String,
        page: Page,
    },
    Sale {
        sale_id: String,
    },
    /// The newest 100, those that can be bought first.
    Sales,
    SkuRanking {
        window: Window,
    },
    SaleRanking,
    /// The users of this shard who may get an answer that comes before "sold out" in the order of refusals. That is a
    /// hold, an order or a lapse in this sale, or a key, which belongs to its user and not to a sale.
    Holders {
        sale_id: String,
        shard: u64,
        shards: u64,
        /// The edge's secret, by which users are hashed and spread: 64 hexadecimal digits.
        key: String,
    },
}

/// A piece of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Only of this sale; none: of all.
    pub sale_id: Option<String>,
    /// `next` of the page before; none: the first page.
    pub before: Option<String>,
    /// Rows, 1 to 100.
    pub limit: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum LookupOutcome {
    /// This caller has no such resource (yet).
    NotFound,
    Hold {
        hold: Hold,
    },
    Order {
        order: Order,
    },
    /// `next`: the next page's cursor; none: this is the last page. A page may be empty and still have a next one.
    Holds {
        holds: Vec<Hold>,
        next: Option<String>,
    },
    Orders {
        orders: Vec<Order>,
        next: Option<String>,
    },
    Sale {
        sale: Sale,
    },
    Sales {
        sales: Vec<Sale>,
    },
    SkuRanking {
        ranking: Ranking<RankedSku>,
    },
    SaleRanking {
        ranking: Ranking<RankedSale>,
    },
    Holders {
        /// Hashes of 63 bits that are equal to `shard` modulo `shards`, each once: see edge/src/runtime/user_hash.rs.
        users: Vec<u64>,
        /// Whether these are all; there is no second page.
        complete: bool,
    },
}

impl LookupOutcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Hold { .. } => "hold",
            Self::Order { .. } => "order",
            Self::Holds { .. } => "holds",
            Self::Orders { .. } => "orders",
            Self::Sale { .. } => "sale",
            Self::Sales { .. } => "sales",
            Self::SkuRanking { .. } => "sku_ranking",
            Self::SaleRanking { .. } => "sale_ranking",
            Self::Holders { .. } => "holders",
        }
    }
}
