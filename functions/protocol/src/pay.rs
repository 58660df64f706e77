//! Pay: a hold that needs no gateway becomes an order.

use serde::{Deserialize, Serialize};

use crate::Trace;
use crate::shop::HoldStatus;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayRequest {
    #[serde(flatten)]
    pub trace: Trace,
    pub user_id: String,
    /// A UUID.
    pub hold_id: String,
    pub pay_with: Method,
}

/// A way to pay without a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "describe", schemars(rename = "MethodWithoutGateway"))]
pub enum Method {
    /// For a total of 0.
    Free,
    /// From the buyer's balance.
    Wallet,
}

impl Method {
    /// Its name, if it is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Free, Self::Wallet].into_iter().find(|method| method.name() == name)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Wallet => "wallet",
        }
    }
}

/// In the order in which they are checked, except that an existing order comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum PayOutcome {
    /// This user has no such hold.
    NotFound,
    /// Paid, now or before, by any method.
    Confirmed {
        order_id: String,
    },
    HoldNotActive {
        hold_status: HoldStatus,
    },
    /// `free` was requested.
    CostsSomething,
    InsufficientBalance {
        balance: i64,
        required: i64,
    },
}

impl PayOutcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Confirmed { .. } => "confirmed",
            Self::HoldNotActive { .. } => "hold_not_active",
            Self::CostsSomething => "costs_something",
            Self::InsufficientBalance { .. } => "insufficient_balance",
        }
    }
}
