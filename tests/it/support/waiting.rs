//! Whether a session waits for a lock: the condition of a forced race.

use std::time::{Duration, Instant};

use crate::database::Database;

/// Returns once `waiters` backends of this database wait for a lock: the condition a forced race stands on.
pub async fn until_waiting(database: &Database, waiters: i64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while database.owner.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < waiters {
        assert!(Instant::now() < deadline, "no session waits: the race was not forced");
        tokio::task::yield_now().await;
    }
}
