//! What the shop's things look like to its buyers: a sale, a hold, an order. The edge sends these as they are.

use serde::{Deserialize, Serialize};

/// A line of a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Line {
    pub sku_id: String,
    /// Pieces, 1 to 100.
    #[serde(deserialize_with = "crate::whole::number")]
    pub qty: i64,
}

/// A line with the price it was granted at, in the currency's minor unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct PricedLine {
    pub sku_id: String,
    pub qty: i64,
    pub unit_price: i64,
}

/// A hold leaves `HOLD` once, to one of the other three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum HoldStatus {
    Hold,
    Committed,
    Expired,
    Released,
}

/// The answer to a reservation, and to the question after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Hold {
    pub hold_id: String,
    pub sale_id: String,
    pub status: HoldStatus,
    pub items: Vec<PricedLine>,
    pub total_amount: i64,
    pub currency: String,
    /// RFC 3339, UTC.
    pub expire_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Money for it that is to be paid back, or has been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<Refund>,
}

/// A buyer's money on its way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Refund {
    pub status: RefundStatus,
    /// In the currency's minor unit.
    pub amount: i64,
    pub currency: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum RefundStatus {
    Pending,
    Completed,
    /// Given up, and an operator's to look at.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum OrderStatus {
    Confirmed,
    /// By an operator; its money is paid back.
    Cancelled,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Order {
    pub order_id: String,
    pub hold_id: String,
    pub sale_id: String,
    pub status: OrderStatus,
    pub items: Vec<PricedLine>,
    pub total_amount: i64,
    pub currency: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// `Scheduled` before `opens_at`, `Closed` from `closes_at` on; in between what the operator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum SaleStatus {
    Scheduled,
    Open,
    Paused,
    Closed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Sale {
    pub sale_id: String,
    pub name: String,
    pub status: SaleStatus,
    /// RFC 3339, UTC.
    pub opens_at: String,
    /// RFC 3339, UTC; null: open end.
    pub closes_at: Option<String>,
    /// Seconds a buyer has to pay.
    pub hold_ttl_s: i64,
    pub currency: String,
    pub skus: Vec<Sku>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Sku {
    pub sku_id: String,
    pub name: String,
    pub unit_price: i64,
    pub available: i64,
    pub max_per_user: i64,
}
