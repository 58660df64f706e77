//! How far a user is forgotten.

use serde::{Deserialize, Serialize};

/// What stands in a user's place, and what still has to wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Forgotten {
    pub pseudonym: String,
    /// `done`: nothing is left of the user; `waiting`: the rest goes by itself when its time is over.
    pub status: String,
    /// `live_hold`, `refund` (money that is to go back), `legal_time` (orders and payments), `retention` (what events
    /// still tell of).
    pub waits_for: Vec<String>,
    /// When the last of what the law wants kept may go.
    pub until: Option<String>,
}
