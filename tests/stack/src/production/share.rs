//! A function's share of a processor: Lambda gives it by memory, 1 769 MB for a whole one, in periods of 20 ms. An instance that
//! has used its share is stopped until the next period.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::children::Children;
use crate::{functions, leftovers};

const PERIOD: Duration = Duration::from_millis(20);
/// Memory that brings a whole processor (docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
const WHOLE_MB: u64 = 1_769;
/// What an instance may save up while it waits for work, in periods: the kernel of Lambda lets it run for a few at once.
const SAVED_MAX: i64 = 5;

/// Stops and continues instances until it is dropped.
pub struct Shares(JoinHandle<()>);

impl Drop for Shares {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Shares {
    /// When it returns, no instance is stopped.
    pub async fn end(mut self) {
        self.0.abort();
        // Aborted is what it is meant to be.
        let _ = (&mut self.0).await;
    }

    /// Nothing is done where the system does not say what a process has used: that is all but Linux.
    #[must_use]
    pub fn start(children: Children) -> Self {
        Self(tokio::spawn(async move {
            let mut instances = Instances::default();
            let mut period = tokio::time::interval(PERIOD);
            period.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut last = tokio::time::Instant::now();
            loop {
                let now = period.tick().await;
                instances.settle(&children, now.duration_since(last));
                last = now;
            }
        }))
    }
}

#[derive(Default)]
struct Instances(BTreeMap<u32, Instance>);

struct Instance {
    account: Account,
    /// Nanoseconds on a processor since it started.
    used_ns: i64,
    stopped: bool,
}

/// Whoever is stopped when this ends would never take a signal to end.
impl Drop for Instances {
    fn drop(&mut self) {
        for (pid, instance) in &self.0 {
            if instance.stopped {
                leftovers::signal(*pid, Signal::CONT);
            }
        }
    }
}

impl Instances {
    fn settle(&mut self, children: &Children, passed: Duration) {
        let pids = children.pids();
        let living = functions::INSTANCES.iter().flat_map(|(name, _)| {
            let memory_mb = deployment::function(name).map_or(WHOLE_MB, |function| function.memory_mb);
            pids.get(*name).into_iter().flatten().map(move |pid| (*pid, memory_mb))
        });
        let living: BTreeMap<u32, u64> = living.collect();
        self.0.retain(|pid, _| living.contains_key(pid));
        for (pid, memory_mb) in living {
            let Some(used_ns) = used_ns(pid) else { continue };
            let instance =
                self.0.entry(pid).or_insert(Instance { account: Account::new(memory_mb), used_ns, stopped: false });
            let stop = instance.account.spend(passed, used_ns - instance.used_ns);
            instance.used_ns = used_ns;
            if stop != instance.stopped {
                instance.stopped = stop;
                leftovers::signal(pid, if stop { Signal::STOP } else { Signal::CONT });
            }
        }
    }
}

/// What an instance may still use, in nanoseconds; below zero it stands still.
struct Account {
    left_ns: i64,
    period_ns: i64,
    memory_mb: i64,
}

impl Account {
    fn new(memory_mb: u64) -> Self {
        let memory_mb = i64::try_from(memory_mb.min(WHOLE_MB)).unwrap_or(i64::MAX);
        let period_ns = share(memory_mb, PERIOD);
        Self { left_ns: period_ns * SAVED_MAX, period_ns, memory_mb }
    }

    /// Whether it has to stand still.
    fn spend(&mut self, passed: Duration, used_ns: i64) -> bool {
        let earned = share(self.memory_mb, passed);
        self.left_ns = (self.left_ns + earned).min(self.period_ns * SAVED_MAX) - used_ns;
        self.left_ns < 0
    }
}

fn share(memory_mb: i64, of: Duration) -> i64 {
    let whole = i64::try_from(WHOLE_MB).unwrap_or(i64::MAX);
    i64::try_from(of.as_nanos()).unwrap_or(i64::MAX) / whole * memory_mb
}

/// All its threads together.
fn used_ns(pid: u32) -> Option<i64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let used = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<i64>().ok()
    });
    Some(used.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loop that never rests, in periods: it runs in those in which it is not stopped.
    fn share_of(memory_mb: u64) -> f64 {
        let (mut account, mut ran, mut stopped) = (Account::new(memory_mb), 0, false);
        for _ in 0..10_000 {
            let used = if stopped { 0 } else { i64::try_from(PERIOD.as_nanos()).unwrap() };
            ran += i32::from(!stopped);
            stopped = account.spend(PERIOD, used);
        }
        f64::from(ran) / 10_000.0
    }

    #[test]
    fn a_function_that_never_rests_gets_its_share() {
        for (memory_mb, share) in [(1_769, 1.0), (4_000, 1.0), (884, 0.5), (256, 0.145), (128, 0.072)] {
            assert!((share_of(memory_mb) - share).abs() < 0.005, "{memory_mb} MB: {}", share_of(memory_mb));
        }
    }

    #[test]
    fn an_idle_function_saves_up_a_few_periods_and_no_more() {
        let mut account = Account::new(256);
        for _ in 0..1_000 {
            assert!(!account.spend(PERIOD, 0));
        }
        assert_eq!(account.left_ns, account.period_ns * SAVED_MAX);
        assert!(account.spend(Duration::ZERO, account.left_ns + 1));
    }
}
