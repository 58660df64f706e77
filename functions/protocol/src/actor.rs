//! The operator behind a change.

use serde::{Deserialize, Serialize};

/// Who changes something, for the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Actor {
    /// The name of the operator's token. Empty: an edge of the last release did not say.
    pub actor: String,
    pub reason: Option<String>,
    pub request_id: String,
}
