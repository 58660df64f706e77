//! The Postgres of the bench: its own, with the settings users have, but for how many may connect and how long a commit
//! takes.

use std::time::{Duration, Instant, SystemTime};

use anyhow::ensure;
use tokio_postgres::Client;

use super::place::Place;
use stack::alone::Server;
use stack::database;

/// As the stack has it, but for connections: 256 clients, of two roles, and some to look on; and for the cache, which the
/// manual sets to a quarter of a server's memory: of the default an empty database needs all, and a grown one much more.
const SETTINGS: [&str; 2] = ["max_connections=600", "shared_buffers=2GB"];

pub struct Bench {
    pub server: Server,
    /// For the server's own settings, from outside of every place.
    server_owner: Client,
    /// Where the T1 table, T2 and T3 are measured, emptied for each cell.
    pub t1: Place,
}

impl Bench {
    /// Starts the server, its state in `target/{name}`, and makes the database of the T1 table.
    ///
    /// # Errors
    /// Postgres does not start, or the schema cannot be applied.
    pub async fn start(name: &str) -> anyhow::Result<Self> {
        let server = Server::start(name, &SETTINGS).await?;
        let t1 = Place::make(&server, "t1").await?;
        let server_owner = database::connect(&server.url("postgres")).await?;
        Ok(Self { server, server_owner, t1 })
    }

    /// Changes settings of the server, each a `name = value`.
    ///
    /// # Errors
    /// The server does not take one.
    pub async fn set(&self, settings: &[&str]) -> anyhow::Result<()> {
        set(&self.server_owner, settings).await
    }

    /// As [`commit_takes`], of this server.
    ///
    /// # Errors
    /// As there.
    pub async fn commit_takes(&self, commit_ms: u64) -> anyhow::Result<f64> {
        commit_takes(&self.server_owner, commit_ms).await
    }
}

/// Changes settings of the server that `owner` is connected to, each a `name = value`.
async fn set(owner: &Client, settings: &[&str]) -> anyhow::Result<()> {
    for setting in settings {
        owner.batch_execute(&format!("alter system set {setting}")).await?;
    }
    let loaded = "select pg_conf_load_time()";
    let before = owner.query_one(loaded, &[]).await?.get::<_, SystemTime>(0);
    owner.batch_execute("select pg_reload_conf()").await?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while owner.query_one(loaded, &[]).await?.get::<_, SystemTime>(0) == before {
        ensure!(Instant::now() < deadline, "Postgres does not take {settings:?}");
    }
    Ok(())
}

/// Has every commit take `commit_ms` longer, as a quorum over the network would; 0: as it is. Answers what a lone
/// commit then takes, which is measured, in milliseconds.
///
/// # Errors
/// The server does not take the setting, or a commit is quicker than it has to be.
pub async fn commit_takes(owner: &Client, commit_ms: u64) -> anyhow::Result<f64> {
    let delay_us = commit_ms * 1_000;
    set(owner, &[&format!("commit_delay = {delay_us}"), "commit_siblings = 0"]).await?;
    let mut commits = Vec::new();
    for _ in 0..21 {
        let began = Instant::now();
        owner.batch_execute("select pg_logical_emit_message(true, 'bench', 'a commit')").await?;
        commits.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    commits.sort_by(f64::total_cmp);
    ensure!(commits[0] >= commit_ms as f64, "a commit took {:.2} ms, and {commit_ms} were asked for", commits[0]);
    Ok(commits[10])
}
