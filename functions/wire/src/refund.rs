//! Refund: the scheduler's tick in, how much came to an end out.

use serde::{Deserialize, Serialize};

/// What one invocation did; its tick is [`crate::expire::Tick`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// Refunds whose money is back.
    pub completed: u64,
    /// Refunds that were given up: dead letters.
    pub failed: u64,
    /// Refunds that are to be tried again, or asked about again.
    pub later: u64,
}

impl Paid {
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            completed: self.completed + other.completed,
            failed: self.failed + other.failed,
            later: self.later + other.later,
        }
    }
}
