//! Relay: the scheduler's tick in (the same as `expire`'s), what was sent out.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relayed {
    /// Events whose deliveries were written.
    pub fanned_out: u64,
    /// Deliveries a receiver took.
    pub delivered: u64,
    /// Attempts that failed and will be made again.
    pub failed: u64,
    /// Deliveries given up after their last attempt.
    pub dead: u64,
    /// Events and keys removed after their retention.
    pub removed: u64,
}
