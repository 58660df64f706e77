//! Operate: what an operator does about deliveries: who is told, what was given up, and sending that again.

use serde::{Deserialize, Serialize};

pub use crate::action::Action;
use crate::admin::Fault;
pub use crate::dead_letter::{Because, DeadLetter, Decision, Filter, Replayed, ReplayedMany};
use crate::forget::Forgotten;

/// Who changes something, for the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct By {
    /// The name of the operator's token. Empty: an edge of the last release did not say.
    pub actor: String,
    pub reason: Option<String>,
    pub request_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Operation {
    /// Before that entry of the ledger; none: from the newest.
    Actions {
        before: Option<i64>,
        limit: i32,
    },
    Subscriptions,
    Subscription {
        subscription_id: String,
    },
    CreateSubscription {
        by: By,
        idem_key: String,
        subscription: NewSubscription,
    },
    SetSubscription {
        by: By,
        subscription_id: String,
        status: SubscriptionStatus,
    },
    DeleteSubscription {
        by: By,
        subscription_id: String,
    },
    RotateSecret {
        by: By,
        idem_key: String,
        subscription_id: String,
        overlap_s: i64,
    },
    DeadLetters {
        filter: Filter,
        after: Option<String>,
        limit: i32,
    },
    ReplayDeadLetter {
        by: By,
        idem_key: Option<String>,
        id: String,
    },
    ForgetUser {
        by: By,
        user_id: String,
    },
    ReplayDeadLetters {
        by: By,
        idem_key: Option<String>,
        filter: Filter,
    },
    DecideDeadLetter {
        by: By,
        idem_key: Option<String>,
        id: String,
        decision: Decision,
    },
}

/// The body of `POST /v1/admin/subscriptions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSubscription {
    /// One of [`Kind`]; `http` unless given.
    #[serde(default)]
    pub kind: Option<String>,
    /// A URL, a queue's URL, or the name or ARN of a bus.
    pub endpoint: String,
    /// None: everything.
    #[serde(default)]
    pub event_types: Vec<String>,
    #[serde(default, skip_serializing)]
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Http,
    Sqs,
    Eventbridge,
}

impl Kind {
    /// As the database writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sqs => "sqs",
            Self::Eventbridge => "eventbridge",
        }
    }

    /// None: there is no such kind.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Http, Self::Sqs, Self::Eventbridge].into_iter().find(|kind| kind.name() == name)
    }
}

/// The body of `PATCH /v1/admin/subscriptions/{subscription_id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SubscriptionChange {
    /// One of [`SubscriptionStatus`].
    pub status: String,
    #[serde(default)]
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    Enabled,
    Disabled,
}

impl SubscriptionStatus {
    /// None: there is no such status to set.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "enabled" => Some(Self::Enabled),
            "disabled" => Some(Self::Disabled),
            _ => None,
        }
    }
}

/// The body of `POST /v1/admin/subscriptions/{subscription_id}/secret`; it may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Seconds the old secret is good beside the new one, 0 to 604 800; a day unless given.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "i64"))]
    pub overlap_s: Option<i64>,
    #[serde(default)]
    pub reason: Option<String>,
}

/// The body of a change that needs none, and may say why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Why {
    #[serde(default)]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Values out of bounds, each with the JSON Pointer of where.
    InvalidRequest {
        errors: Vec<Fault>,
    },
    NotFound,
    IdempotencyKeyReused,
    /// As many subscriptions as there may be.
    TooMany {
        most: i64,
    },
    /// A target of AWS has no secret.
    NotSigned,
    /// A dead letter of a subscription that is disabled.
    Disabled,
    Actions {
        actions: Vec<Action>,
        /// Where the next page begins; none: there is none.
        next: Option<String>,
    },
    Subscriptions {
        subscriptions: Vec<Subscription>,
    },
    Subscription {
        subscription: Subscription,
    },
    /// The only answers that show a secret.
    Created {
        subscription: Subscription,
        secret: Option<String>,
        #[serde(default)]
        replayed: bool,
    },
    Rotated {
        subscription: Subscription,
        secret: String,
        #[serde(default)]
        replayed: bool,
    },
    Forgotten {
        forgotten: Forgotten,
    },
    DeadLetters {
        dead_letters: Vec<DeadLetter>,
        /// Where the next page begins; none: there is none.
        next: Option<String>,
    },
    ReplayedOne {
        letter: Replayed,
        #[serde(default)]
        replayed: bool,
    },
    ReplayedMany {
        many: ReplayedMany,
        #[serde(default)]
        replayed: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Subscription {
    pub subscription_id: String,
    pub kind: Kind,
    pub endpoint: String,
    /// Empty: everything.
    pub event_types: Vec<String>,
    /// `enabled`, `disabled`, `deleted`.
    pub status: String,
    pub status_reason: Option<String>,
    pub status_since: String,
    /// `closed`: it is sent to; `open`: it is left alone; `half_open`: one delivery tries whether it is back.
    pub breaker: String,
    pub breaker_since: String,
    /// Deliveries still to be made.
    pub pending: i64,
    /// Deliveries given up.
    pub dead: i64,
    /// Until when messages carry the old secret's signature as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_secret_until: Option<String>,
    pub created_at: String,
}

impl Outcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } => "invalid_request",
            Self::NotFound => "not_found",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::TooMany { .. } => "too_many",
            Self::NotSigned => "not_signed",
            Self::Disabled => "disabled",
            Self::Actions { .. } => "actions",
            Self::Subscriptions { .. } => "subscriptions",
            Self::Subscription { .. } => "subscription",
            Self::Created { .. } => "created",
            Self::Rotated { .. } => "rotated",
            Self::Forgotten { .. } => "forgotten",
            Self::DeadLetters { .. } => "dead_letters",
            Self::ReplayedOne { .. } => "replayed_one",
            Self::ReplayedMany { .. } => "replayed_many",
        }
    }
}
