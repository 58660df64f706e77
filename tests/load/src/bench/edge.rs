//! The edge: what each hop of a reservation costs, the same requests for every row, in rounds that take turns; the whole
//! path beside a plain service, and after a start of workerd.
//!
//! `crowd` sends the requests, `functions` answers in place of the database, `worker` is the Worker that is measured:
//! built with the answers that only a measurement needs, in a folder of its own. `compare` has the turns of the whole path
//! and of `plain`, the plain service; `cold` opens a sale on a Worker that has just been started.

mod cold;
mod compare;
mod crowd;
mod functions;
mod plain;
mod worker;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use stack::{Options, Report, Stack};

pub use cold::Cold;
pub use compare::{Both, Compared, Granted};
use crowd::Crowd;
use plain::Program;
use worker::Worker;
pub use worker::compressed;

/// What the Worker may be at most, compressed: it is sent to every place that it runs in.
pub const COMPRESSED_MAX_BYTES: u64 = 600_000;

/// How long is measured.
#[derive(Clone, Copy)]
pub struct How {
    /// A row, or a side, in each of the rounds.
    pub seconds: f64,
    pub rounds: usize,
    /// A Worker that was just started; the last of these seconds is the one that the first two are held against.
    pub cold_s: u64,
}

impl How {
    fn time(self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

#[derive(Serialize)]
pub struct Row {
    #[serde(skip)]
    pub stage: Stage,
    pub name: &'static str,
    /// The median of the rounds.
    pub per_s: f64,
    /// What workerd computed for one request.
    pub cpu_us: f64,
    pub note: String,
}

#[derive(Serialize)]
pub struct Measured {
    pub rows: Vec<Row>,
    /// The product's modules, as they are published.
    pub compressed_bytes: u64,
    /// From workerd's start to its first answer: median of five.
    pub first_answer_ms: f64,
    /// What workerd grew by, over all Gates.
    pub keys: usize,
    pub keys_bytes: u64,
    /// What the Wasm's memory grew by: the rest is JavaScript's, which is collected when memory is needed.
    pub keys_wasm_bytes: u64,
    pub compared: Compared,
    pub cold: Cold,
}

impl Measured {
    /// One row against another.
    #[must_use]
    pub fn ratio(&self, of: fn(&Row) -> f64, one: Stage, other: Stage) -> f64 {
        let value = |stage| self.rows.iter().find(|row| row.stage == stage).map_or(f64::NAN, of);
        value(one) / value(other)
    }
}

/// Which of the rows: a request of each costs one hop more than of the one before it; a call is the object's hop, made
/// otherwise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Worker,
    /// Of a Worker of its own, whose Gates have granted nothing: with many holders a Gate gives no lease.
    Lease,
    Object,
    Call,
    Memory,
    Batches,
    Whole,
}

const STAGES: [(Stage, &str); 7] = [
    (Stage::Worker, "the Worker answers at once"),
    (Stage::Lease, "the Worker refuses under a lease"),
    (Stage::Object, "a bare Durable Object, asked by fetch"),
    (Stage::Call, "a Gate with nothing to do, asked by a call"),
    (Stage::Memory, "the Gate answers from memory"),
    (Stage::Batches, "the Gate, and a `reserve` that answers at once"),
    (Stage::Whole, "the whole path"),
];

const CLIENTS: usize = 64;
const RESERVATIONS: &str = "/v1/reservations";
/// What is on sale, without end.
const PAIR: &str = "pair";
const LIVE_KEYS: usize = 100_000;

/// Measures every row, the plain service and a Worker that was just started.
///
/// # Errors
/// A part cannot be built or started, or an answer is not the one that was asked for.
pub async fn run(how: How) -> anyhow::Result<Measured> {
    // The first: it needs npm's registry, and what cannot be had should be known at once.
    let program = Program::prepare().await?;
    let mut stack = Stack::prepare(Options::for_tests("bench-edge"))?;
    let measured = on(&mut stack, program, how).await;
    stack.stop().await;
    measured
}

/// What the Gate costs in this clone's Worker and in another build of it, in turns: `(name, of this, of the other)`, in
/// microseconds of workerd a request.
///
/// # Errors
/// As [`run`].
pub async fn against(other: &Path, seconds: f64, rounds: usize) -> anyhow::Result<Vec<(&'static str, f64, f64)>> {
    let functions = functions::start().await?;
    let mut workers = [
        Worker::start("bench-worker", functions.clone(), None).await?,
        Worker::start("bench-other", functions, Some(other.to_owned())).await?,
    ];
    let ways = STAGES.into_iter().filter(|(way, _)| [Stage::Memory, Stage::Batches].contains(way));
    let mut found = Vec::new();
    for (way, name) in ways {
        let mut cpu_us = [Vec::new(), Vec::new()];
        for round in 0..=rounds {
            for (worker, cpu_us) in workers.iter().zip(&mut cpu_us) {
                let measured = worker.target()?.measure(way, Duration::from_secs_f64(seconds)).await?;
                // The first is for who has just begun.
                cpu_us.extend((round > 0).then_some(measured.1));
            }
        }
        let [this, of_other] = cpu_us.map(|cpu_us| median(cpu_us.into_iter()));
        found.push((name, this, of_other));
    }
    for worker in &mut workers {
        worker.stop().await;
    }
    Ok(found)
}

async fn on(stack: &mut Stack, program: Program, how: How) -> anyhow::Result<Measured> {
    let report = stack.bring_up().await?;
    let compressed_bytes = compressed(&stack::workspace::root().join("edge/build"))?;
    let mut bench = Worker::start("bench-worker", functions::start().await?, None).await?;
    let whole = Target { url: report.edge_url.clone(), secret: report.session_secret.clone(), pid: stack.edge_pid()? };
    let alone = bench.target()?;
    let leased = Worker::start("bench-leases", functions::start().await?, Some(worker::build_dir())).await?;
    let leases = leased.target()?;
    let of = |way: Stage| match way {
        Stage::Whole => &whole,
        Stage::Lease => &leases,
        _ => &alone,
    };
    make_sale(&report, crowd::SALE, None).await?;
    // Until each Gate may answer from memory, and every part has been used.
    for (way, _) in STAGES {
        of(way).measure(way, Duration::from_secs(1)).await?;
    }

    let mut found: [Vec<(f64, f64)>; STAGES.len()] = Default::default();
    for round in 1..=how.rounds {
        for ((way, name), found) in STAGES.iter().zip(&mut found) {
            let (per_s, cpu_us) = of(*way).measure(*way, how.time()).await?;
            println!("  {round} of {}: {name}: {per_s:.0} a second, {cpu_us:.0} us", how.rounds);
            found.push((per_s, cpu_us));
        }
    }
    let per_s = found.clone().map(|found| median(found.iter().map(|one| one.0)));
    let cpu_us = found.map(|found| median(found.iter().map(|one| one.1)));
    let row = |(at, (stage, name)): (usize, &(Stage, &'static str))| {
        let before = at.checked_sub(1).map_or(1.0, |before| per_s[at] / per_s[before]);
        Row {
            stage: *stage,
            name,
            per_s: per_s[at],
            cpu_us: cpu_us[at],
            note: format!("{before:.2} of the row before"),
        }
    };
    let mut rows: Vec<Row> = STAGES.iter().enumerate().map(row).collect();
    rows[1].note = format!("{:.2} times the processor time of the Worker alone", cpu_us[1] / cpu_us[0]);
    for row in [4, 5] {
        rows[row].note = format!("{:.2} of fetch, {:.2} of a call", per_s[row] / per_s[2], per_s[row] / per_s[3]);
    }
    leased.stop().await;

    bench.restart().await?;
    let (keys, keys_bytes, keys_wasm_bytes) = live_keys(&bench).await?;
    let first_answer_ms = bench.first_answer_ms(5).await?;
    bench.stop().await;

    let compared = compare::run(stack, &report, program, how).await?;
    // The last: from then on workerd is another.
    let cold = cold::run(stack, &report, how).await?;
    Ok(Measured { rows, compressed_bytes, first_answer_ms, keys, keys_bytes, keys_wasm_bytes, compared, cold })
}

/// A running Worker, and the secret of its tokens.
struct Target {
    url: String,
    secret: String,
    pid: u32,
}

impl Target {
    /// Requests a second, and microseconds of workerd's time each.
    async fn measure(&self, way: Stage, time: Duration) -> anyhow::Result<(f64, f64)> {
        let (path, sku, qty, status) = match way {
            Stage::Worker => ("/bench/worker", PAIR, 1, 200),
            Stage::Object => ("/bench/object", PAIR, 1, 200),
            Stage::Call => ("/bench/call", PAIR, 1, 200),
            Stage::Lease => (RESERVATIONS, functions::SOLD_OUT, 1, 409),
            // Of that one piece is left: it is refused from memory, and not leased.
            Stage::Memory => (RESERVATIONS, functions::LAST_ONE, 2, 409),
            Stage::Batches | Stage::Whole => (RESERVATIONS, PAIR, 1, 201),
        };
        let crowd = Crowd { url: &self.url, secret: &self.secret, path, sale: crowd::SALE, sku, qty, status };
        let before = worker::cpu_us(self.pid)?;
        let sent = crowd.press(CLIENTS, crowd::Until::Time(time)).await?;
        let spent = worker::cpu_us(self.pid)?.saturating_sub(before);
        let answers = sent.answers as f64;
        Ok((answers / sent.seconds, spent as f64 / answers))
    }
}

/// Grants keys until there are as many, and says what that made workerd grow by, and the Wasm's memory in it.
async fn live_keys(bench: &Worker) -> anyhow::Result<(usize, u64, u64)> {
    let crowd = Crowd {
        url: &bench.url,
        secret: &bench.session_secret,
        path: RESERVATIONS,
        sale: crowd::SALE,
        sku: PAIR,
        qty: 1,
        status: 201,
    };
    // What running at all takes is not the keys'.
    crowd.press(CLIENTS, crowd::Until::Answers(2_000)).await?;
    let wasm_bytes = async || -> anyhow::Result<u64> {
        let http = stack::http::client().build()?;
        Ok(http.get(format!("{}/bench/memory", bench.url)).send().await?.text().await?.parse()?)
    };
    let (before, wasm_before) = (worker::resident_bytes(bench.pid()?)?, wasm_bytes().await?);
    let sent = crowd.press(CLIENTS, crowd::Until::Answers(LIVE_KEYS)).await?;
    let (after, wasm_after) = (worker::resident_bytes(bench.pid()?)?, wasm_bytes().await?);
    Ok((sent.answers, after.saturating_sub(before), wasm_after.saturating_sub(wasm_before)))
}

/// A sale of more than any run sells. None: open at once.
fn sale_of(sale_id: &str, opens_at: Option<Timestamp>) -> Value {
    let sku = json!({"sku_id": PAIR, "name": PAIR, "unit_price": 1, "stock": 1_000_000_000, "max_per_user": 1});
    let mut sale = json!({"sale_id": sale_id, "name": "bench", "currency": "KRW", "hold_ttl_s": 86_400, "skus": [sku]});
    if let Some(opens_at) = opens_at {
        sale["opens_at"] = json!(opens_at.to_string());
    }
    sale
}

async fn make_sale(report: &Report, sale_id: &str, opens_at: Option<Timestamp>) -> anyhow::Result<()> {
    let url = format!("{}/v1/admin/sales", report.edge_url);
    let request = stack::http::client().build()?.post(url).bearer_auth(&report.admin_token);
    let answer = request.json(&sale_of(sale_id, opens_at)).send().await?;
    answer.error_for_status().context("cannot make the sale")?;
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
