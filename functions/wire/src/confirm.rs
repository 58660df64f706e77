//! T2, confirm: a payment in, an order or a refund out, or the reason why there is neither.

use serde::{Deserialize, Serialize};

use crate::Trace;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Request {
    /// A signed message that says all of it: nobody has to be asked.
    Paid(Payment),
    /// A payment to look at.
    Told(Told),
}

/// What a gateway's message, or the buyer's browser, says of a payment: too little to believe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    #[serde(flatten)]
    pub trace: Trace,
    pub gateway: String,
    pub payment_id: String,
    /// The gateway asks whether it may take the money: then the hold is secured and nothing else is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_take: bool,
    /// Of money that may have been settled before: the gateway is asked what it has of it now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub later: bool,
    /// What a signed message says of a dispute, `opened` or `resolved`, where the gateway does not say it when it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<String>,
    /// What the buyer's browser was given to have the money taken with, where a gateway does it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What the buyer came back with: another amount than the payment's is nobody's payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
}

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

/// Money that was taken ends as one of the first two; the same payment again gets the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "describe", schemars(rename = "PaymentOutcome"))]
pub enum Outcome {
    Confirmed {
        order_id: String,
    },
    RefundRequired {
        reason: RefundReason,
    },
    /// The hold waits for the money, which may be taken now.
    Secured,
    /// No money was taken, and none will be: the hold would not have it, or the bank.
    TurnedAway {
        reason: String,
    },
    /// Nothing has happened that would change anything here.
    Ignored,
    /// Money that was settled before: what its gateway has of it now is on record.
    Recorded,
    /// The gateway cannot be asked; tell us again.
    Unreachable,
}

/// An outcome, and where the buyer finds it: a browser that comes back from paying has to be sent somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    #[serde(flatten)]
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldOf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldOf {
    pub hold_id: String,
    pub sale_id: String,
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
            Self::Secured => "secured",
            Self::TurnedAway { .. } => "turned_away",
            Self::Ignored => "ignored",
            Self::Recorded => "recorded",
            Self::Unreachable => "unreachable",
        }
    }
}
