//! Whatever breaks, nothing is lost and nothing happens twice: many clients through the whole stack, faults of many
//! kinds while they go on, and a checker that compares every response with the database. `cargo dev soak` and
//! tests/it/capacity/soak.rs run it.
//!
//! Read it in this order: `visit` is what a client does (`wholesale` what one does that orders by the hundred, `players`
//! what those do who hold everything against a model at once) and `log` what it writes down, `faults` what is broken meanwhile, `calm` what has to come back afterwards, `truth` what the
//! database says, `check` holds the two against each other.

mod books;
mod calm;
pub mod check;
mod clocks;
mod database_state;
mod disk;
pub mod faults;
mod log;
mod operator;
mod pay;
mod players;
mod pulse;
pub mod report;
pub mod version;
mod visit;
mod wholesale;
mod world;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::rush::clock::Clock;
use check::Storm;
use clocks::Clocks;
use database_state::DatabaseState;
use disk::Disk;
use faults::deploy::Deployed;
use faults::{Counts, Hands};
use log::{EntryPoint, Log, ReserveResult};
use players::Place;
use pulse::Pulse;
use report::Soak;
use stack::detours::Detours;
use stack::production::Production;
use stack::{self, Report, Stack, ready};
use stack::{always, database, tools, workspace};
use version::Version;
use world::World;

/// A storm lasts so long at most; then it is calm until everything is back and judged.
const STORM_MAX: Duration = Duration::from_secs(150);
/// Every request gets a response within this time once everything is well.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// What a soak is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its state is in `target/{name}`.
    pub name: String,
    pub lasts: Duration,
    pub seed: u64,
    /// Each waits for its own answers.
    pub clients: usize,
    /// Clients that order batches, past the shop.
    pub wholesalers: usize,
    /// What deployments go back to; none: they bring what is there.
    pub version: Option<Version>,
    /// Players of histories, each with a database of its own.
    pub players: usize,
    /// What the real platforms do and one machine does not.
    pub production: Option<Production>,
}

/// What is reported while it goes on.
pub struct Glance<'a> {
    pub elapsed: Duration,
    pub storm: usize,
    pub doing: &'a str,
    pub by_shop: u64,
    pub by_batches: u64,
    pub tries: u64,
    /// Commands that were held against the model, and those of them whose outcome was unknown.
    pub played: u64,
    pub unknown: u64,
    pub faults: faults::Counted,
    pub violations: u64,
}

