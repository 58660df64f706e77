//! Audit: the scheduler's tick in, what did not agree out.

use serde::{Deserialize, Serialize};

pub use crate::expire::Tick;

/// The parts that are gone through, each by its own cursor.
pub const PARTS: [&str; 4] = ["sales", "holds", "payments", "events"];

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// Pieces looked at.
    pub pieces: u64,
    /// Findings seen, those that were known included.
    pub found: u64,
    /// Those that are new, each told as an event.
    pub told: u64,
    /// Parts that were gone through to their end; the others go on at the next tick.
    pub through: u64,
}

/// What the database says of one piece that was written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    pub found: u64,
    pub told: u64,
    pub through: bool,
}
