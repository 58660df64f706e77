//! Every two transactions that can want the same row, one of them stopped before each of its statements in turn while
//! the other runs as far as it can, at each isolation level. What comes of it is what some order of the two would have
//! come to by the model (tests/model/src), in every answer and every row; or an error that says "again", and again it is
//! right. At READ COMMITTED, which the functions use, there is no error at all: one would be a flaw of the lock order.

mod boundaries;
mod scenarios;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use model::check::{compare_tables, explained};
use model::{Answered, Command, Session, State, World, runtime};
use tokio::time::sleep;
use tokio_postgres::{Client, Error, Statement};

use crate::histories;
use scenarios::Scenario;

const LEVELS: [&str; 3] = ["read committed", "repeatable read", "serializable"];
const VERBS: [&str; 10] =
    ["reserve", "pay", "sweep", "release", "stock", "status", "cancel", "cancel own", "move", "change"];
/// Databases at work at once.
const WORKERS: usize = 3;
const RUNS_TO_EMPTY_TABLES: usize = 100;
/// Between two questions of the third: asked without a pause they would take the processor from those they are about.
const ASKS_EVERY: Duration = Duration::from_millis(1);
const WHERE_STOPPED: &str = "select application_name from pg_stat_get_activity($1) where wait_event = 'advisory'";
/// Errors that say "again": serialization failure, deadlock.
const RETRYABLE: [&str; 2] = ["40001", "40P01"];
/// Sources with boundaries; the others only read.
const STEPPED: [&str; 8] =
    ["expire.sql", "release.sql", "change.sql", "lapsed.sql", "reserve.sql", "confirm.sql", "orders.sql", "admin.sql"];
/// A sale is made before anybody can be in its way.
const NOT_STEPPED: &str = "create_sale:";

