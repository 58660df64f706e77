//! An operator's action, as the ledger keeps it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One change by an operator: actor, time, reason, and the state before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Action {
    pub action_id: String,
    /// The action's name.
    pub action: String,
    /// The id of what was changed.
    pub subject: String,
    /// The name of the operator's token.
    pub actor: String,
    /// The operator's reason.
    pub reason: Option<String>,
    /// The request's `X-Request-Id`.
    pub request_id: String,
    /// The state before the change; null: the action created something.
    pub before: Option<Value>,
    /// The state after the change; null: there is none.
    pub after: Option<Value>,
    pub created_at: String,
}
