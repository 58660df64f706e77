//! A dead letter: what was given up, an event's delivery or a refund, or a payment whose hold is not known, as an operator
//! sees it and decides about it.

use serde::{Deserialize, Serialize};

/// What one kind has and the other has not is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct DeadLetter {
    pub id: String,
    /// `event`, `refund` or `unknown_hold`.
    pub kind: String,
    pub dead_at: String,
    /// What went wrong last.
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
    /// Why the money was to be paid back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
    /// What the gateway says of the hold, where it is none of this database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ref: Option<String>,
    /// Whether the money was taken, or is only set aside.
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
    /// `pending`, `dismissed` or `settled`; or how it has ended since.
    pub status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct ReplayedMany {
    pub replayed: i64,
    /// Whether there may be more: ask again.
    pub more: bool,
}

/// What an operator makes of a dead letter other than sending it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing is to be done.
    Dismiss,
    /// It was paid back by hand.
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

/// The body of `POST /v1/admin/dead-letters/{id}/dismiss` and `…/settle`: money is decided about, so it says why.
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
    /// `event`, `refund` or `unknown_hold`.
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
