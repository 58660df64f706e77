//! A drop, played: tens of thousands of buyers at once against a running stack, an open loop that waits for no answer;
//! then a verdict. `cargo dev rush` and tests/it/capacity/rush.rs both run it.
//!
//! Read it in this order: `arrivals` draws who comes when, `buyer` is what one of them does, `tally` what they were
//! told, `truth` what the database says, `verdict` holds the two against each other. `figures` and `page` say it.

mod answer;
pub mod arrivals;
pub(crate) mod buyer;
pub(crate) mod clock;
mod counts;
mod cpu;
mod database_state;
pub mod figures;
pub(crate) mod http;
pub mod live;
mod load;
pub mod page;
mod plot;
mod sale;
mod series;
mod tally;
pub mod text;
pub mod verdict;
mod watch;
pub(crate) mod who;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hyper::body::Bytes;
use serde_json::json;

pub use arrivals::Options;
use buyer::World;
use clock::Clock;
use counts::Counts;
use cpu::Cpu;
use database_state::DatabaseState;
use http::Http;
use stack::Report;
use stack::database;
use tally::{Book, Tally};
use verdict::Check;
use watch::{Sample, Samples};

/// From the moment everything is drawn to the opening.
const OPENS_IN: Duration = Duration::from_millis(300);

/// All that was seen from outside, while it went on.
pub struct Run {
    pub options: Options,
    pub sale_id: String,
    clock: Clock,
    book: Book,
    samples: Vec<Sample>,
    counts: Counts,
    /// Whether Postgres had reported all its counts in time.
    counted: bool,
    /// Processor time of the tool's own thread, while it sent and read.
    tool_cpu: Duration,
    /// Processor time of the stack's parts meanwhile.
    cpu: Cpu,
}

/// A rush that is over.
pub struct Rush {
    pub run: Run,
    truth: DatabaseState,
    pub checks: Vec<Check>,
}

impl Rush {
    pub fn failed(&self) -> Vec<&Check> {
        self.checks.iter().filter(|check| !check.holds).collect()
    }

    /// Reads the database again, and judges again.
    ///
    /// # Errors
    /// The stack does not answer.
    pub async fn judge_again(&mut self, stack: &Report) -> anyhow::Result<()> {
        let owner = database::connect(&stack.database_url).await?;
        self.truth = DatabaseState::read(&owner, stack, &self.run.sale_id).await?;
        self.checks = verdict::judge(&self.run, &self.truth);
        Ok(())
    }
}

/// Plays the drop on a sale of its own. `watching` gets its progress.
///
/// # Errors
/// The stack does not answer, or the machine has no room for it. What goes wrong with the sale is no error but a
/// failed check.
pub async fn run(options: Options, stack: &Report, watching: impl live::Watching) -> anyhow::Result<Rush> {
    ensure!(options.buyers > 0 && options.skus > 0, "a rush needs a buyer and a SKU at least");
    let owner = database::connect(&stack.database_url).await?;
    let sale_id = format!("rush-{:x}-{:x}", jiff::Timestamp::now().as_millisecond(), options.seed & 0xffff);
    sale::open(stack, &sale_id, &options).await?;

    let buyers = arrivals::draw(&options);
    let crowd = who::Crowd::new(&sale_id, &stack.session_secret, options.per_address);
    let people = buyers.iter().map(|buyer| crowd.member(buyer.number)).collect::<anyhow::Result<Vec<_>>>()?;
    let before = Counts::read(&owner).await?;

    let clock = Clock::opens_in(OPENS_IN);
    let bodies = (0..options.skus).map(|sku| {
        let items = json!([{"sku_id": sale::sku_id(sku), "qty": 1}]);
        Bytes::from(json!({"sale_id": sale_id, "items": items}).to_string())
    });
    let world = Arc::new(World {
        edge: Http::to(&stack.edge_url, clock)?,
        gateway: Http::to(&stack.gateway_url, clock)?,
        clock,
        tally: Tally::default(),
        bodies: bodies.collect(),
    });
    let samples = Samples::default();
    let cpu = Cpu::of(&stack.pids);
    let driven = load::drive(world.clone(), buyers.into_iter().zip(people).collect())?;
    let tool_cpu = tokio::select! {
        over = driven => over.context("the load's own thread ended")?,
        ended = watch::watch(&owner, &sale_id, clock, &samples) => {
            ended?;
            anyhow::bail!("the sale is no longer watched")
        }
        never = live::show(watching, &world, &samples, &options) => match never {},
    };

    let cpu = Cpu::of(&stack.pids).since(&cpu);
    // Samples, and the first reading of the counts, which is two statements.
    let samples = samples.all();
    let (counted, asked) = counts::until_told(&owner).await?;
    let ours = i64::try_from(samples.len())? + asked + 2;
    let counts = Counts::read(&owner).await?.since(&before, ours);
    let book = std::mem::take(&mut *world.tally.book());
    let run = Run { options, sale_id, clock, book, samples, counts, counted, tool_cpu, cpu };
    let truth = DatabaseState::read(&owner, stack, &run.sale_id).await?;
    let checks = verdict::judge(&run, &truth);
    Ok(Rush { run, truth, checks })
}
