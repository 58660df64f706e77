//! T2, confirm: a payment in, an order or a refund out, or the reason why there is neither.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Trace;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ConfirmRequest {
    /// A signed webhook: the function verifies it and trusts nothing that the edge says.
    Signed(Signed),
    /// A hint to look a payment up; its gateway says what it is.
    Hint(PaymentHint),
    /// A payment page is about to be opened.
    Open(crate::opening::OpenPaymentRequest),
}

/// A gateway's webhook as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    #[serde(flatten)]
    pub trace: Trace,
    pub gateway: String,
    /// The headers that its signature covers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Byte for byte: the signature covers it.
    pub body: String,
}

/// A hint to look a payment up, from an unsigned webhook, a returning browser or a scheduled function. It is not
/// trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentHint {
    #[serde(flatten)]
    pub trace: Trace,
    pub gateway: String,
    pub payment_id: String,
    /// The gateway requests approval of its capture: the hold is locked for it, and nothing else is done.
    #[serde(rename = "may_take", default, skip_serializing_if = "std::ops::Not::not")]
    pub asks_approval: bool,
    /// The payment may have been settled before: its present state is recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub later: bool,
    /// What a signed message says of a dispute, `opened` or `resolved`, for a gateway whose snapshots do not report
    /// disputes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<String>,
    /// When the dispute was opened, by the same message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute_at: Option<String>,
    /// The token that the gateway's SDK gave the buyer's browser, for gateways that capture with one. Never in a request:
    /// see [`BuyerPayment`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The amount in the buyer's return address; the payment must have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// The order id in the buyer's return address; the payment must have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_ref: Option<String>,
    /// The signed-in buyer; the payment's hold must be theirs. Never in a request, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer: Option<String>,
    /// `amount` as the gateway wrote it, where its unit depends on the currency, which the address does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_text: Option<String>,
    /// The secret in an unsigned message about a deposit; the payment must have the same. `payment_id` is then our
    /// order id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deposit_secret: Option<String>,
}

/// A payment of a returning buyer's browser, with the token that captures it. Only the Worker knows who the buyer is,
/// so the request carries a proof: [`crate::proven::Personal::Payment`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyerPayment {
    #[serde(flatten)]
    pub trace: Trace,
    /// The signed-in buyer; the payment's hold must be theirs.
    pub user_id: String,
    pub gateway: String,
    pub payment_id: String,
    /// From the gateway's SDK.
    pub token: String,
}

/// A captured payment ends as one of the first two; the same payment always gets the same outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "describe", schemars(rename = "PaymentOutcome"))]
pub enum ConfirmOutcome {
    Confirmed {
        order_id: String,
    },
    RefundRequired {
        reason: RefundReason,
    },
    /// The hold is locked for the payment, which may be captured now.
    #[serde(rename = "secured")]
    ReadyToCapture,
    /// Rejected by the hold or by the bank: not captured, and it will not be.
    #[serde(rename = "turned_away")]
    Rejected {
        reason: RejectionReason,
    },
    /// The payment names a hold in our form that this database does not have: an operator decides about it.
    Parked,
    /// No change, or not a payment of this shop.
    Ignored,
    /// The signature is not valid, or its timestamp is too old.
    Unproven,
    /// This buyer has no such payment.
    NotFound,
    /// Not paid yet, for example an account for a deposit was issued.
    Pending,
    /// The payment was settled before; its present state at the gateway is recorded.
    Recorded,
    /// The gateway cannot be reached; send the message again.
    Unreachable,
}

/// An outcome, and where the buyer finds it: a browser that comes back from paying has to be sent somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    #[serde(flatten)]
    pub outcome: ConfirmOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldOf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldOf {
    pub hold_id: String,
    pub sale_id: String,
}

// T2 checks them in the `case` of schema/routines/confirm.sql; a test compares the two.
/// In the order in which they are checked.
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

impl RefundReason {
    pub const ALL: [Self; 6] = [
        Self::HoldUnknown,
        Self::AlreadyPaid,
        Self::HoldReleased,
        Self::HoldExpired,
        Self::UserMismatch,
        Self::AmountMismatch,
    ];

    /// Its name in SQL and in an answer.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HoldUnknown => "hold_unknown",
            Self::AlreadyPaid => "already_paid",
            Self::HoldReleased => "hold_released",
            Self::HoldExpired => "hold_expired",
            Self::UserMismatch => "user_mismatch",
            Self::AmountMismatch => "amount_mismatch",
        }
    }
}

/// Why a payment is not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum RejectionReason {
    // As for a refund.
    HoldUnknown,
    AlreadyPaid,
    HoldReleased,
    HoldExpired,
    UserMismatch,
    AmountMismatch,
    // Another payment of the hold may be captured at this moment (schema/routines/capture.sql).
    PaymentUnderWay,
    // The return names another order than the payment has.
    OrderMismatch,
    // The bank or the gateway declined it.
    PaymentRefused,
    // The gateway does not have it, or it is not paid yet, or it is a test payment in a live shop.
    PaymentUnknown,
}

impl ConfirmOutcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Confirmed { .. } => "confirmed",
            Self::RefundRequired { reason } => reason.name(),
            Self::ReadyToCapture => "secured",
            Self::Rejected { .. } => "turned_away",
            Self::Parked => "parked",
            Self::Ignored => "ignored",
            Self::Unproven => "unproven",
            Self::NotFound => "not_found",
            Self::Pending => "pending",
            Self::Recorded => "recorded",
            Self::Unreachable => "unreachable",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn each_reason_is_listed_once_in_order_and_printed_by_its_name() {
        for (index, reason) in RefundReason::ALL.into_iter().enumerate() {
            assert_eq!((reason as usize, to_value(reason).ok()), (index, Some(json!(reason.name()))));
        }
        assert_eq!(RefundReason::ALL.len(), RefundReason::AmountMismatch as usize + 1);
    }

    #[test]
    fn json_keeps_the_names_that_are_in_use() {
        let rejected = ConfirmOutcome::Rejected { reason: RejectionReason::HoldExpired };
        assert_eq!(to_value(&rejected).ok(), Some(json!({"result": "turned_away", "reason": "hold_expired"})));
        assert_eq!(to_value(ConfirmOutcome::ReadyToCapture).ok(), Some(json!({"result": "secured"})));
        let hint = json!({"request_id": "r", "gateway": "g", "payment_id": "p", "may_take": true});
        let read: Option<ConfirmRequest> = serde_json::from_value(hint.clone()).ok();
        assert!(matches!(&read, Some(ConfirmRequest::Hint(PaymentHint { asks_approval: true, .. }))), "{read:?}");
        assert_eq!(read.and_then(|read| to_value(read).ok()), Some(hint));
    }
}
