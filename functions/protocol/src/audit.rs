//! Audit: the scheduler's tick in, the numbers of findings out.

use serde::{Deserialize, Serialize};

pub use crate::expire::Tick;

/// The parts of an audit, each with its own cursor.
pub const PARTS: [&str; 6] = ["sales", "holds", "payments", "events", "reconciliation", "rankings"];

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// Pieces that were checked.
    pub pieces: u64,
    /// Findings, known ones included.
    pub found: u64,
    /// New findings, each sent as an event.
    pub new: u64,
    /// Parts that were finished; the others continue at the next tick.
    pub through: u64,
}

/// The database's result for one piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    pub found: u64,
    #[serde(rename = "told")]
    pub new: u64,
    pub through: bool,
}
