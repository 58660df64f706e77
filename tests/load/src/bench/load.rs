//! Many clients at once, each sending its next call when its last is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::ask::Crowd;
use super::call::{Answered, Caller};
use super::variant::Variant;
use crate::percentile::Percentiles;

/// Before the clock starts: plans are made, pages are cached, all clients wait for each other.
const WARM_UP: Duration = Duration::from_millis(300);

/// What was answered while the clock ran.
#[derive(Clone, Copy, Default)]
pub struct Measured {
    /// Reservations granted a second.
    pub per_s: f64,
    /// Of a call, not of a reservation.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub answered: Answered,
}

/// Runs `variant` for so long.
///
/// # Errors
/// A call fails in a way that no load explains.
pub async fn run(
    variant: &'static Variant,
    callers: &[Arc<Caller>],
    crowd: &Arc<Crowd>,
    seconds: f64,
) -> anyhow::Result<Measured> {
    let from = Instant::now() + WARM_UP;
    let to = from + Duration::from_secs_f64(seconds);
    let mut clients = JoinSet::new();
    for caller in callers {
        let (caller, crowd) = (Arc::clone(caller), Arc::clone(crowd));
        clients.spawn(async move {
            let (mut sum, mut took) = (Answered::default(), Vec::new());
            loop {
                let asks = crowd.asks(variant.batch());
                let began = Instant::now();
                let answered = caller.call(variant, &asks).await?;
                let ended = Instant::now();
                if ended >= to {
                    return Ok::<_, anyhow::Error>((sum, took));
                }
                if ended >= from {
                    sum.add(answered);
                    took.push(ended - began);
                }
            }
        });
    }
    let (mut sum, mut took) = (Answered::default(), Vec::new());
    while let Some(client) = clients.join_next().await {
        let (answered, calls) = client??;
        sum.add(answered);
        took.extend(calls);
    }
    let Percentiles { p50_ms, p99_ms, .. } = Percentiles::of_durations(&took);
    Ok(Measured { per_s: sum.granted as f64 / seconds, p50_ms, p99_ms, answered: sum })
}

impl Answered {
    pub fn add(&mut self, other: Self) {
        self.granted += other.granted;
        self.refused += other.refused;
        self.failed += other.failed;
    }
}

/// The middle of what several rounds measured.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}
