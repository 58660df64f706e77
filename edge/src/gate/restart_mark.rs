//! Persists the times of the last in-flight call and of the last lease, so that a restarted Gate knows when its
//! predecessor's calls must have ended, of which one may still grant something to its users, and whether to wait for the end
//! of its predecessor's leases.

use worker::{SqlStorage, SqlStorageValue};

use crate::gate::core::restart::{leased_ms, settled_ms};
use crate::runtime::limits::{GATE_MARK_MS, GATE_SETTLE_MS, SOLD_OUT_KEEP_MS};

/// The rows of the table.
const CALL: f64 = 1.0;
const LEASE: f64 = 2.0;

pub struct RestartMark {
    storage: SqlStorage,
    call_ms: u64,
    lease_ms: u64,
}

impl RestartMark {
    /// Opens the marks. Also returns the time from which on no call of a predecessor can still be running, and that at which
    /// none of its leases lasts.
    pub fn begin(storage: SqlStorage, now_ms: u64) -> (Self, u64, u64) {
        let last = last_marks(&storage);
        let (settled_ms, leased_ms) = match last {
            Ok((call, lease)) => (settled_ms(call, now_ms), leased_ms(lease, now_ms)),
            Err(error) => {
                worker::console_error!("{}", serde_json::json!({"restart_mark": "unread", "error": error.to_string()}));
                (now_ms.saturating_add(GATE_SETTLE_MS), now_ms.saturating_add(SOLD_OUT_KEEP_MS))
            }
        };
        (Self { storage, call_ms: 0, lease_ms: 0 }, settled_ms, leased_ms)
    }

    /// Called before a batch is sent. The write is on disk when the call leaves, because a Durable Object's output
    /// waits for its writes.
    pub fn mark(&mut self, now_ms: u64) {
        if now_ms.abs_diff(self.call_ms) >= GATE_MARK_MS {
            self.call_ms = now_ms;
            // Serving the waiting buyers comes first. If this Gate restarts now, its successor waits too short.
            self.write(CALL, now_ms);
        }
    }

    /// Called before a lease is given; whether it may be.
    pub fn lease(&mut self, now_ms: u64) -> bool {
        if now_ms.abs_diff(self.lease_ms) < GATE_MARK_MS {
            return true;
        }
        let written = self.write(LEASE, now_ms);
        if written {
            self.lease_ms = now_ms;
        }
        written
    }

    fn write(&self, row: f64, now_ms: u64) -> bool {
        // JavaScript's numbers hold whole numbers exactly up to 2^53.
        let written = self.storage.exec(
            "insert into restart_mark (only_row, sent_ms) values (?, ?) on conflict do update set sent_ms = excluded.sent_ms",
            vec![row.into(), (now_ms as f64).into()],
        );
        if let Err(error) = &written {
            worker::console_error!("{}", serde_json::json!({"restart_mark": "unwritten", "error": error.to_string()}));
        }
        written.is_ok()
    }
}

fn last_marks(storage: &SqlStorage) -> worker::Result<(Option<u64>, Option<u64>)> {
    storage
        .exec("create table if not exists restart_mark (only_row integer primary key, sent_ms real not null)", None)?;
    Ok((last_mark(storage, CALL)?, last_mark(storage, LEASE)?))
}

fn last_mark(storage: &SqlStorage, row: f64) -> worker::Result<Option<u64>> {
    let rows = storage.exec("select sent_ms from restart_mark where only_row = ?", vec![row.into()])?;
    let row = rows.raw().next().transpose()?;
    Ok(row.and_then(|row| match row.first() {
        Some(SqlStorageValue::Float(sent_ms)) => Some(*sent_ms as u64),
        Some(SqlStorageValue::Integer(sent_ms)) => u64::try_from(*sent_ms).ok(),
        _ => None,
    }))
}
