//! Change: the lines of a hold become others.

use serde::{Deserialize, Serialize};

use crate::Trace;
use crate::reserve::ReserveOutcome;
use crate::shop::{Hold, HoldStatus, Line};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRequest {
    #[serde(flatten)]
    pub trace: Trace,
    pub user_id: String,
    /// A UUID.
    pub hold_id: String,
    /// Of the hold that the buyer has seen.
    pub version: i64,
    pub items: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChangeOutcome {
    Own(Own),
    /// One of T1's own refusals, of a line or of the sale.
    Refused(Box<ReserveOutcome>),
}

/// In the order in which they are checked, but that lines which the hold has already are answered before its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Own {
    /// This user has no such hold.
    NoSuchHold,
    HoldNotActive {
        hold_status: HoldStatus,
    },
    /// Another change came first: `version` is the hold's now.
    PreconditionFailed {
        version: i64,
    },
    /// The hold has these lines, now or before. `returned`: this call gave pieces back.
    Changed {
        hold: Box<Hold>,
        returned: bool,
    },
}

impl ChangeOutcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Own(Own::NoSuchHold) => "no_such_hold",
            Self::Own(Own::HoldNotActive { .. }) => "hold_not_active",
            Self::Own(Own::PreconditionFailed { .. }) => "precondition_failed",
            Self::Own(Own::Changed { .. }) => "changed",
            Self::Refused(outcome) => outcome.name(),
        }
    }
}
