//! Release: a buyer gives a hold back, some of it for something else, or an order.

use serde::{Deserialize, Serialize};

use crate::Trace;
use crate::change::ChangeRequest;
use crate::orders::CancelRequest;
use crate::shop::{Hold, HoldStatus};

/// What a buyer gives back; each has its own outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GiveBack {
    Order(CancelRequest),
    Lines(ChangeRequest),
    Hold(ReleaseRequest),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRequest {
    #[serde(flatten)]
    pub trace: Trace,
    pub user_id: String,
    /// A UUID.
    pub hold_id: String,
}

/// In the order in which they are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ReleaseOutcome {
    /// This user has no such hold.
    NotFound,
    /// Committed or expired: there is nothing to release.
    HoldNotActive { hold_status: HoldStatus },
    /// Released; `moved`: by this call, and not before.
    Released {
        hold: Box<Hold>,
        /// A function of the release before does not say.
        #[serde(default = "yes")]
        moved: bool,
    },
}

fn yes() -> bool {
    true
}

impl ReleaseOutcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::HoldNotActive { .. } => "hold_not_active",
            Self::Released { .. } => "released",
        }
    }
}
