//! T3 alone: holds that nobody paid in time, swept as the function sweeps them.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use functions::bounds::SWEEP_BATCH;
use serde::Serialize;
use tokio_postgres::types::Type;

use super::load::percentile_ms;
use super::place::Place;

#[derive(Clone, Serialize)]
pub struct Swept {
    pub holds: i64,
    pub skus: u64,
    pub holds_per_s: f64,
    /// Of a transaction, which ends a thousand.
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// Fills the sale `drop` with lapsed holds and sweeps them on one connection until none is left.
///
/// # Errors
/// The sweep fails, or ends another number of holds.
pub async fn run(place: &Place, holds: i64, skus: u64) -> anyhow::Result<Swept> {
    place.owner.batch_execute(&format!("call bench.fill('drop', {holds}, 'HOLD', '10 min', '5 min')")).await?;
    let scheduler = place.as_role("expire").await?;
    let (mut swept, mut took, began) = (0, Vec::new(), Instant::now());
    loop {
        let called = Instant::now();
        let rows = scheduler.query_typed("select holdfast.expire($1)", &[(&SWEEP_BATCH, Type::INT4)]).await?;
        let ended: i32 = rows.first().context("T3 answered nothing")?.try_get(0)?;
        if ended == 0 {
            break;
        }
        swept += i64::from(ended);
        took.push(called.elapsed());
    }
    let holds_per_s = swept as f64 / began.elapsed().as_secs_f64();
    ensure!(swept == holds, "T3 ended {swept} of {holds} holds");
    took.sort_unstable();
    let (p50_ms, p99_ms) = (percentile_ms(&took, 0.50), percentile_ms(&took, 0.99));
    Ok(Swept { holds, skus, holds_per_s, p50_ms, p99_ms })
}
