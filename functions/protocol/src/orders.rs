//! Orders after T2: an operator moves one on, its buyer cancels it.

use serde::{Deserialize, Serialize};

use crate::Trace;
use crate::shop::{Order, OrderStatus};

/// Of a tracking number.
pub const TRACKING_MAX_CHARS: usize = 128;

/// The body of `PATCH /v1/admin/orders/{order_id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct OrderChange {
    /// The order's next status: `PREPARING`, `SHIPPED`, `DELIVERED`, `CANCELLED` or `RETURNED`.
    #[cfg_attr(feature = "describe", schemars(with = "OrderStatus"))]
    pub status: String,
    /// The shipment's number, with `SHIPPED` or a later status: 1 to 128 printable characters. Left out, it stays as it is.
    #[serde(default)]
    pub tracking: Option<String>,
    /// With `RETURNED`: whether the returned pieces are for sale again; default true.
    #[serde(default)]
    pub restock: Option<bool>,
    /// 1 to 500 characters.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A change that the edge has checked, of the order with this version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStatus {
    pub version: i64,
    pub status: OrderStatus,
    pub tracking: Option<String>,
    pub restock: bool,
}

/// A buyer cancels an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    #[serde(flatten)]
    pub trace: Trace,
    pub user_id: String,
    /// A UUID.
    pub order_id: String,
    pub reason: Option<String>,
}

/// In the order in which they are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CancelOutcome {
    /// This user has no such order.
    NotFound,
    /// The sale does not let its buyers cancel.
    NotForBuyers,
    TransitionNotAllowed {
        order_status: OrderStatus,
    },
    /// Cancelled; `moved`: by this call, and not before.
    Cancelled {
        order: Box<Order>,
        moved: bool,
    },
}

impl CancelOutcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotForBuyers => "not_for_buyers",
            Self::TransitionNotAllowed { .. } => "transition_not_allowed",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}
