//! A Postgres alone, started as the stack starts it, for what measures the database and nothing else.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::task::spawn_blocking;

use super::children::Children;
use super::state::{Secrets, State};
use super::{leftovers, postgres, ready};
use crate::{database, migrate, tools, workspace};

/// After `kill -9` the server replays its log first, and there may be much of it.
const BACK_WITHIN: Duration = Duration::from_secs(120);

/// It has to be ended by `remove`: dropping it leaves it to the next run.
pub struct Server {
    state: State,
    secrets: Secrets,
    children: Children,
    server_url: String,
}

impl Server {
    /// An empty one, its state in `target/{name}`; `settings` are added to those of the stack.
    ///
    /// # Errors
    /// Another run has the folder, or Postgres does not start.
    pub async fn start(name: &str, settings: &[&str]) -> anyhow::Result<Self> {
        let state = State::open(&workspace::root().join("target").join(name))?;
        leftovers::end_recorded(&state.path("pids.json"));
        let secrets = Secrets::of(&state)?;
        let children = Children::new(&state);
        let how = postgres::How { fresh: true, settings, log_dir: None };
        let url = postgres::start(&state, &secrets, how, &children).await?;
        let (server_url, _) = url.rsplit_once('/').context("the database's URL has no path")?;
        Ok(Self { server_url: server_url.to_owned(), state, secrets, children })
    }

    /// Where it keeps its state, and its user may keep what was found.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.state.dir()
    }

    /// The owner's URL of a database.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.server_url)
    }

    /// The URL of a function's role, which may log in once `create` has run.
    ///
    /// # Errors
    /// None, unless the server's own URL is not one.
    pub fn url_for(&self, function: &str, database: &str) -> anyhow::Result<String> {
        let role = format!("holdfast_{function}");
        migrate::url_for_role(&self.url(database), &role, &self.secrets.functions_password)
    }

    /// A new database with today's schema.
    ///
    /// # Errors
    /// There is one of that name, or the schema cannot be applied.
    pub async fn create(&self, name: &str) -> anyhow::Result<()> {
        let owner = database::connect(&self.url("postgres")).await?;
        owner.batch_execute(&format!("create database {name}")).await?;
        migrate::run(&self.url(name)).await?;
        migrate::give_logins(&self.url(name), &self.secrets.functions_password).await
    }

    /// `kill -9`, as a crash would; it is started again at once, and `answers` waits for that.
    pub fn kill(&self) {
        for pid in self.children.pids().into_values().flatten() {
            leftovers::signal(pid, Signal::KILL);
        }
    }

    /// Until a database answers.
    ///
    /// # Errors
    /// It does not in two minutes.
    pub async fn answers(&self, database: &str) -> anyhow::Result<()> {
        let url = self.url(database);
        ready::within(BACK_WITHIN, "Postgres", || database::connect(&url)).await.map(drop)
    }

    /// Ends it and removes its data.
    ///
    /// # Errors
    /// The data cannot be removed.
    pub async fn remove(self) -> anyhow::Result<()> {
        self.children.stop(&[]).await;
        let programs = spawn_blocking(tools::postgres).await??;
        let data = postgres::data_dir(&self.state, &programs)?;
        std::fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))
    }
}
