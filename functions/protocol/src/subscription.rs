//! Subscriptions: the receivers of events, their endpoints and their state.

use serde::{Deserialize, Serialize};

use crate::event;
use crate::field_error::FieldError;

/// An endpoint; a URL of Amazon's is far shorter.
pub const ENDPOINT_MAX_CHARS: usize = 2_000;
/// For how long an old secret may go on signing.
pub const SECRET_OVERLAP_MAX_S: i64 = 604_800;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Subscription {
    pub subscription_id: String,
    pub kind: Kind,
    pub endpoint: String,
    /// Empty: every event type.
    pub event_types: Vec<String>,
    /// `enabled` or `disabled`.
    pub status: String,
    pub status_reason: Option<String>,
    pub status_since: String,
    /// The circuit breaker: `closed`: deliveries are sent; `open`: none is; `half_open`: one delivery is sent as a test.
    pub breaker: String,
    pub breaker_since: String,
    /// Pending deliveries.
    pub pending: i64,
    /// Deliveries that were given up: dead letters.
    pub dead: i64,
    /// Until then messages also carry a signature by the old secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_secret_until: Option<String>,
    pub created_at: String,
}

/// The body of `POST /v1/admin/subscriptions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSubscription {
    /// `http` (default), `sqs` or `eventbridge`.
    #[serde(default)]
    pub kind: Option<String>,
    /// A URL, a queue's URL, or the name or ARN of a bus.
    pub endpoint: String,
    /// Absent or empty: every event type.
    #[serde(default)]
    pub event_types: Vec<String>,
    #[serde(default, skip_serializing)]
    pub reason: Option<String>,
}

impl NewSubscription {
    /// What is wrong with it whatever the network is; whether its endpoint may be called, `admin` finds out.
    #[must_use]
    pub fn errors(&self) -> Vec<FieldError> {
        let error = |pointer: String, detail: &str| FieldError { pointer, detail: detail.to_owned() };
        let mut errors = Vec::new();
        if self.kind.as_deref().is_some_and(|kind| Kind::named(kind).is_none()) {
            errors.push(error("/kind".to_owned(), "must be http, sqs or eventbridge"));
        }
        if !(1..=ENDPOINT_MAX_CHARS).contains(&self.endpoint.trim().chars().count()) {
            errors.push(error("/endpoint".to_owned(), "must be 1 to 2000 characters"));
        }
        // The first that is wrong: there are twenty names, and a request may have thousands of texts.
        let wrong = self.event_types.iter().enumerate().find_map(|(i, name)| {
            let repeated = self.event_types.get(..i).is_some_and(|before| before.contains(name));
            match (event::is_known(name), repeated) {
                (true, false) => None,
                (true, true) => Some((i, "is in the list already".to_owned())),
                (false, _) => Some((i, format!("must be one of {}", event::names()))),
            }
        });
        errors.extend(wrong.map(|(i, detail)| error(format!("/event_types/{i}"), &detail)));
        errors
    }
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
    /// `enabled` or `disabled`.
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

/// The body of `POST /v1/admin/subscriptions/{subscription_id}/secret`; optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Seconds for which the old secret stays valid beside the new one, 0 to 604 800; default 86 400.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "i64"))]
    pub overlap_s: Option<i64>,
    #[serde(default)]
    pub reason: Option<String>,
}
