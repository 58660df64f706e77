//! Payments as an operator sees them, and the reason of an order's cancellation: parts of [`crate::admin`].

use serde::{Deserialize, Serialize};

/// The body of `POST /v1/admin/orders/{order_id}/cancel` and of a buyer's `POST /v1/orders/{order_id}/cancel`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// 1 to 500 characters.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The query of `GET /v1/admin/payments`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct PaymentPage {
    /// One of [`PAYMENT_STATES`]; none: all.
    pub state: Option<String>,
    /// Sent by the release before this one, which lists the oldest first: the last page's `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
    /// The newest before this one: the last page's `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// 1 to 100 of them.
    pub limit: i32,
}

/// A payment's states. `unsettled`: neither an order nor a refund; there must be none.
pub const PAYMENT_STATES: [&str; 5] = ["ordered", "refund_pending", "refunded", "refund_failed", "unsettled"];

/// A payment as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct PaymentRow {
    pub gateway: String,
    pub payment_id: String,
    pub state: String,
    /// The hold; none: the payment names no hold of this database.
    pub hold_id: Option<String>,
    /// The hold's reference as the gateway reported it: a hold's id in one of its forms, or any other text.
    pub hold_ref: String,
    pub sale_id: Option<String>,
    /// None: neither the gateway nor a hold names the user.
    pub user_id: Option<String>,
    pub amount: i64,
    pub currency: String,
    pub order_id: Option<String>,
    pub refund_reason: Option<String>,
    pub refund_attempts: Option<i64>,
    /// The error of the last failed refund attempt.
    pub refund_failure: Option<String>,
    /// Whether a dispute is open, was lost, or has ended without a known result.
    #[serde(default)]
    pub disputed: bool,
    /// `open`, `won`, `lost`, or `resolved`: it is over, and the gateway does not say how.
    pub dispute: Option<String>,
    /// The disputed amount, in the minor unit.
    pub disputed_amount: Option<i64>,
    /// Refunded at the gateway and not through Holdfast, in the minor unit.
    #[serde(default)]
    pub refunded_amount: i64,
    /// When the reversal of a deposit was detected.
    pub reversed_at: Option<String>,
    pub created_at: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct GatewayHealth {
    pub gateway: String,
    /// `closed`, `open` or `half_open`.
    pub breaker: String,
    /// Consecutive failures.
    pub failures: i64,
    pub since: String,
    pub last_error: Option<String>,
    /// The gateway has answered 429: until then it gets only requests that cannot wait.
    #[serde(default)]
    pub slowed_until: Option<String>,
    /// Everything until then was compared with the gateway's own lists; null: nothing was yet.
    #[serde(default)]
    pub reconciled_until: Option<String>,
    /// The comparison should have been through by now: disputes and refunds that no webhook told are not recorded.
    #[serde(default)]
    pub reconciliation_overdue: bool,
    /// Why the present comparison does not go on; null: it does, or it is through.
    #[serde(default)]
    pub reconciliation_error: Option<String>,
}
