//! An operator's action, as the ledger keeps it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One change by an operator: who, when, why, and what was there before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Action {
    pub action_id: String,
    /// What was done.
    pub action: String,
    /// To what: an id.
    pub subject: String,
    /// The name of the operator's token.
    pub actor: String,
    /// The operator's words.
    pub reason: Option<String>,
    /// The request's `X-Request-Id`.
    pub request_id: String,
    /// What the change found; null: it made something.
    pub before: Option<Value>,
    /// What it left; null: nothing.
    pub after: Option<Value>,
    pub created_at: String,
}
