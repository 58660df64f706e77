//! A payment page is about to be opened: recorded, so that the gateway can be polled for a payment of it, before and
//! after the hold ends, in case no webhook ever comes.

use serde::{Deserialize, Serialize};

use crate::Trace;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPaymentRequest {
    #[serde(flatten)]
    pub trace: Trace,
    pub user_id: String,
    pub hold_id: String,
    /// The gateway of the payment page.
    pub opening_at: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum OpenPaymentOutcome {
    /// There is no such hold for this caller.
    NotFound,
    HoldNotActive {
        hold_status: String,
    },
    /// What the payment page is opened with: a payment's id or an order's, by gateway.
    Opened {
        payment_id: String,
    },
}

impl OpenPaymentOutcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::HoldNotActive { .. } => "hold_not_active",
            Self::Opened { .. } => "opened",
        }
    }
}
