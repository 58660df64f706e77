//! How long a buyer waits for a batch: arrivals at their own times, whether or not a call is free, batched as a Gate
//! batches them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::ask::Crowd;
use super::load;
use super::place::Place;
use super::t1::PLENTY;
use super::variant;
use crate::percentile::Percentiles;

/// Calls in flight at once: of one Gate that may have one, of one and of two Gates that may have two each (edge/src/runtime/limits.rs).
pub const CALLS_IN_FLIGHT: [usize; 3] = [1, 2, 4];
const BATCH: usize = 100;
/// Between two checks for arrivals. A runtime's timer knows no less than a millisecond, longer than a small batch takes.
const TICK: Duration = Duration::from_micros(100);

#[derive(Clone, Serialize)]
pub struct Waiting {
    pub commit_ms: u64,
    pub in_flight: usize,
    pub maximum_per_s: f64,
    pub arrivals_per_s: f64,
    /// From a buyer's arrival to the answer, in a batch.
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Of one call alone.
    pub alone_p50_ms: f64,
}

#[derive(Default)]
struct Gate {
    waiting: Mutex<VecDeque<Instant>>,
    came: Notify,
    /// There are no more arrivals.
    closed: AtomicBool,
}

/// Measures how many batches can do, then sends half as many.
///
/// # Errors
/// A call fails.
pub async fn run(place: &Place, commit_ms: u64, in_flight: usize, seconds: f64) -> anyhow::Result<Waiting> {
    let crowd = || Arc::new(Crowd::new(1));
    place.begin_cell(1, PLENTY, 0).await?;
    let one = variant::named("one-call")?;
    let alone = load::run(one, &place.callers(one, 1).await?, &crowd(), seconds).await?;
    place.begin_cell(1, PLENTY, 0).await?;
    let batches = variant::named("batch-100-early")?;
    let maximum = load::run(batches, &place.callers(batches, in_flight).await?, &crowd(), seconds).await?;
    place.begin_cell(1, PLENTY, 0).await?;
    let took = open_loop(place, in_flight, maximum.per_s / 2.0, seconds).await?;
    let Percentiles { p50_ms, p99_ms, .. } = Percentiles::of_durations(&took);
    Ok(Waiting {
        commit_ms,
        in_flight,
        maximum_per_s: maximum.per_s,
        arrivals_per_s: maximum.per_s / 2.0,
        p50_ms,
        p99_ms,
        alone_p50_ms: alone.p50_ms,
    })
}

/// What waits leaves together when a call comes back; a lone buyer leaves at once.
async fn open_loop(place: &Place, calls: usize, per_s: f64, seconds: f64) -> anyhow::Result<Vec<Duration>> {
    let variant = variant::named("batch-100-early")?;
    let (gate, crowd) = (Arc::new(Gate::default()), Arc::new(Crowd::new(1)));
    let mut in_flight = JoinSet::new();
    for caller in place.callers(variant, calls).await? {
        let (gate, crowd) = (Arc::clone(&gate), Arc::clone(&crowd));
        in_flight.spawn(async move {
            let mut took = Vec::new();
            loop {
                // Registered before the check, or an arrival in between would not wake it.
                let came = gate.came.notified();
                let (closed, batch) = (gate.closed.load(Ordering::Acquire), gate.next_batch());
                if batch.is_empty() {
                    if closed {
                        return anyhow::Ok(took);
                    }
                    came.await;
                    continue;
                }
                caller.call(variant, &crowd.asks(batch.len())).await?;
                took.extend(batch.iter().map(Instant::elapsed));
            }
        });
    }

    let crowd = thread::spawn(move || gate.let_in(per_s, seconds));
    let mut took = Vec::new();
    while let Some(call) = in_flight.join_next().await {
        took.extend(call??);
    }
    crowd.join().map_err(|_| anyhow::anyhow!("there were no more arrivals"))?;
    Ok(took)
}

impl Gate {
    fn next_batch(&self) -> Vec<Instant> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let many = waiting.len().min(BATCH);
        waiting.drain(..many).collect()
    }

    /// So many a second for so long, one after the other.
    fn let_in(&self, per_s: f64, seconds: f64) {
        let (mut sent, total, began) = (0, (per_s * seconds) as u64, Instant::now());
        while sent < total {
            thread::sleep(TICK);
            // They count from when they were to come, not from when this loop got round to them.
            let due = ((began.elapsed().as_secs_f64() * per_s) as u64).min(total);
            let when = |n: u64| began + Duration::from_secs_f64(n as f64 / per_s);
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend((sent..due).map(when));
            sent = due;
            self.closed.store(sent == total, Ordering::Release);
            self.came.notify_waiters();
        }
    }
}
