//! The transactions held against the model of them (tests/model/src): histories from seeds, whose answers and whose
//! rows are all compared, and whose commands have to come to everything that there is (`coverage`). A history that
//! fails is made short (`shrink`) and printed with the command that repeats it.

mod coverage;
mod shrink;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use futures_util::future::try_join_all;
use model::{Command, Session, World, check, forget, generate, runtime};

use coverage::Coverage;
use shrink::Runner;
use support::database::Database;

/// Half of a run's histories are those of this seed, every time; the other half are of a fresh one.
const FIXED_SEED: u64 = 4;
/// Commands that a run compares, each reservation of a batch counted as one: it goes on until everything has occurred that
/// can.
const COMMANDS_AT_LEAST: usize = 20_000;
const COMMANDS_OF_A_LONG_RUN: usize = 200_000;
const COMMANDS_MAX: usize = 200_000;
/// Databases at work at once, half of them with early release.
const WORKERS: usize = 4;
/// After so many histories the tables are emptied: what is measured here is not how a full one is scanned.
const HISTORIES_TO_EMPTY_TABLES: usize = 25;

/// A commit waits for this machine's disk, or T1 refuses to promise anything. Plans are made once, as the roles have it.
const SETTINGS: &str = "set synchronous_commit = local; set jit = off; select set_config(split_part(one, '=', 1),
    split_part(one, '=', 2), false) from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) as one
    where r.rolname = 'holdfast_reserve' and s.setdatabase = 0 and (one like 'enable%' or one like 'plan_cache_mode=%')";

/// A database of its own, and so many connections to it.
pub async fn world(early_release: bool, sessions: usize) -> World {
    let url = Database::with(early_release).await.url();
    let sessions = try_join_all((0..sessions).map(|_| Session::of_all(&url, SETTINGS))).await.unwrap();
    let world = World::new(&url, early_release, sessions).await.unwrap();
    world.owner().batch_execute(SETTINGS).await.unwrap();
    world
}

struct Run {
    fresh_seed: u64,
    commands_at_least: usize,
    next: AtomicU64,
    covered: Mutex<Coverage>,
    failed: AtomicUsize,
}

impl Run {
    fn goes_on(&self) -> bool {
        let covered = self.covered.lock().unwrap();
        let lacks = covered.commands < COMMANDS_MAX && !covered.missing().is_empty();
        self.failed.load(Ordering::Relaxed) == 0 && (covered.commands < self.commands_at_least || lacks)
    }
}

#[test]
fn the_transactions_do_what_the_model_says() {
    compare(COMMANDS_AT_LEAST);
}

#[test]
#[ignore = "long"]
fn the_transactions_do_what_the_model_says_in_a_long_run() {
    compare(COMMANDS_OF_A_LONG_RUN);
}

fn compare(commands_at_least: usize) {
    let wanted = std::env::var("HOLDFAST_SEED").ok();
    if let Some((seed, number)) = wanted.as_deref().and_then(|wanted| wanted.split_once(':')) {
        return repeat(seed.parse().expect("a seed"), number.parse().expect("a history's number"));
    }
    let fresh_seed = wanted.map_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 32, |seed| seed.parse().unwrap());
    let (next, covered, failed) = (0.into(), Mutex::default(), 0.into());
    let run = Arc::new(Run { fresh_seed, commands_at_least, next, covered, failed });
    println!("seeds {FIXED_SEED} and {fresh_seed}");
    let workers: Vec<_> = (0..WORKERS)
        .map(|n| {
            let run = Arc::clone(&run);
            thread::spawn(move || runtime().block_on(work(&run, n % 2 == 0)))
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().expect("a worker"));
    let covered = run.covered.lock().unwrap();
    covered.print();
    assert_eq!(run.failed.load(Ordering::Relaxed), 0, "a history failed; it stands above");
    assert_eq!(covered.missing(), Vec::<String>::new(), "these can occur and never did");
}

/// Takes one history after the other until enough is compared or one has failed.
async fn work(run: &Run, early_release: bool) {
    let world = world(early_release, 3).await;
    let mut histories = 0;
    while run.goes_on() {
        let number = run.next.fetch_add(1, Ordering::Relaxed);
        let seed = if number.is_multiple_of(2) { FIXED_SEED } else { run.fresh_seed };
        let history = generate::history(seed_of(seed, number));
        let mut coverage = Coverage::default();
        let watching = |command: &Command, answered: &[_]| coverage.count(command, answered);
        match check::run(&world, &format!("h{number}-"), &history, watching).await {
            Ok(ended) => coverage.count_ended(&ended),
            Err(why) => {
                if run.failed.fetch_add(1, Ordering::Relaxed) == 0 {
                    println!("{}", told(&world, &history, seed, number, &why).await);
                }
                break;
            }
        }
        run.covered.lock().unwrap().add(&coverage);
        histories += 1;
        if histories % HISTORIES_TO_EMPTY_TABLES == 0
            && let Some(left) = over(&world).await
        {
            run.failed.fetch_add(1, Ordering::Relaxed);
            println!("after history {number} and those before it, whose seeds are {FIXED_SEED} and {seed}:\n{left}");
        }
    }
    assert_eq!(if run.failed.load(Ordering::Relaxed) == 0 { over(&world).await } else { None }, None);
}

/// The time of all histories so far is over: what is left of them is in order, and is removed then.
async fn over(world: &World) -> Option<String> {
    let left = forget::what_is_left(&world.owner()).await.unwrap();
    world.empty().await.unwrap();
    left
}

/// One history, with early release and without.
fn repeat(seed: u64, number: u64) {
    runtime().block_on(async {
        let history = generate::history(seed_of(seed, number));
        for early_release in [true, false] {
            let world = world(early_release, 3).await;
            for run in 0..20 {
                if let Err(why) = check::run(&world, &format!("h{run}-"), &history, |_, _| ()).await {
                    panic!("{}", told(&world, &history, seed, number, &why).await);
                }
                assert_eq!(over(&world).await, None, "run {run}, early release {early_release}");
            }
        }
    });
}

/// A failure, made short, in words.
async fn told(world: &World, history: &[Command], seed: u64, number: u64, why: &str) -> String {
    let mut runner = Runner { world, runs: 0 };
    let (shown, shorter, again) = match runner.shortest(history).await {
        Some((shortest, shorter)) => (shortest, shorter, ""),
        None => (history.to_vec(), String::new(), " (it did not fail again: a race)"),
    };
    let lines: Vec<String> = shown.iter().map(|command| format!("  {command}")).collect();
    let early = world.early_release;
    format!(
        "history {number} of seed {seed}, early release {early}, {} commands{again}:\n{}\n{shorter}\n\
         as it was first, with all {} commands: {why}\nagain: cargo dev test model --seed {seed}:{number}",
        shown.len(),
        lines.join("\n"),
        history.len()
    )
}

/// Each history of a seed has a seed of its own.
fn seed_of(seed: u64, number: u64) -> u64 {
    fastrand::Rng::with_seed(seed ^ number.rotate_left(32)).u64(..)
}