/// Plays it, on a stack of its own. What goes wrong with a sale is no error but a violation.
///
/// # Errors
/// The stack does not start, or does not come back; or it was asked to end.
pub async fn run(
    options: Options,
    watching: impl Fn(Glance<'_>),
    asked_to_end: impl Future<Output = ()>,
) -> anyhow::Result<Soak> {
    let disk = Disk::mount(&options.name).await;
    let clocks = Clocks::new(&options.name)?;
    let log_dir = disk.as_ref().ok().map(Disk::dir);
    let link = workspace::root().join("target").join(format!("{}-functions", options.name));
    let deployed = Deployed::todays(link.clone(), options.version.clone())?;
    let mut detours = Detours::new(clocks.of_functions(), Some(clocks.dir.clone()), log_dir).await?;
    detours.functions = Some(link);
    let mut options_of_stack = stack::Options::for_tests(&options.name);
    options_of_stack.production = options.production;
    options_of_stack.detours = Some(detours.clone());
    let mut stack = Stack::prepare(options_of_stack)?;
    let outcome = tokio::select! {
        outcome = on_a_stack(&options, &mut stack, (detours, deployed), clocks.file(), watching) => outcome,
        () = asked_to_end => {
            tools::interrupt();
            Err(anyhow::anyhow!("interrupted"))
        }
    };
    stack.stop().await;
    let mut soak = outcome?;
    soak.left_out.extend(disk.as_ref().err().map(|why| format!("a full disk for the log: {why:#}")));
    soak.left_out.extend(clocks.library.err().map(|why| format!("the functions' clocks off: {why:#}")));
    Ok(soak)
}

async fn on_a_stack(
    options: &Options,
    stack: &mut Stack,
    (detours, deployed): (Detours, Deployed),
    clock_file: PathBuf,
    watching: impl Fn(Glance<'_>),
) -> anyhow::Result<Soak> {
    let report = stack.bring_up().await?;
    stack.schedule(&report.lambda_url, 0);
    stack.children().hush();
    let hands = Hands {
        detours,
        children: stack.children().clone(),
        database_url: report.database_url.clone(),
        lambda_url: report.lambda_url.clone(),
        functions_password: stack.functions_password().to_owned(),
        clock_file,
        counts: Counts::default(),
        deployed,
        schedulers: Mutex::default(),
    };
    let places = players::places(&hands, options.players).await?;
    let clock = Clock::opens_in(Duration::ZERO);
    let mut run = Run {
        options,
        report,
        hands: Arc::new(hands),
        places,
        clock,
        pulse: Pulse::default(),
        rng: Rng::with_seed(options.seed),
        soak: Soak::new(options),
        acknowledged: HashSet::new(),
    };
    let pulse = tokio::spawn(run.pulse.clone().beat(run.report.database_url.clone(), clock));
    let emulator = tokio::spawn(faults::emulator::watch(run.hands.clone()));
    let done = run.storms(watching).await;
    pulse.abort();
    emulator.abort();
    done?;
    Ok(run.soak)
}

struct Run<'a> {
    options: &'a Options,
    report: Report,
    hands: Arc<Hands>,
    /// Where the players play.
    places: Vec<Place>,
    clock: Clock,
    pulse: Pulse,
    rng: Rng,
    soak: Soak,
    /// Every hold in any response, in whichever storm.
    acknowledged: HashSet<Uuid>,
}

impl Run<'_> {
    async fn storms(&mut self, watching: impl Fn(Glance<'_>)) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < self.options.lasts {
            self.soak.storms += 1;
            let left = self.options.lasts.saturating_sub(began.elapsed());
            self.one_storm(left.min(STORM_MAX), began, &watching).await?;
        }
        let owner = self.owner().await?;
        self.always(always::whole(&owner).await?);
        self.all_is_still_there(&owner).await?;
        // A shorter one would wait longer than it stormed.
        if self.options.lasts > calm::PAID_BACK_WITHIN {
            self.money_is_back(&owner).await?;
        }
        self.soak.took = began.elapsed();
        let counted = self.hands.counts.all();
        (self.soak.crashes, self.soak.faults) = (counted.crashes, counted.by_kind);
        Ok(())
    }

    async fn one_storm(
        &mut self,
        lasts: Duration,
        began: Instant,
        watching: &impl Fn(Glance<'_>),
    ) -> anyhow::Result<()> {
        self.hands.heal().await?;
        let name = format!("soak-{:x}-{}", self.options.seed & 0xff_ffff, self.soak.storms);
        let sales = operator::sales(&name, &mut self.rng);
        let (shop, lambda) = (self.hands.detours.shop.url(), self.hands.detours.lambda.url());
        let world = Arc::new(World::new(&self.report, (&shop, &lambda), self.clock, &name, sales)?);
        timeout(ANSWERED_WITHIN, world.open_sales()).await.context("the shop does not answer")??;
        let payments_before = books::since(&self.report, self.soak.last_payment.clone()).await?;
        self.soak.last_payment =
            payments_before.last().map(|last| last.payment_id.clone()).or(self.soak.last_payment.take());

        let mut people = JoinSet::new();
        people.spawn(operator::operate(world.clone(), self.rng.u64(..)));
        for _ in 0..self.options.clients {
            people.spawn(visit::come_again_and_again(world.clone(), self.rng.u64(..)));
        }
        for _ in 0..self.options.wholesalers {
            people.spawn(wholesale::order_again_and_again(world.clone(), self.rng.u64(..)));
        }
        for place in &self.places {
            let (world, hands) = (world.clone(), self.hands.clone());
            people.spawn(players::play(world, hands, place.clone(), self.rng.u64(..)));
        }
        let storm = tokio::spawn(faults::storm(self.hands.clone(), self.rng.u64(..)));
        let ends = Instant::now() + lasts;
        while Instant::now() < ends {
            tokio::time::sleep(Duration::from_secs(1).min(ends - Instant::now())).await;
            watching(self.glance(&world, began, "storm"));
        }
        storm.abort();
        // Aborted is what it is meant to be.
        let _ = storm.await;
        watching(self.glance(&world, began, "everything is healed"));
        self.hands.heal().await?;
        world.ending.store(true, Ordering::Relaxed);
        let home = async { while people.join_next().await.is_some() {} };
        let all_answered = timeout(ANSWERED_WITHIN, home).await.is_ok();
        people.abort_all();
        let rule = "every request is answered in the end";
        self.soak.verdict.check(rule, all_answered, || format!("a request still waits after {ANSWERED_WITHIN:?}"));
        watching(self.glance(&world, began, "calm, and judged"));
        self.judge(&world).await
    }

    async fn judge(&mut self, world: &World) -> anyhow::Result<()> {
        let owner = self.owner().await?;
        let sales: Vec<String> = world.sales.iter().map(|sale| sale.id.clone()).collect();
        let healed = Instant::now();
        let back = calm::comes_back(&owner, &self.report, &sales).await;
        let rule = "what should come back has";
        self.soak.verdict.check(rule, back.is_ok(), || back.err().map(|why| format!("{why:#}")).unwrap_or_default());
        self.soak.back_within = self.soak.back_within.max(healed.elapsed());

        let calm = Instant::now();
        let log: Log = std::mem::take(&mut *world.log());
        let payments: Vec<String> = log.charged.iter().map(|charged| charged.payment.clone()).collect();
        let truth = DatabaseState::read(&owner, &sales, &payments).await?;
        let books = books::since(&self.report, self.soak.last_payment.clone()).await?;
        for (kind, times) in books::disturbances(&books) {
            self.hands.counts.count_all(kind, times);
        }
        let away = self.pulse.away();
        let storm =
            Storm { name: &world.name, sales: &world.sales, log: &log, truth: &truth, payments: &books, away: &away };
        check::judge(&storm, &mut self.soak.verdict);
        self.always(always::in_sales(&owner, &sales).await?);
        self.soak.judged_within = self.soak.judged_within.max(calm.elapsed());
        for asked in &log.asked {
            // A retry gets the same one.
            let ReserveResult::Granted { hold } = asked.told else { continue };
            if self.acknowledged.insert(hold) {
                *(if asked.way == EntryPoint::Batch { &mut self.soak.by_batches } else { &mut self.soak.by_shop }) += 1;
            }
        }
        self.soak.add(&log);
        Ok(())
    }

    fn always(&mut self, rules: Vec<always::Rule>) {
        for rule in rules {
            self.soak.verdict.check(rule.says, rule.broken == 0, || format!("{} rows", rule.broken));
        }
    }

    /// Of all storms: a later crash takes nothing of an earlier one away.
    async fn all_is_still_there(&mut self, owner: &Client) -> anyhow::Result<()> {
        let all: Vec<Uuid> = self.acknowledged.iter().copied().collect();
        let mut found = 0;
        for some in all.chunks(10_000) {
            let count = "select count(*) from holdfast.reservation_hold where hold_id = any ($1)";
            found += owner.query_one(count, &[&some]).await?.get::<_, i64>(0);
        }
        let rule = "all that was acknowledged in any storm is there at the end";
        self.soak.verdict.check(rule, found == all.len() as i64, || format!("{found} of {}", all.len()));
        Ok(())
    }

    /// Whatever bought nothing, once; and nothing else.
    async fn money_is_back(&mut self, owner: &Client) -> anyhow::Result<()> {
        let back = calm::all_is_paid_back(owner).await;
        let rule = "what bought nothing is paid back in the end";
        self.soak.verdict.check(rule, back.is_ok(), || back.err().map(|why| format!("{why:#}")).unwrap_or_default());
        let (ours, theirs) = (database_state::money(owner).await?, books::totals(&self.report).await?);
        let rule = "the gateway's books and ours agree";
        self.soak.verdict.check(rule, ours == theirs, || format!("{ours:?}, and {theirs:?} at the gateway"));
        Ok(())
    }

    async fn owner(&self) -> anyhow::Result<Client> {
        let url = &self.report.database_url;
        let owner = ready::within(ANSWERED_WITHIN, "Postgres", || database::connect(url)).await?;
        // What is judged is read whole: joins of a million rows in memory, or each takes seconds.
        owner.batch_execute("set work_mem = '256MB'").await?;
        Ok(owner)
    }

    fn glance<'a>(&self, world: &World, began: Instant, doing: &'a str) -> Glance<'a> {
        let (tries, played, violations) = {
            let log = world.log();
            (log.tries, log.played.clone(), log.impossible.len() + log.played.unexplained.len())
        };
        Glance {
            elapsed: began.elapsed(),
            storm: self.soak.storms,
            doing,
            by_shop: self.soak.by_shop + world.by_shop.load(Ordering::Relaxed),
            by_batches: self.soak.by_batches + world.by_batches.load(Ordering::Relaxed),
            tries: self.soak.commands + tries,
            faults: self.hands.counts.all(),
            played: self.soak.played.commands + played.commands,
            unknown: self.soak.played.outcomes().all() + played.outcomes().all(),
            violations: self.soak.verdict.violations + violations as u64,
        }
    }
}
