//! What was to be reached on two cores, and whether it was. A ratio is the median of rounds in which both sides were
//! measured one after the other, since a machine is quicker at one time than at another.

use serde::Serialize;

use super::arrivals::Waiting;
use super::edge::{COMPRESSED_MAX_BYTES, Granted, Measured as Edge, Stage};
use super::growth::Grown;
use super::load::median;
use super::server::Bench;
use super::t1;
use super::t3::Swept;
use super::table::of_commit;
use super::variant;

#[derive(Clone, Serialize)]
pub struct Target {
    pub what: String,
    pub wanted: f64,
    /// Or at most.
    pub at_least: bool,
    pub measured: f64,
    pub reached: bool,
}

impl Target {
    fn at_least(what: &str, wanted: f64, measured: f64) -> Self {
        Self { what: what.to_owned(), wanted, at_least: true, measured, reached: measured >= wanted }
    }

    fn at_most(what: &str, wanted: f64, measured: f64) -> Self {
        Self { what: what.to_owned(), wanted, at_least: false, measured, reached: measured <= wanted }
    }
}

/// One way at so many clients.
type Side = (&'static str, usize);

/// What is held against what, at which commit, and how often at least.
const RATIOS: [(&str, u64, Side, Side, f64); 6] = [
    (
        "batches of 100 with early release, 64 clients, against one call, 64 clients, commit of 3 ms",
        3,
        ("batch-100-early", 64),
        ("one-call", 64),
        60.0,
    ),
    ("the same with 4 clients, as two Gates have calls in flight", 3, ("batch-100-early", 4), ("one-call", 64), 60.0),
    (
        "early release without batches against one call, 64 clients, commit of 3 ms",
        3,
        ("early", 64),
        ("one-call", 64),
        30.0,
    ),
    ("batches of 100 against one call, 64 clients, commit as it is", 0, ("batch-100", 64), ("one-call", 64), 10.0),
    (
        "the same with 4 clients and early release, as the product runs",
        0,
        ("batch-100-early", 4),
        ("one-call", 64),
        10.0,
    ),
    (
        "batches of 100 against the same rows in bulk without any check, 4 clients, commit as it is",
        0,
        ("batch-100", 4),
        ("bulk-100", 4),
        0.6,
    ),
];

/// Both sides of each ratio in turn, round by round, on one hot SKU.
///
/// # Errors
/// A cell cannot be measured.
pub async fn ratios(bench: &Bench, rounds: usize, seconds: f64) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for commit_ms in [0, 3] {
        bench.commit_takes(commit_ms).await?;
        let of_commit = || RATIOS.iter().filter(move |(_, commit, ..)| *commit == commit_ms);
        let mut sides: Vec<Side> = of_commit().flat_map(|(_, _, one, other, _)| [*one, *other]).collect();
        sides.sort_unstable();
        sides.dedup();
        let mut measured: Vec<Vec<f64>> = vec![vec![]; sides.len()];
        for _ in 0..rounds {
            for ((name, clients), all) in sides.iter().zip(&mut measured) {
                let cell = t1::cell(&bench.t1, variant::named(name)?, *clients, (commit_ms, 1), seconds).await?;
                all.push(cell.reservations_per_s);
            }
        }
        let of = |side: &Side| {
            sides.iter().position(|known| known == side).map(|at| measured[at].as_slice()).unwrap_or_default()
        };
        for (what, _, one, other, wanted) in of_commit() {
            let ratios = of(one).iter().zip(of(other)).map(|(one, other)| one / other).collect();
            targets.push(Target::at_least(what, *wanted, median(ratios)));
        }
    }
    Ok(targets)
}

#[must_use]
pub fn of_waiting(waiting: &Waiting) -> Target {
    let commit = of_commit(waiting.commit_ms);
    let what = format!(
        "T1's p99 in a batch at half its maximum rate, {} calls in flight, against one call's p50 alone, commit {commit}",
        waiting.in_flight
    );
    Target::at_most(&what, 5.0, waiting.p99_ms / waiting.alone_p50_ms)
}

#[must_use]
pub fn of_sweep(swept: &Swept) -> Target {
    let what = format!("T3: of {} expired holds, so many a second", swept.holds);
    Target::at_least(&what, 20_000.0, swept.holds_per_s)
}

#[must_use]
pub fn of_growth(grown: &Grown, holds: i64) -> Target {
    Target::at_most(&format!("{}: {holds} holds of history against none", grown.what), 1.2, grown.slower)
}

#[must_use]
pub fn of_edge(found: &Edge) -> Vec<Target> {
    let per_s = |one, other| found.ratio(|row| row.per_s, one, other);
    let cpu = |one, other| found.ratio(|row| row.cpu_us, one, other);
    let hops = [
        Target::at_least(
            "the Gate with batches against a bare Durable Object that is asked by fetch",
            0.5,
            per_s(Stage::Batches, Stage::Object),
        ),
        Target::at_least(
            "the Gate against one with nothing to do, both by a call",
            0.5,
            per_s(Stage::Memory, Stage::Call),
        ),
        Target::at_least(
            "the whole path against the same with a function that answers at once",
            0.5,
            per_s(Stage::Whole, Stage::Batches),
        ),
        Target::at_most(
            "workerd's time for an answer from the Gate's memory, against a Gate with nothing to do",
            1.2,
            cpu(Stage::Memory, Stage::Call),
        ),
        Target::at_most(
            "workerd's time for a refusal under a lease, against the Worker alone",
            1.6,
            cpu(Stage::Lease, Stage::Worker),
        ),
        Target::at_most(
            "workerd's time for the whole path, against a Gate with nothing to do",
            1.8,
            cpu(Stage::Whole, Stage::Call),
        ),
        Target::at_most(
            "the Wasm, compressed, in KB",
            COMPRESSED_MAX_BYTES as f64 / 1e3,
            found.compressed_bytes as f64 / 1e3,
        ),
    ];
    let lone = Target::at_most(
        "a lone buyer's p50, the whole path against the plain service",
        2.5,
        found.compared.lone_p50_ms.ratio,
    );
    let cold = Target::at_least(
        "a Worker that was just started: the first two seconds after the opening against the tenth",
        0.7,
        found.cold.ratio,
    );
    hops.into_iter().chain(AGAINST_PLAIN.iter().filter_map(|one| of_granted(found, *one))).chain([lone, cold]).collect()
}

/// Clients, commit, and what the whole path grants at least against the plain service.
const AGAINST_PLAIN: [(usize, u64, f64); 4] = [(16, 0, 1.3), (64, 0, 4.0), (256, 0, 4.0), (256, 3, 20.0)];

fn of_granted(found: &Edge, (clients, commit_ms, wanted): (usize, u64, f64)) -> Option<Target> {
    let is_it = |one: &&Granted| (one.clients, one.commit_ms) == (clients, commit_ms);
    let granted = found.compared.granted.iter().find(is_it)?;
    let commit = of_commit(commit_ms);
    let what = format!("the whole path against the plain service, {clients} clients, commit {commit}");
    Some(Target::at_least(&what, wanted, granted.per_s.ratio))
}
