//! Lookup: everything that only reads.

use serde::{Deserialize, Serialize};

use crate::Trace;
use crate::shop::{Hold, Order, Sale};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
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
    Sale {
        sale_id: String,
    },
    /// The newest 100, what can be bought first.
    Sales,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// There is no such thing for this caller (yet).
    NotFound,
    Hold {
        hold: Hold,
    },
    Order {
        order: Order,
    },
    Sale {
        sale: Sale,
    },
    Sales {
        sales: Vec<Sale>,
    },
}

impl Outcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Hold { .. } => "hold",
            Self::Order { .. } => "order",
            Self::Sale { .. } => "sale",
            Self::Sales { .. } => "sales",
        }
    }
}
