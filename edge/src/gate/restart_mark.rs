//! Persists the time of the last in-flight call, so that a restarted Gate knows when its predecessor's calls must have
//! ended: until then one of them may still grant something to its users.

use worker::{SqlStorage, SqlStorageValue};

use crate::gate::core::restart::settled_ms;
use crate::runtime::limits::{GATE_MARK_MS, GATE_SETTLE_MS};

pub struct RestartMark {
    storage: SqlStorage,
    marked_ms: u64,
}

impl RestartMark {
    /// Opens the mark. Also returns the time from which on no call of a predecessor can still be running.
    pub fn begin(storage: SqlStorage, now_ms: u64) -> (Self, u64) {
        let settled_ms = match last_mark(&storage) {
            Ok(mark) => settled_ms(mark, now_ms),
            Err(error) => {
                worker::console_error!("{}", serde_json::json!({"restart_mark": "unread", "error": error.to_string()}));
                now_ms.saturating_add(GATE_SETTLE_MS)
            }
        };
        (Self { storage, marked_ms: 0 }, settled_ms)
    }

    /// Called before a batch is sent. The write is on disk when the call leaves, because a Durable Object's output
    /// waits for its writes.
    pub fn mark(&mut self, now_ms: u64) {
        if now_ms.abs_diff(self.marked_ms) < GATE_MARK_MS {
            return;
        }
        self.marked_ms = now_ms;
        // JavaScript's numbers hold whole numbers exactly up to 2^53.
        let written = self.storage.exec(
            "insert into restart_mark (only_row, sent_ms) values (1, ?) on conflict do update set sent_ms = excluded.sent_ms",
            vec![(now_ms as f64).into()],
        );
        if let Err(error) = written {
            // Serving the waiting buyers comes first. If this Gate restarts now, its successor waits too short.
            worker::console_error!("{}", serde_json::json!({"restart_mark": "unwritten", "error": error.to_string()}));
        }
    }
}

fn last_mark(storage: &SqlStorage) -> worker::Result<Option<u64>> {
    storage
        .exec("create table if not exists restart_mark (only_row integer primary key, sent_ms real not null)", None)?;
    let rows = storage.exec("select sent_ms from restart_mark", None)?;
    let row = rows.raw().next().transpose()?;
    Ok(row.and_then(|row| match row.first() {
        Some(SqlStorageValue::Float(sent_ms)) => Some(*sent_ms as u64),
        Some(SqlStorageValue::Integer(sent_ms)) => u64::try_from(*sent_ms).ok(),
        _ => None,
    }))
}
