//! Refund: the scheduler's tick in, how much came to an end out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Trace;

/// The bank account of a refund. It is passed to the gateway, and neither stored nor logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct RefundAccount {
    /// The bank: its name in PortOne's API (`SHINHAN`) or its code at Toss (`88`), at either gateway. Any other text is passed
    /// on to the gateway as it is.
    pub bank: String,
    pub number: String,
    /// The account holder's name.
    pub holder: String,
}

impl fmt::Debug for RefundAccount {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("RefundAccount(not shown)")
    }
}

/// An account for a refund that its gateway cannot make without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundTo {
    #[serde(flatten)]
    pub trace: Trace,
    #[serde(flatten)]
    pub which: RefundSelector,
    pub refund_account: RefundAccount,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RefundSelector {
    /// The one of a buyer's own hold that waits for an account.
    OfHold { user_id: String, hold_id: String },
    /// An operator's dead letter.
    Letter { letter: String },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AccountOutcome {
    /// No refund of this caller waits for an account.
    NotFound,
    /// Another invocation has it claimed.
    InProgress,
    /// `pending`, `completed` or `failed`, with what the gateway said.
    Tried { status: String, failure: Option<String> },
}

impl AccountOutcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::InProgress => "in_progress",
            Self::Tried { .. } => "tried",
        }
    }
}

/// What one invocation did; its tick is [`crate::expire::Tick`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRun {
    /// Refunds whose money is back.
    pub completed: u64,
    /// Refunds that were given up: dead letters.
    pub failed: u64,
    /// Refunds that are to be retried, or looked up again.
    pub later: u64,
}

impl RefundRun {
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            completed: self.completed + other.completed,
            failed: self.failed + other.failed,
            later: self.later + other.later,
        }
    }
}
