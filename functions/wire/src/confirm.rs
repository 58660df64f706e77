//! T2, confirm: a captured payment in, an order or a refund out.

use serde::{Deserialize, Serialize};

use crate::Trace;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    #[serde(flatten)]
    pub trace: Trace,
    /// Whose `payment_id` it is: payments of two gateways may share one.
    pub gateway: String,
    pub payment_id: String,
    /// As the gateway said it; what is no hold of ours is refunded, not refused.
    pub hold_id: String,
    pub user_id: String,
    /// In the currency's minor unit.
    pub amount: i64,
    pub currency: String,
}

/// Money that was taken ends as one of these two; the same payment again gets the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "describe", schemars(rename = "PaymentOutcome"))]
pub enum Outcome {
    Confirmed { order_id: String },
    RefundRequired { reason: RefundReason },
}

/// Listed in the order in which they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum RefundReason {
    HoldUnknown,
    AlreadyPaid,
    HoldReleased,
    HoldExpired,
    UserMismatch,
    AmountMismatch,
}

impl Outcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Confirmed { .. } => "confirmed",
            Self::RefundRequired { reason: RefundReason::HoldUnknown } => "hold_unknown",
            Self::RefundRequired { reason: RefundReason::AlreadyPaid } => "already_paid",
            Self::RefundRequired { reason: RefundReason::HoldReleased } => "hold_released",
            Self::RefundRequired { reason: RefundReason::HoldExpired } => "hold_expired",
            Self::RefundRequired { reason: RefundReason::UserMismatch } => "user_mismatch",
            Self::RefundRequired { reason: RefundReason::AmountMismatch } => "amount_mismatch",
        }
    }
}
