//! Sales, holds and orders as buyers see them. The edge sends them unchanged.

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

impl HoldStatus {
    pub const ALL: [Self; 4] = [Self::Hold, Self::Committed, Self::Expired, Self::Released];

    /// The name in every response.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hold => "HOLD",
            Self::Committed => "COMMITTED",
            Self::Expired => "EXPIRED",
            Self::Released => "RELEASED",
        }
    }
}

/// The response to a reservation and to a lookup of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Hold {
    pub hold_id: String,
    pub sale_id: String,
    pub status: HoldStatus,
    pub items: Vec<PricedLine>,
    /// The sum of the lines; minus `discount_amount` it is `total_amount`, which the buyer pays.
    #[serde(default)]
    pub subtotal_amount: i64,
    #[serde(default)]
    pub discount_amount: i64,
    pub total_amount: i64,
    pub currency: String,
    /// Decimals of the currency's minor unit, by ISO 4217: an amount of 150 with 2 is 1.50.
    #[serde(default)]
    pub currency_decimals: u8,
    /// The id of the coupon behind `discount_amount`; null: none.
    #[serde(default)]
    pub coupon: Option<String>,
    /// From 1, incremented with every change of the lines; the `ETag`.
    #[serde(default = "first")]
    pub version: i64,
    /// RFC 3339, UTC.
    pub expire_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// The newest of `refunds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<Box<Refund>>,
    /// The refunds of this hold's payments, newest first, among them those of a second payment for a hold that was
    /// bought already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<RefundOf>,
}

fn first() -> i64 {
    1
}

/// A refund to a buyer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Refund {
    pub status: RefundStatus,
    /// What the buyer gets back of the payment in all, whoever refunds it, in the currency's minor unit.
    pub amount: i64,
    pub currency: String,
    /// Decimals of the currency's minor unit, by ISO 4217: an amount of 150 with 2 is 1.50.
    #[serde(default)]
    pub currency_decimals: u8,
    /// Why the payment is refunded: `amount_mismatch`, `hold_expired` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The payment was a deposit, and the refund waits for the buyer's bank account
    /// (`POST /v1/reservations/{hold_id}/refund-account`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub account_needed: bool,
}

/// A refund with its reason: why the payment bought nothing (`already_paid`, `hold_expired`, …), `order_cancelled` or `order_returned`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct RefundOf {
    pub reason: String,
    pub status: RefundStatus,
    /// What the buyer gets back of the payment in all, whoever refunds it, in the currency's minor unit.
    pub amount: i64,
    pub currency: String,
    /// Decimals of the currency's minor unit, by ISO 4217: an amount of 150 with 2 is 1.50.
    #[serde(default)]
    pub currency_decimals: u8,
    /// As in `Refund`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub account_needed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum RefundStatus {
    Pending,
    Completed,
    /// Given up: an operator has to decide.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum OrderStatus {
    Confirmed,
    Preparing,
    Shipped,
    Delivered,
    /// Cancelled before it was shipped, by an operator or its buyer, and refunded.
    Cancelled,
    /// Returned after it was delivered, and refunded.
    Returned,
}

impl OrderStatus {
    pub const ALL: [Self; 6] =
        [Self::Confirmed, Self::Preparing, Self::Shipped, Self::Delivered, Self::Cancelled, Self::Returned];

    /// Its name, if it is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// The name in every response, and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "CONFIRMED",
            Self::Preparing => "PREPARING",
            Self::Shipped => "SHIPPED",
            Self::Delivered => "DELIVERED",
            Self::Cancelled => "CANCELLED",
            Self::Returned => "RETURNED",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Order {
    pub order_id: String,
    /// Ten characters that are easy to read aloud; unique.
    pub order_number: String,
    pub hold_id: String,
    pub sale_id: String,
    /// For operators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    pub status: OrderStatus,
    /// From 1, incremented when `status` or `tracking` changes; the `ETag`. What happens to the payment (`disputed`,
    /// `refunded_amount`, `refund`) does not change it.
    pub version: i64,
    pub items: Vec<PricedLine>,
    /// The sum of the lines; minus `discount_amount` it is `total_amount`, which the buyer paid.
    pub subtotal_amount: i64,
    pub discount_amount: i64,
    pub total_amount: i64,
    pub currency: String,
    /// Decimals of the currency's minor unit, by ISO 4217: an amount of 150 with 2 is 1.50.
    pub currency_decimals: u8,
    /// The id of the coupon behind `discount_amount`; null: none.
    pub coupon: Option<String>,
    pub payment: PaidBy,
    /// The shipment's tracking number; null: none is known.
    pub tracking: Option<String>,
    /// The buyer has disputed the payment at the bank.
    pub disputed: bool,
    /// Refunded at the gateway and not through Holdfast, in the currency's minor unit.
    pub refunded_amount: i64,
    /// The order's refund; null: there is none.
    pub refund: Option<Box<Refund>>,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// How an order was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct PaidBy {
    pub method: PayMethod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum PayMethod {
    Gateway,
    Wallet,
    /// The total was 0.
    Free,
}

/// `Draft` until the operator publishes it: buyers do not see it. Then `Scheduled` before `opens_at`, `Closed` from
/// `closes_at` on; in between what the operator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum SaleStatus {
    Draft,
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
    /// RFC 3339, UTC; null: no end.
    pub closes_at: Option<String>,
    /// Seconds from the grant to the hold's expiry.
    pub hold_ttl_s: i64,
    pub currency: String,
    /// Decimals of the currency's minor unit, by ISO 4217: an amount of 150 with 2 is 1.50.
    #[serde(default)]
    pub currency_decimals: u8,
    /// Whether a buyer may cancel an order while it is `CONFIRMED`.
    #[serde(default)]
    pub buyer_cancel: bool,
    pub skus: Vec<Sku>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Sku {
    pub sku_id: String,
    pub name: String,
    pub unit_price: i64,
    /// Null before the sale opens if `stock_before_opening` is `hidden`.
    pub available: Option<i64>,
    pub max_per_user: i64,
}
