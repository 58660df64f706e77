//! An operator's operations on subscriptions, dead letters, the ledger and forgotten users.

use serde::{Deserialize, Serialize};

pub use crate::action::Action;
pub use crate::actor::Actor;
pub use crate::dead_letter::{Because, DeadLetter, Decision, Filter, Replayed, ReplayedMany};
use crate::field_error::FieldError;
use crate::forget::Forgotten;
pub use crate::subscription::{Kind, NewSubscription, Rotation, Subscription, SubscriptionChange, SubscriptionStatus};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Operation {
    /// Entries of the ledger before this one; none: from the newest on.
    Actions {
        before: Option<i64>,
        limit: i32,
    },
    Subscriptions,
    Subscription {
        subscription_id: String,
    },
    CreateSubscription {
        by: Actor,
        idem_key: String,
        subscription: NewSubscription,
    },
    SetSubscription {
        by: Actor,
        subscription_id: String,
        status: SubscriptionStatus,
    },
    DeleteSubscription {
        by: Actor,
        subscription_id: String,
    },
    RotateSecret {
        by: Actor,
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
        by: Actor,
        idem_key: Option<String>,
        id: String,
    },
    ForgetUser {
        by: Actor,
        user_id: String,
    },
    ReplayDeadLetters {
        by: Actor,
        idem_key: Option<String>,
        filter: Filter,
    },
    DecideDeadLetter {
        by: Actor,
        idem_key: Option<String>,
        id: String,
        decision: Decision,
    },
}

/// An optional body with the reason for a change.
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
pub enum OperationOutcome {
    /// Values out of bounds, each with the JSON Pointer of where.
    InvalidRequest {
        errors: Vec<FieldError>,
    },
    NotFound,
    IdempotencyKeyReused,
    /// The limit of subscriptions is reached.
    TooMany {
        most: i64,
    },
    /// The subscription's kind has no secret: AWS signs.
    NotSigned,
    /// A dead letter of a subscription that is disabled.
    Disabled,
    Actions {
        actions: Vec<Action>,
        /// The next page's cursor; none: this is the last page.
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
        /// The next page's cursor; none: this is the last page.
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

impl OperationOutcome {
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
