//! `audit` (schema/routines/audit.sql) on the scheduler's tick: a piece of each part in turn, until all of them are through or
//! `AUDIT_FOR_S` is over. The next tick goes on where this one stopped.

use std::time::{Duration, Instant};

use functions::runtime::database::{Database, InfraError};
use functions::runtime::limits::{AUDIT_FOR_S, AUDIT_PIECE, EVENTS_KEEP_H};
use functions::runtime::{config, handler};
use lambda_runtime::Error;
use protocol::audit::{Audited, PARTS, Tick, Written};
use serde_json::Value;
use tokio_postgres::types::{Json, Type};
use tracing::{info, warn};

/// How an instance is set.
struct Settings {
    window: Duration,
    keep: Duration,
}

/// Looks, and writes down what it saw: two transactions, the first of which changes nothing and locks nothing.
async fn piece(database: &Database, part: &str, keep: Duration) -> Result<Written, InfraError> {
    let keep_s = keep.as_secs_f64();
    let params = [(&part as _, Type::TEXT), (&AUDIT_PIECE as _, Type::INT4), (&keep_s as _, Type::FLOAT8)];
    let seen: Option<Value> = database.json("select holdfast.audit_look($1, $2, $3)", &params).await?;
    let seen = seen.ok_or_else(|| InfraError::misuse("the audit saw nothing"))?;
    if seen["found"].is_null() {
        // Routines of a release that does not know this part.
        return Ok(Written { found: 0, new: 0, through: true });
    }
    let written = database.json("select holdfast.audit_write($1)", &[(&Json(&seen), Type::JSON)]).await?;
    written.ok_or_else(|| InfraError::misuse("the audit wrote nothing"))
}

async fn audit(database: &Database, settings: &Settings) -> Result<Audited, InfraError> {
    let began = Instant::now();
    let mut audited = Audited::default();
    let mut parts = PARTS.to_vec();
    while !parts.is_empty() {
        for part in std::mem::take(&mut parts) {
            let looked = Instant::now();
            let written = piece(database, part, settings.keep).await?;
            audited.pieces += 1;
            audited.found += written.found;
            audited.new += written.new;
            if written.through {
                audited.through += 1;
            } else {
                parts.push(part);
            }
            if began.elapsed() >= settings.window {
                return Ok(audited);
            }
            // The pause is as long as the work, so that half of the time is left to a running sale.
            tokio::time::sleep(looked.elapsed()).await;
        }
    }
    Ok(audited)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let database = &Database::from_env()?;
    let settings = &Settings {
        window: config::seconds("AUDIT_FOR_S", AUDIT_FOR_S)?,
        keep: config::hours("EVENTS_KEEP_H", EVENTS_KEEP_H)?,
    };
    handler::serve(async |tick: Tick| {
        let began = Instant::now();
        let audited = audit(database, settings).await?;
        let Audited { pieces, found, new, through } = audited;
        let (request_id, ms) = (tick.execution_id, began.elapsed().as_millis() as u64);
        if found > 0 {
            warn!(verb = "audit", pieces, found, new, through, request_id, ms);
        } else {
            info!(verb = "audit", pieces, found, new, through, request_id, ms);
        }
        Ok(audited)
    })
    .await
}
