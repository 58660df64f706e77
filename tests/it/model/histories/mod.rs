//! The transactions held against the model of them (tests/model/src): histories from seeds, whose answers and whose
//! rows are all compared, and whose commands have to come to everything that there is (`coverage`). A history that
//! fails is made short (`shrink`) and printed with the command that repeats it.

mod coverage;
mod shrink;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use futures_util::future::try_join_all;
use model::{Command, Session, World, check, generate, runtime};

use coverage::Coverage;
use shrink::Runner;
use support::database::Database;

/// Half of a run's histories are those of this seed, every time; the other half are of a fresh one.
const FIXED_SEED: u64 = 4;
/// Commands that a run compares, each reservation of a batch counted as one.
const COMMANDS: usize = 200_000;
/// Databases at work at once, half of them with early release.
const WORKERS: usize = 4;
/// After so many histories the tables are emptied: what is measured here is not how a full one is scanned.
const HISTORIES_TO_EMPTY_TABLES: usize = 25;

/// A commit waits for this machine's disk, or T1 refuses to promise anything. Plans are made once, as the roles have it.
const SETTINGS: &str = "set synchronous_commit = local; set jit = off; select set_config(split_part(one, '=', 1),
    split_part(one, '=', 2), false) from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) as one
    where r.rolname = 'holdfast_reserve' and (one like 'enable%' or one like 'plan_cache_mode=%')";

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
    next: AtomicU64,
    compared: AtomicUsize,
    failed: AtomicUsize,
}

#[test]
fn the_transactions_do_what_the_model_says() {
    let wanted = std::env::var("HOLDFAST_SEED").ok();
    if let Some((seed, number)) = wanted.as_deref().and_then(|wanted| wanted.split_once(':')) {
        return repeat(seed.parse().expect("a seed"), number.parse().expect("a history's number"));
    }
    let fresh_seed = wanted.map_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 32, |seed| seed.parse().unwrap());
    let run = Arc::new(Run { fresh_seed, next: 0.into(), compared: 0.into(), failed: 0.into() });
    println!("seeds {FIXED_SEED} and {fresh_seed}");
    let workers: Vec<_> = (0..WORKERS)
        .map(|n| {
            let run = Arc::clone(&run);
            thread::spawn(move || runtime().block_on(work(&run, n % 2 == 0)))
        })
        .collect();
    let mut coverage = Coverage::default();
    for worker in workers {
        coverage.add(&worker.join().expect("a worker"));
    }
    coverage.print();
    assert_eq!(run.failed.load(Ordering::Relaxed), 0, "a history failed; it stands above");
    assert_eq!(coverage.missing(), Vec::<String>::new(), "these can occur and never did");
}

/// Takes one history after the other until enough is compared or one has failed.
async fn work(run: &Run, early_release: bool) -> Coverage {
    let world = world(early_release, 3).await;
    let mut coverage = Coverage::default();
    while run.compared.load(Ordering::Relaxed) < COMMANDS && run.failed.load(Ordering::Relaxed) == 0 {
        let number = run.next.fetch_add(1, Ordering::Relaxed);
        let seed = if number.is_multiple_of(2) { FIXED_SEED } else { run.fresh_seed };
        let before = coverage.commands;
        let history = generate::history(seed_of(seed, number));
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
        coverage.histories += 1;
        run.compared.fetch_add(coverage.commands - before, Ordering::Relaxed);
        if coverage.histories.is_multiple_of(HISTORIES_TO_EMPTY_TABLES) {
            world.empty().await.unwrap();
        }
    }
    coverage
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
            }
        }
    });
}

/// A failure, made short, in words.
async fn told(world: &World, history: &[Command], seed: u64, number: u64, why: &str) -> String {
    let mut runner = Runner { world, runs: 0 };
    let (shown, why, again) = match runner.shortest(history).await {
        Some((shortest, why)) => (shortest, why, ""),
        None => (history.to_vec(), why.to_owned(), " (it did not fail again: a race)"),
    };
    let lines: Vec<String> = shown.iter().map(|command| format!("  {command}")).collect();
    let early = world.early_release;
    format!(
        "history {number} of seed {seed}, early release {early}, {} commands{again}:\n{}\n{why}\n\
         again: cargo dev test model --seed {seed}:{number}",
        shown.len(),
        lines.join("\n")
    )
}

/// Each history of a seed has a seed of its own.
fn seed_of(seed: u64, number: u64) -> u64 {
    fastrand::Rng::with_seed(seed ^ number.rotate_left(32)).u64(..)
}
