//! T2 alone: confirms a second, all of them of holds on one SKU.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use super::place::Place;
use crate::percentile::Percentiles;

/// Far more than this machine confirms in a second.
const HOLDS_PER_S: f64 = 8_000.0;

#[derive(Clone, Serialize)]
pub struct Confirms {
    pub clients: usize,
    pub commit_ms: u64,
    pub confirms_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

struct Hold {
    id: Uuid,
    user: String,
    amount: i64,
    currency: String,
}

/// Fills the sale `drop` with holds and has `clients` pay for them for so long, or until all are paid.
///
/// # Errors
/// A payment is not confirmed.
pub async fn run(place: &Place, clients: usize, commit_ms: u64, seconds: f64) -> anyhow::Result<Confirms> {
    let holds = Arc::new(fill(place, (HOLDS_PER_S * seconds) as i64).await?);
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(place.as_role("confirm").await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(seconds);
    let mut paying = JoinSet::new();
    for client in connections {
        let (holds, next) = (Arc::clone(&holds), Arc::clone(&next));
        paying.spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < until {
                let Some(hold) = holds.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let began = Instant::now();
                confirm(&client, hold).await?;
                took.push(began.elapsed());
            }
            Ok::<_, anyhow::Error>(took)
        });
    }
    let mut took = Vec::new();
    while let Some(client) = paying.join_next().await {
        took.extend(client??);
    }
    let confirms_per_s = took.len() as f64 / began.elapsed().as_secs_f64();
    let Percentiles { p50_ms, p99_ms, .. } = Percentiles::of_durations(&took);
    Ok(Confirms { clients, commit_ms, confirms_per_s, p50_ms, p99_ms })
}

async fn fill(place: &Place, count: i64) -> anyhow::Result<Vec<Hold>> {
    place.owner.batch_execute(&format!("call bench.fill('drop', {count}, 'HOLD', '0', '1 hour')")).await?;
    let sql = "select hold_id, user_id, total_amount, currency from holdfast.reservation_hold
               where sale_id = 'drop' and status = 'HOLD' and expire_at > clock_timestamp() + interval '30 minutes'
               order by hold_id desc limit $1";
    let rows = place.owner.query(sql, &[&count]).await?;
    let hold =
        |row: &tokio_postgres::Row| Hold { id: row.get(0), user: row.get(1), amount: row.get(2), currency: row.get(3) };
    Ok(rows.iter().map(hold).collect())
}

/// As functions/src/bin/confirm.rs calls it.
async fn confirm(client: &Client, hold: &Hold) -> anyhow::Result<()> {
    let hold_ref = hold.id.to_string();
    let payment_id = format!("pay_{hold_ref}");
    let rows = client
        .query_typed(
            "select holdfast.confirm($1, $2, $3, $4, $5, $6, $7)",
            &[
                (&"standard", Type::TEXT),
                (&payment_id, Type::TEXT),
                (&hold_ref, Type::TEXT),
                (&hold.id, Type::UUID),
                (&hold.user, Type::TEXT),
                (&hold.amount, Type::INT8),
                (&hold.currency, Type::TEXT),
            ],
        )
        .await?;
    let Json(answer) = rows.first().context("T2 answered nothing")?.try_get::<_, Json<Value>>(0)?;
    ensure!(answer["result"] == "confirmed", "T2 answered {answer}");
    Ok(())
}
