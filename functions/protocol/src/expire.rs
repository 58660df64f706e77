//! T3, expire: the scheduler's tick in, how many holds ended out.

use serde::{Deserialize, Serialize};

/// The `Input` that EventBridge Scheduler is configured to send; every field is for the log only.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tick {
    pub job: String,
    pub scheduled_time: String,
    pub execution_id: String,
    pub attempt: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Holds that became `EXPIRED`.
    pub expired: u64,
    /// Transactions it took, the empty one at the end included.
    pub transactions: u64,
}
