//! T3 alone: unpaid holds past their end, swept as the function sweeps them.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use functions::runtime::limits::SWEEP_BATCH;
use serde::Serialize;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::place::Place;
use crate::percentile::Percentiles;

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
    let scheduler = place.as_role("expire").await?;
    // What others have left to lapse is not measured.
    while sweep(&scheduler).await? > 0 {}
    place.owner.batch_execute(&format!("call bench.fill('drop', {holds}, 'HOLD', '10 min', '5 min')")).await?;
    let (mut swept, mut took, began) = (0, Vec::new(), Instant::now());
    loop {
        let called = Instant::now();
        let ended = sweep(&scheduler).await?;
        if ended == 0 {
            break;
        }
        swept += ended;
        took.push(called.elapsed());
    }
    let holds_per_s = swept as f64 / began.elapsed().as_secs_f64();
    ensure!(swept == holds, "T3 ended {swept} of {holds} holds");
    let Percentiles { p50_ms, p99_ms, .. } = Percentiles::of_durations(&took);
    Ok(Swept { holds, skus, holds_per_s, p50_ms, p99_ms })
}

/// One transaction of the sweep, as functions/src/bin/expire.rs calls it: how many holds it ended.
async fn sweep(scheduler: &Client) -> anyhow::Result<i64> {
    let rows = scheduler.query_typed("select holdfast.expire($1)", &[(&SWEEP_BATCH, Type::INT4)]).await?;
    let ended: i32 = rows.first().context("T3 answered nothing")?.try_get(0)?;
    Ok(i64::from(ended))
}