/// What was done, so that what was not can be told.
#[derive(Default)]
struct Done {
    runs: usize,
    stops: usize,
    stopped_at: BTreeSet<String>,
    /// Also by who had lost by then: the other one was through, so that nothing could come in between.
    passed: BTreeSet<String>,
    pairs: BTreeSet<(&'static str, &'static str, &'static str)>,
    retried: BTreeMap<String, usize>,
    failures: Vec<String>,
}

/// Two sessions and the third that stops the first of them.
struct Steps {
    world: World,
    third: Client,
    /// What the third asks of the two, prepared: it asks often.
    where_stopped: Statement,
    whether_it_waits: Statement,
    pids: [i32; 2],
    runs: usize,
}

/// At the isolation level that the functions use.
#[test]
#[ignore = "long"]
fn every_two_transactions_step_by_step() {
    step_by_step(&LEVELS[..1]);
}

#[test]
#[ignore = "long"]
fn every_two_transactions_step_by_step_at_the_other_isolation_levels() {
    step_by_step(&LEVELS[1..]);
}

fn step_by_step(levels: &[&'static str]) {
    let labels = labels();
    let cases: Vec<(Scenario, &'static str, bool)> = levels
        .iter()
        .flat_map(|level| [true, false].map(|in_order| (*level, in_order)))
        .flat_map(|(level, in_order)| scenarios::all().into_iter().map(move |scenario| (scenario, level, in_order)))
        .collect();
    let (cases, next, done) = (Arc::new(cases), Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Done::default())));
    let workers: Vec<_> = (0..WORKERS)
        .map(|n| {
            let (cases, next, done) = (Arc::clone(&cases), Arc::clone(&next), Arc::clone(&done));
            thread::spawn(move || {
                runtime().block_on(async {
                    let mut steps = Steps::new(n % 2 == 0).await;
                    while let Some((scenario, level, in_order)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        steps.case(scenario, level, *in_order, &done).await;
                    }
                    let passed = steps.third.query(boundaries::PASSED, &[]).await.unwrap();
                    done.lock().unwrap().passed.extend(passed.iter().map(|row| row.get::<_, String>(0)));
                });
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().expect("a worker"));
    let done = done.lock().unwrap();
    println!("| {} schedules, {} of them with a stop, at {} statements", done.runs, done.stops, done.stopped_at.len());
    println!("| sent again after {:?}", done.retried);
    done.failures.iter().take(5).for_each(|failure| println!("{failure}\n"));
    assert_eq!(done.failures.len(), 0, "schedules that came to what no order comes to");
    // Where the loser of a race fails at once, what it would have come to is not reached.
    if levels.contains(&LEVELS[0]) {
        let never: Vec<&String> = labels.iter().filter(|label| !done.passed.contains(*label)).collect();
        assert_eq!(never, Vec::<&String>::new(), "statements that nobody came to");
    }
    for level in levels {
        for (one, other) in VERBS.iter().flat_map(|one| VERBS.map(|other| (*one, other))) {
            assert!(done.pairs.contains(&(one, other, *level)), "{one} was not stopped for {other} at {level}");
        }
    }
}

fn sources() -> impl Iterator<Item = (String, Vec<String>)> {
    let stepped = stack::migrate::REPEATABLE.iter().filter(|file| STEPPED.contains(&file.name()));
    stepped.map(|file| boundaries::put_into(file.text))
}

fn labels() -> Vec<String> {
    let all = sources().flat_map(|(_, labels)| labels);
    all.filter(|label| !label.starts_with(NOT_STEPPED)).collect()
}

impl Steps {
    async fn new(early_release: bool) -> Self {
        let world = histories::world(early_release, 2).await;
        world.owner().batch_execute(boundaries::FUNCTION).await.unwrap();
        for (source, labels) in sources() {
            world.owner().batch_execute(&source).await.unwrap();
            for label in labels {
                world.owner().batch_execute(&boundaries::counter_of(&label)).await.unwrap();
            }
        }
        let pids = [world.sessions[0].pid().await, world.sessions[1].pid().await];
        let third = stack::database::connect(&world.url).await.unwrap();
        let where_stopped = third.prepare(WHERE_STOPPED).await.unwrap();
        let whether_it_waits = third.prepare("select $1 = any (pg_blocking_pids($2))").await.unwrap();
        Self { world, third, where_stopped, whether_it_waits, pids, runs: 0 }
    }

    /// Stops the one at its first boundary, its second, and so on, until it has none left.
    async fn case(&mut self, scenario: &Scenario, level: &'static str, in_order: bool, done: &Mutex<Done>) {
        let (one, other) = match in_order {
            true => (&scenario.one, &scenario.other),
            false => (&scenario.other, &scenario.one),
        };
        for boundary in 1.. {
            let (label, result, again) = self.schedule(&scenario.before, one, other, level, boundary).await;
            let mut done = done.lock().unwrap();
            done.runs += 1;
            if let Err(why) = result {
                let early = self.world.early_release;
                let at = label.as_deref().unwrap_or("its end");
                let before: Vec<String> = scenario.before.iter().map(ToString::to_string).collect();
                done.failures.push(format!(
                    "{level}, early release {early}: after\n  {}\n{one}\n  stopped at {at} while\n{other}\n{why}",
                    before.join("\n  ")
                ));
            }
            for code in again {
                *done.retried.entry(format!("{level} {code}")).or_default() += 1;
            }
            let Some(label) = label else { break };
            done.stops += 1;
            done.stopped_at.insert(label);
            done.pairs.insert((one.verb(), other.verb(), level));
        }
    }

    /// Where the one was stopped, if it came that far; whether what came of it is right; which errors said "again".
    async fn schedule(
        &mut self,
        before: &[Command],
        one: &Command,
        other: &Command,
        level: &str,
        boundary: i32,
    ) -> (Option<String>, Result<(), String>, Vec<String>) {
        self.runs += 1;
        if self.runs.is_multiple_of(RUNS_TO_EMPTY_TABLES) {
            self.world.empty().await.unwrap();
        }
        let prefix = format!("i{}-", self.runs);
        self.world.forget();
        let mut states = vec![State::default()];
        for (number, command) in before.iter().enumerate() {
            let answered = self.world.perform(&command.prefixed(&prefix)).await.unwrap();
            states = explained(&self.world, states, number, &answered).await.unwrap();
        }

        let (one, other) = (one.prefixed(&prefix), other.prefixed(&prefix));
        let [first, second] = [&self.world.sessions[0], &self.world.sessions[1]];
        let set = format!("set default_transaction_isolation = '{level}'; set deadlock_timeout = '10ms'");
        let restart = "select setval('public.stepped_at', 1, false)";
        first.set(&format!("{set}; set stepped.session = '1'; {restart}")).await;
        second.set(&format!("{set}; set stepped.session = '2'")).await;
        let lock = format!("select pg_advisory_lock(1, {boundary})");
        self.third.batch_execute(&lock).await.unwrap();
        let (label, outcomes) = self.both(self.world.said(&one), self.world.said(&other)).await;
        first.set("reset default_transaction_isolation; set stepped.session = ''").await;
        second.set("reset default_transaction_isolation; set stepped.session = ''").await;

        let mut answered = Vec::new();
        let mut again = Vec::new();
        for ((outcome, session), command) in outcomes.into_iter().zip([first, second]).zip([&one, &other]) {
            match outcome {
                Ok(answers) => answered.push(answers),
                Err(error) => {
                    let code = error.code().map_or("none", |code| code.code()).to_owned();
                    if level == LEVELS[0] || !RETRYABLE.contains(&code.as_str()) {
                        return (label, Err(format!("{command}: {error:?}")), again);
                    }
                    again.push(code);
                    answered.push(self.world.one(session, self.world.said(command)).await.unwrap());
                }
            }
        }
        let result = self.right(states, before.len(), &answered, &prefix).await;
        (label, result, again)
    }

    /// The one until it stops, the other until it is done or waits for the one, then both to their ends.
    async fn both(&self, one: Command, other: Command) -> (Option<String>, [Result<Answered, Error>; 2]) {
        let [first, second]: [&Session; 2] = [&self.world.sessions[0], &self.world.sessions[1]];
        let mut one = Box::pin(self.world.one(first, one));
        let mut other = Box::pin(self.world.one(second, other));
        let (label, one_done) = tokio::select! {
            done = &mut one => (None, Some(done)),
            label = self.stopped() => (Some(label), None),
        };
        let other_done = tokio::select! {
            done = &mut other => Some(done),
            () = self.waits_for_the_one(), if label.is_some() => None,
        };
        self.third.batch_execute("select pg_advisory_unlock_all()").await.unwrap();
        match (one_done, other_done) {
            (Some(one), Some(other)) => (label, [one, other]),
            (None, Some(other)) => (label, [one.await, other]),
            (Some(one), None) => (label, [one, other.await]),
            (None, None) => (label, tokio::join!(one, other).into()),
        }
    }

    /// Returns where the first session waits for the third's lock.
    async fn stopped(&self) -> String {
        loop {
            if let Some(row) = self.third.query_opt(&self.where_stopped, &[&self.pids[0]]).await.unwrap() {
                return row.get(0);
            }
            sleep(ASKS_EVERY).await;
        }
    }

    async fn waits_for_the_one(&self) {
        let [first, second] = self.pids;
        while !self.third.query_one(&self.whether_it_waits, &[&first, &second]).await.unwrap().get::<_, bool>(0) {
            sleep(ASKS_EVERY).await;
        }
    }

    /// Some order explains the answers and, after a last sweep, every row.
    async fn right(
        &self,
        states: Vec<State>,
        number: usize,
        answered: &[Answered],
        prefix: &str,
    ) -> Result<(), String> {
        let states = explained(&self.world, states, number, answered).await?;
        let swept = self.world.perform(&Command::Sweep { most: 1000 }).await.unwrap();
        let states = explained(&self.world, states, number + 1, &swept).await?;
        compare_tables(&self.world, prefix, states).await.map(drop)
    }
}
