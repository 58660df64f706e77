//! The result of forgetting a user.

use serde::{Deserialize, Serialize};

/// The user's pseudonym, and what is not pseudonymised yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Forgotten {
    pub pseudonym: String,
    /// `done`: the user's id is nowhere any more; `waiting`: the rest follows without another request.
    pub status: String,
    /// `live_hold`, `refund` (a pending one), `legal_time` (orders and payments, those of others for a hold of the user's
    /// among them), `retention` (events, payments that are under way).
    pub waits_for: Vec<String>,
    /// When the last legal retention period ends.
    pub until: Option<String>,
}
