//! Reconcile: the scheduler's tick in, what was compared out.

use serde::{Deserialize, Serialize};

pub use crate::expire::Tick;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// Entries of the gateways' lists, and payments of ours, that were compared.
    pub looked: u64,
    /// Of them, those that did not agree, or that only one side had: these were looked up.
    pub differed: u64,
    /// Gateways whose pass came to its end; the others go on at the next tick.
    pub through: u64,
    /// Gateways whose list failed; they are retried later.
    pub failed: u64,
}

impl Reconciled {
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            looked: self.looked + other.looked,
            differed: self.differed + other.differed,
            through: self.through + other.through,
            failed: self.failed + other.failed,
        }
    }
}
