//! What is broken while the load goes on: drawn from the seed, many kinds at once. `crash` kills processes, `network`
//! plays with the ways between the parts, `machine` with disk, clock and pooler, `deploy` brings what is new.

mod crash;
pub mod deploy;
pub mod emulator;
mod machine;
mod network;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::Client;

use deploy::Deployed;
use stack::children::Children;
use stack::database;
use stack::detours::Detours;

/// Between two crashes on average: more than 300 in half an hour, without calm times and faults that hit nothing.
const CRASH_EVERY: Duration = Duration::from_millis(4_000);
/// Between two of everything else.
const ELSE_EVERY: Duration = Duration::from_millis(2_500);

/// What a fault needs to do its work.
pub struct Hands {
    pub detours: Detours,
    pub children: Children,
    pub database_url: String,
    pub lambda_url: String,
    pub functions_password: String,
    /// The file that says by how many seconds the clocks of functions and Worker are off.
    pub clock_file: PathBuf,
    pub counts: Counts,
    pub deployed: Deployed,
    /// Those that run now.
    pub schedulers: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.schedulers_now(0);
    }
}

/// Faults by kind; clones count together.
#[derive(Clone, Default)]
pub struct Counts(Arc<Mutex<Counted>>);

#[derive(Clone, Debug, Default)]
pub struct Counted {
    pub by_kind: BTreeMap<String, u64>,
    /// Processes that were ended by SIGKILL, or ended themselves for want of a disk.
    pub crashes: u64,
    /// What goes on now.
    pub now: Vec<String>,
}

impl Counts {
    pub fn all(&self) -> Counted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn count(&self, kind: &str) {
        self.count_all(kind, 1);
    }

    pub fn count_all(&self, kind: &str, times: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).by_kind.entry(kind.to_owned()).or_default() += times;
    }

    fn crashed(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).crashes += 1;
    }

    fn begins(&self, what: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now.push(what.to_owned());
    }

    fn ends(&self, what: &str) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = counted.now.iter().position(|now| now == what) {
            counted.now.remove(place);
        }
    }
}

/// Every kind, how likely it is among its own, and what it does. Crashes come at a pace of their own.
const CRASHES: [(&str, u32); 10] = [
    ("Postgres killed", 10),
    ("a backend killed", 8),
    ("the Worker killed", 10),
    ("the pooler killed", 6),
    ("reserve killed", 26),
    ("confirm killed", 14),
    ("release killed", 10),
    ("expire killed", 8),
    ("lookup or admin killed", 8),
    ("refund, relay or audit killed", 8),
];
const OTHERS: [(&str, u32); 18] = [
    ("a backend terminated", 6),
    ("database: connections cut", 6),
    ("database: stalled", 5),
    ("database: slow", 5),
    ("database: answers to COMMIT lost", 12),
    ("functions: connections cut", 5),
    ("functions: stalled", 4),
    ("functions: slow", 4),
    ("functions: answers lost", 8),
    ("browser: connections cut", 5),
    ("browser: answers lost", 8),
    ("players: connections cut", 12),
    ("two schedulers", 4),
    ("no scheduler", 4),
    ("clocks ten minutes off", 4),
    ("the log's disk full", 3),
    ("the pooler out of connections", 5),
    ("a deployment", 4),
];

/// Breaks things until it is dropped; `heal` has to follow.
pub async fn storm(hands: Arc<Hands>, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut under_way = JoinSet::new();
    let (mut crash_in, mut else_in) = (pause(&mut rng, CRASH_EVERY), pause(&mut rng, ELSE_EVERY));
    loop {
        let next = crash_in.min(else_in);
        tokio::time::sleep(next).await;
        (crash_in, else_in) = (crash_in - next, else_in - next);
        let (list, every): (&[(&str, u32)], _) =
            if crash_in.is_zero() { (&CRASHES, &mut crash_in) } else { (&OTHERS, &mut else_in) };
        let mean = if list.len() == CRASHES.len() { CRASH_EVERY } else { ELSE_EVERY };
        *every = pause(&mut rng, mean);
        // Always as many: what is drawn later hangs on the seed alone.
        let (drawn, seed) = (std::array::from_fn::<_, 4, _>(|_| draw(&mut rng, list)), rng.u64(..));
        // A kind is not begun again while it goes on: it would end for both when the first one ends.
        let now = hands.counts.all().now;
        let Some(kind) = drawn.into_iter().find(|kind| now.iter().all(|now| now != kind)) else { continue };
        let hands = hands.clone();
        under_way.spawn(async move {
            hands.counts.begins(kind);
            if hands.strike(kind, Rng::with_seed(seed)).await.unwrap_or(false) {
                hands.counts.count(kind);
            }
            hands.counts.ends(kind);
        });
        while under_way.try_join_next().is_some() {}
    }
}

