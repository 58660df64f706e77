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

/// What needs no gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "describe", schemars(rename = "MethodWithoutGateway"))]
pub enum Method {
    /// What costs nothing.
    Free,
    /// The buyer's balance.
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

/// Listed in the order in which they are looked for, but that what is paid already is told first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum PayOutcome {
    /// No such hold of this user.
    NotFound,
    /// Paid, now or before, in whatever way.
    Confirmed {
        order_id: String,
    },
    HoldNotActive {
        hold_status: HoldStatus,
    },
    /// `free` was asked for.
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
