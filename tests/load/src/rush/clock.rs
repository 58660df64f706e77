//! The rush's time: microseconds since the opening, and what that is by the clock on the wall.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub opening: Instant,
    /// Unix time of the opening: what the database's times are compared with.
    pub opening_unix_us: i64,
}

impl Clock {
    /// Opens `after` this moment.
    pub fn opens_in(after: Duration) -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + after;
        Self { opening: Instant::now() + after, opening_unix_us: i64::try_from(unix.as_micros()).unwrap_or(i64::MAX) }
    }

    /// Zero before the opening.
    pub fn now_us(&self) -> u64 {
        us(Instant::now().saturating_duration_since(self.opening))
    }
}

pub fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
