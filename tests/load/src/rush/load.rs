//! The load: every buyer begins at the appointed moment, on one thread that does nothing else. No buyer waits for
//! another's response.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::nice;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::arrivals::Buyer;
use super::buyer::{Who, World, come};

/// Before everything else that wants the processor.
const AHEAD: i32 = -10;

/// Starts the load; what it answers comes when the last buyer has gone home: the processor time it took.
pub fn drive(world: Arc<World>, people: Vec<(Buyer, Who)>) -> anyhow::Result<oneshot::Receiver<Duration>> {
    let (over, driven) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("load".to_owned());
    let load = move || {
        // Buyers have processors of their own. Where the system does not allow it, what was not sent in time will say.
        let _ = nice(AHEAD);
        let before = cpu_time();
        runtime.block_on(all(&world, people));
        // The receiver is gone when the rush was given up.
        let _ = over.send(cpu_time().saturating_sub(before));
    };
    thread.spawn(load).context("cannot start the load's thread")?;
    Ok(driven)
}

async fn all(world: &Arc<World>, people: Vec<(Buyer, Who)>) {
    let mut crowd = JoinSet::new();
    for (buyer, who) in people {
        tokio::time::sleep_until(world.clock.opening + buyer.at).await;
        crowd.spawn(come(world.clone(), buyer, who));
    }
    while crowd.join_next().await.is_some() {}
}

/// Of this thread, as Linux counts it in nanoseconds; zero where it does not say.
fn cpu_time() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(counted.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or_default())
}
