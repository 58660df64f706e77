//! Persists the time of the last in-flight call, so that a restarted Gate knows when its predecessor's calls must have
//! ended: until then one of them may still grant something to its users.

use worker::{SqlStorage, SqlStorageValue};

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
            "insert into life (only_row, flew_ms) values (1, ?) on conflict do update set flew_ms = excluded.flew_ms",
            vec![(now_ms as f64).into()],
        );
        if let Err(error) = written {
            // Serving the waiting buyers comes first. If this Gate restarts now, its successor waits too short.
            worker::console_error!("{}", serde_json::json!({"restart_mark": "unwritten", "error": error.to_string()}));
        }
    }
}

fn last_mark(storage: &SqlStorage) -> worker::Result<Option<u64>> {
    storage.exec("create table if not exists life (only_row integer primary key, flew_ms real not null)", None)?;
    let rows = storage.exec("select flew_ms from life", None)?;
    let row = rows.raw().next().transpose()?;
    Ok(row.and_then(|row| match row.first() {
        Some(SqlStorageValue::Float(flew_ms)) => Some(*flew_ms as u64),
        Some(SqlStorageValue::Integer(flew_ms)) => u64::try_from(*flew_ms).ok(),
        _ => None,
    }))
}

/// No mark: there was no call. There may have been calls after the mark, up to the time of the next one.
fn settled_ms(mark: Option<u64>, now_ms: u64) -> u64 {
    mark.map_or(0, |flew_ms| flew_ms.min(now_ms).saturating_add(GATE_MARK_MS).saturating_add(GATE_SETTLE_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_waits_for_what_the_one_before_may_have_begun_and_for_nothing_else() {
        const NOW_MS: u64 = 1_800_000_000_000;
        let settled = |mark| settled_ms(mark, NOW_MS);
        assert_eq!(settled(None), 0);
        assert_eq!(settled(Some(NOW_MS)), NOW_MS + GATE_MARK_MS + GATE_SETTLE_MS);
        assert!(settled(Some(NOW_MS - GATE_MARK_MS - GATE_SETTLE_MS)) <= NOW_MS);
        // A clock that was ahead then.
        assert_eq!(settled(Some(NOW_MS * 2)), settled(Some(NOW_MS)));
    }
}
