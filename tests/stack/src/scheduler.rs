//! A substitute for EventBridge Scheduler: invokes a function on a fixed beat with the payload that the real one would
//! send.

use std::time::Duration;

use anyhow::{Context as _, bail};
use deployment::function::LocalBeat;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::Options;
use crate::production::ticks;

/// Invocations of one function under way at most: one that is never answered, because its instance was killed, must not hold up the next.
/// Two at once share the work, since each passes by what the other has locked.
const UNDER_WAY_MAX: usize = 2;

/// The sweep. It is not among `beats`, because `cargo dev soak` has several schedulers of it.
pub const SWEEP: &str = deployment::table::EXPIRE.name;

/// Every other function that is invoked on a schedule, and how often here, as the table of the deployment has it. None: only
/// a test invokes it.
#[must_use]
pub fn beats(options: &Options) -> Vec<(&'static str, Option<Duration>)> {
    let beat = |function: &deployment::function::Function| {
        let schedule = function.schedule().filter(|_| function.name != SWEEP)?;
        let every = match schedule.local {
            LocalBeat::Seconds(seconds) => Some(Duration::from_secs(seconds)),
            LocalBeat::Sweep => Some(Duration::from_secs(options.sweep_interval_s)),
            LocalBeat::Wished => options.reconcile_every,
        };
        Some((function.name, every))
    };
    deployment::FUNCTIONS.iter().filter_map(beat).collect()
}

/// As long as Lambda lets the function run.
fn within(function: &str) -> Duration {
    Duration::from_secs(deployment::function(function).map_or(0, |function| function.timeout_s))
}

/// How ticks are delivered.
#[derive(Clone, Copy)]
pub struct How {
    /// Failures are expected, and not reported.
    pub hushed: bool,
    /// Late, some twice, and whether or not the one before is through.
    pub like_production: bool,
}

/// Runs until it is dropped. A failed invocation is reported, unless failures are expected, and the next comes at its
/// time.
pub async fn run(function: &'static str, lambda_url: String, every: Duration, how: How) {
    let mut beat = tokio::time::interval(every);
    // After a pause of ours the next one comes a beat later, not several at once.
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let Ok(client) = crate::http::client().build() else { return };
    let mut under_way = JoinSet::new();
    let mut failing = false;
    let mut random = fastrand::Rng::new();
    loop {
        tokio::select! {
            _ = beat.tick() => {
                let deliveries = if how.like_production {
                    ticks::deliveries(&mut random, every)
                } else if under_way.len() < UNDER_WAY_MAX {
                    vec![Duration::ZERO]
                } else {
                    vec![]
                };
                let tick = Tick::now(function);
                for late in deliveries {
                    let (client, lambda_url, tick) = (client.clone(), lambda_url.clone(), tick.clone());
                    under_way.spawn(async move {
                        tokio::time::sleep(late).await;
                        tick.invoke(&client, &lambda_url).await
                    });
                }
            }
            Some(outcome) = under_way.join_next() => {
                let outcome = outcome.map_err(anyhow::Error::from).flatten();
                if let Err(error) = &outcome && !failing && !how.hushed {
                    println!("scheduler: {error:#}; it goes on trying");
                }
                failing = outcome.is_err();
            }
        }
    }
}

/// One occurrence of a schedule; delivered twice, it says the same.
#[derive(Clone)]
struct Tick {
    function: &'static str,
    payload: Value,
}

impl Tick {
    fn now(function: &'static str) -> Self {
        let payload = json!({
            "job": function,
            "scheduled_time": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "execution_id": uuid::Uuid::new_v4().to_string(),
            "attempt": "1",
        });
        Self { function, payload }
    }

    async fn invoke(&self, client: &reqwest::Client, lambda_url: &str) -> anyhow::Result<()> {
        let Self { function, payload } = self;
        let url = format!("{lambda_url}/2015-03-31/functions/{function}/invocations");
        let answer = client.post(url).timeout(within(function)).json(payload).send().await;
        let answer = answer.with_context(|| format!("cannot invoke {function}"))?;
        let status = answer.status();
        if !status.is_success() || answer.headers().contains_key("x-amz-function-error") {
            bail!("{function} answered {status}: {}", answer.text().await.unwrap_or_default());
        }
        Ok(())
    }
}
