//! The Postgres of the bench: its own, with the settings users have, and the connections that are kept over its cells.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::sync::Mutex;
use tokio_postgres::Client;

use super::call::Caller;
use super::variant::Variant;
use crate::database;
use crate::stack::alone::Server;

/// The database of the T1 table.
pub const T1: &str = "t1";
const TABLES: &str = include_str!("../../bench/tables.sql");
const BULK: &str = include_str!("../../bench/bulk.sql");
const ONE_CALL: &str = include_str!("../../bench/one_call.sql");
const COUNTERS: &str = include_str!("../../bench/counters.sql");
/// As the stack has it, but for connections: 256 clients, of two roles, and some to look on.
const SETTINGS: [&str; 1] = ["max_connections=600"];

pub struct Bench {
    pub server: Server,
    pub owner: Client,
    owners: Mutex<Vec<Arc<Caller>>>,
    reservers: Mutex<Vec<Arc<Caller>>>,
}

impl Bench {
    /// Starts the server and makes the database of the T1 table.
    ///
    /// # Errors
    /// Postgres does not start, or the schema cannot be applied.
    pub async fn start() -> anyhow::Result<Self> {
        let server = Server::start("bench", &SETTINGS).await?;
        server.create(T1).await?;
        let owner = database::connect(&server.url(T1)).await?;
        for sql in [TABLES.to_owned(), BULK.to_owned()].into_iter().chain(ways_of_counting()?) {
            owner.batch_execute(&sql).await.with_context(|| sql)?;
        }
        Ok(Self { server, owner, owners: Mutex::default(), reservers: Mutex::default() })
    }

    /// So many connections for a variant's calls: the function's role for the product's, the owner for the others.
    ///
    /// # Errors
    /// The server refuses one.
    pub async fn callers(&self, variant: &Variant, count: usize) -> anyhow::Result<Vec<Arc<Caller>>> {
        let (kept, url) = if variant.is_the_product() {
            (&self.reservers, self.server.url_for("reserve", T1)?)
        } else {
            (&self.owners, self.server.url(T1))
        };
        let mut kept = kept.lock().await;
        while kept.len() < count {
            kept.push(Caller::new(database::connect(&url).await?));
        }
        Ok(kept[..count].to_vec())
    }

    /// Empties everything and opens the sale `drop`, the log on disk and the next checkpoint far away.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn begin_cell(&self, skus: u64, stock: i64, units: i64) -> anyhow::Result<()> {
        let sql = format!("call bench.begin_cell({skus}, {stock}, 300, {units})");
        self.owner.batch_execute(&sql).await?;
        self.owner.batch_execute("checkpoint").await.map_err(Into::into)
    }

    /// Has every commit take `commit_ms` longer, as a quorum over the network would; 0: as it is. Answers what a lone
    /// commit then takes, which is measured, in milliseconds.
    ///
    /// # Errors
    /// The server does not take the setting, or a commit is quicker than it has to be.
    pub async fn commit_takes(&self, commit_ms: u64) -> anyhow::Result<f64> {
        let delay_us = commit_ms * 1_000;
        for setting in [format!("commit_delay = {delay_us}"), "commit_siblings = 0".to_owned()] {
            self.owner.batch_execute(&format!("alter system set {setting}")).await?;
        }
        self.owner.batch_execute("select pg_reload_conf()").await?;
        let deadline = Instant::now() + Duration::from_secs(10);
        let shown = "select setting::bigint from pg_settings where name = 'commit_delay'";
        while self.owner.query_one(shown, &[]).await?.get::<_, i64>(0) != i64::try_from(delay_us)? {
            ensure!(Instant::now() < deadline, "Postgres does not take commit_delay");
        }
        let mut commits = Vec::new();
        for _ in 0..21 {
            let began = Instant::now();
            self.owner.batch_execute("select pg_logical_emit_message(true, 'bench', 'a commit')").await?;
            commits.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        commits.sort_by(f64::total_cmp);
        ensure!(commits[0] >= commit_ms as f64, "a commit took {:.2} ms, and {commit_ms} were asked for", commits[0]);
        Ok(commits[10])
    }
}

/// `one_call.sql`, once for each way of counting in `counters.sql`.
fn ways_of_counting() -> anyhow::Result<Vec<String>> {
    let mut calls = Vec::new();
    for way in COUNTERS.split("--- ").skip(1) {
        let (name, parts) = way.split_once('\n').context("a way of counting has a name")?;
        let (declare, rest) = parts.split_once("-- first\n").context("what stands first")?;
        let (first, last) = rest.split_once("-- last\n").context("what stands last")?;
        let declare = declare.trim_start_matches("-- declare\n");
        let filled = ONE_CALL
            .replace("bench.{name}", &format!("bench.{name}"))
            .replace("\n    {declare}", &format!("\n{declare}"));
        calls
            .push(filled.replace("\n    {first}", &format!("\n{first}")).replace("\n    {last}", &format!("\n{last}")));
    }
    Ok(calls)
}