/// Between a half and one and a half of the mean.
fn pause(rng: &mut Rng, mean: Duration) -> Duration {
    mean.mul_f64(0.5 + rng.f64())
}

fn draw(rng: &mut Rng, list: &[(&'static str, u32)]) -> &'static str {
    let all: u32 = list.iter().map(|(_, weight)| weight).sum();
    let mut drawn = rng.u32(..all);
    for (kind, weight) in list {
        if drawn < *weight {
            return kind;
        }
        drawn -= weight;
    }
    list[0].0
}

impl Hands {
    /// Does it, and says whether it was done: what it was for may not have been there. An error is the fault's own: the
    /// database it wanted to break, say, was broken already.
    async fn strike(&self, kind: &str, mut rng: Rng) -> anyhow::Result<bool> {
        let rng = &mut rng;
        let Detours { shop, lambda, database, .. } = &self.detours;
        match kind {
            "Postgres killed" => Ok(self.kill("postgres")),
            "the Worker killed" => Ok(self.kill("edge")),
            "the pooler killed" => Ok(self.kill("pooler")),
            "a backend killed" => self.kill_backend(rng).await,
            "a backend terminated" => self.terminate_backend(rng).await,
            "lookup or admin killed" => {
                Ok(self.kill_instance(rng.choice(&["lookup", "admin"]).unwrap_or(&"admin"), rng).await)
            }
            "refund, relay or audit killed" => {
                Ok(self.kill_instance(rng.choice(&["refund", "relay", "audit"]).unwrap_or(&"relay"), rng).await)
            }
            "players: connections cut" => Ok(network::cut_players(database, rng).await),
            "two schedulers" => self.schedulers(2, rng).await,
            "no scheduler" => self.schedulers(0, rng).await,
            "clocks ten minutes off" => self.put_clocks_off(rng).await,
            "the log's disk full" => self.fill_disk().await,
            "the pooler out of connections" => self.pause_pooler(rng).await,
            "a deployment" => self.deploy(rng).await,
            _ => match (kind.split_once(": "), kind.split_once(' ')) {
                (Some((way, what)), _) => {
                    let way = if way == "browser" {
                        shop
                    } else if way == "functions" {
                        lambda
                    } else {
                        database
                    };
                    network::disturb(way, what, rng).await;
                    Ok(true)
                }
                (None, Some((function, _))) => Ok(self.kill_instance(function, rng).await),
                (None, None) => Ok(false),
            },
        }
    }

    /// Everything as it should be again, whatever was under way.
    pub async fn heal(&self) -> anyhow::Result<()> {
        for way in [&self.detours.shop, &self.detours.lambda, &self.detours.database] {
            way.clear();
        }
        self.empty_disk()?;
        self.set_clocks(0)?;
        self.schedulers_now(1);
        stack::ready::within(Duration::from_secs(60), "today's version", async || self.deploy_todays().await).await?;
        self.counts.0.lock().unwrap_or_else(PoisonError::into_inner).now.clear();
        // A pooler that is paused and another that was started since are the same to this.
        stack::ready::within(Duration::from_secs(30), "the pooler", async || self.resume_pooler().await).await
    }

    async fn owner(&self) -> anyhow::Result<Client> {
        database::connect(&self.database_url).await
    }
}

#[cfg(test)]
mod tests {
    use super::{CRASHES, OTHERS, draw};
    use fastrand::Rng;

    #[test]
    fn every_kind_is_drawn_and_the_same_seed_draws_the_same() {
        for list in [&CRASHES[..], &OTHERS[..]] {
            let drawn = |seed| {
                let mut rng = Rng::with_seed(seed);
                (0..2_000).map(|_| draw(&mut rng, list)).collect::<Vec<_>>()
            };
            assert!(list.iter().all(|(kind, _)| drawn(1).contains(kind)));
            assert_eq!(drawn(1), drawn(1));
            assert_ne!(drawn(1), drawn(2));
        }
    }
}
