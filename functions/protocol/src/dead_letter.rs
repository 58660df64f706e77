//! Dead letters: deliveries and refunds that were given up, and payments without a known hold, as an operator sees them
//! and decides about them.

use serde::{Deserialize, Serialize};

/// Members that a kind does not have are absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct DeadLetter {
    pub id: String,
    /// `event`, `refund`, `unknown_hold` or `unanswered_payment`.
    pub kind: String,
    pub dead_at: String,
    /// The last error.
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Why the payment was to be refunded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
    /// The hold's reference as the gateway reported it, where this database has no such hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ref: Option<String>,
    /// Whether the payment was captured; false: only authorized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<bool>,
    /// In the minor unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Replayed {
    pub id: String,
    /// `pending`, `dismissed` or `settled`; or the status it has reached since.
    pub status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct ReplayedMany {
    pub replayed: i64,
    /// Whether more may match: repeat the request.
    pub more: bool,
}

/// An operator's decision about a dead letter other than a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing has to be done.
    Dismiss,
    /// The payment was refunded by hand.
    Settle,
}

impl Decision {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dismiss => "dismiss",
            Self::Settle => "settle",
        }
    }

    /// None: there is no such decision.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Dismiss, Self::Settle].into_iter().find(|decision| decision.name() == name)
    }
}

/// The body of `POST /v1/admin/dead-letters/{id}/dismiss` and `…/settle`. A decision about a payment needs a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// 1 to 500 characters.
    pub reason: String,
}

/// The body of `POST /v1/admin/dead-letters/replay`, and the query of `GET /v1/admin/dead-letters`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// `event`, `refund`, `unknown_hold` or `unanswered_payment`.
    #[serde(default)]
    pub kind: Option<String>,
    #[serde(default)]
    pub event_type: Option<String>,
    /// A subscription's id.
    #[serde(default)]
    pub subscription: Option<String>,
    #[serde(default)]
    pub sale_id: Option<String>,
    #[serde(default, skip_serializing)]
    pub reason: Option<String>,
}
