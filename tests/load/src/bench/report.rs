//! Everything a run has found, as `bench.json` in the run's folder has it and as it is printed.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;
use tokio_postgres::Client;

use super::arrivals::Waiting;
use super::crash::Crashes;
use super::edge::Measured as Edge;
use super::growth::Grown;
use super::t1::{Cell, Safety};
use super::t2::Confirms;
use super::t3::Swept;
use super::table::{times, whole};
use super::target::Target;
use stack::workspace;

#[derive(Default, Serialize)]
pub struct Report {
    pub server: Vec<(String, String)>,
    pub processors: usize,
    pub lone_commit_ms: Vec<(u64, f64)>,
    pub safety: Vec<Safety>,
    pub cells: Vec<Cell>,
    pub waiting: Vec<Waiting>,
    pub confirms: Vec<Confirms>,
    pub swept: Vec<Swept>,
    pub history_holds: i64,
    pub growth: Vec<Grown>,
    pub crashes: Vec<Crashes>,
    pub edge: Option<Edge>,
    pub targets: Vec<Target>,
}

/// What a reader of the numbers has to know of the server.
const SETTINGS: &str = "select name, current_setting(name) from pg_settings where name in
    ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size',
     'max_connections', 'wal_level', 'autovacuum', 'checkpoint_timeout', 'commit_siblings') order by name";

impl Report {
    /// Notes what the server is set to.
    ///
    /// # Errors
    /// It does not say.
    pub async fn of(owner: &Client) -> anyhow::Result<Self> {
        let rows = owner.query(SETTINGS, &[]).await?;
        let server = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        Ok(Self { server, processors, ..Self::default() })
    }

    #[must_use]
    pub fn heading(&self) -> String {
        let settings: Vec<String> = self.server.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} processors; {}", self.processors, settings.join(" "))
    }

    /// What was to be reached, a line each.
    #[must_use]
    pub fn verdict(&self) -> String {
        let line = |target: &Target| {
            let number = |value: f64| if target.wanted >= 1_000.0 { whole(value) } else { times(value) };
            let (bound, mark) =
                (if target.at_least { ">=" } else { "<=" }, if target.reached { "reached" } else { "MISSED" });
            format!(
                "  {mark:8} {:>8} {bound} {:>8}   {}\n",
                number(target.measured),
                number(target.wanted),
                target.what
            )
        };
        self.targets.iter().map(line).collect()
    }

    /// Writes it to `bench.json` in `target/{name}`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = workspace::root().join("target").join(name);
        std::fs::create_dir_all(&folder)?;
        let path = folder.join("bench.json");
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}
