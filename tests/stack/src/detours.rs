//! What may stand between the parts of a stack: a proxy on each of the three ways that a purchase takes, a pooler in
//! front of the database, and another idea of the time. Whoever has these can break what goes on there; `soak` does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use super::functions;
use crate::production::Production;
use crate::proxy::{Proxy, Speech};

/// Postgres's settings behind detours: when what was committed is known to the moment, and the log is small, so that its
/// disk can be filled. After a crash the whole file system is synced at once where that can be asked for, which is as
/// safe as file by file, and ten times as fast with a thousand of them: the time is for what is tested.
const SETTINGS: [&str; 4] = [
    "track_commit_timestamp=on",
    "min_wal_size=32MB",
    "max_wal_size=96MB",
    if cfg!(target_os = "linux") { "recovery_init_sync_method=syncfs" } else { "recovery_init_sync_method=fsync" },
];

/// Clones are the same detours.
#[derive(Clone)]
pub struct Detours {
    /// Before the Worker: for buyers and gateways.
    pub shop: Proxy,
    /// Between the Worker and the functions.
    pub lambda: Proxy,
    /// Between the functions and the database; each instance comes by a door of its own.
    pub database: Proxy,
    /// What the functions find in their environment.
    pub env: Vec<(String, String)>,
    /// A folder whose file `off` says by how many seconds the Worker's clock is off.
    pub clock_dir: Option<PathBuf>,
    /// Where Postgres keeps its log: an empty folder of its user's.
    pub log_dir: Option<PathBuf>,
    /// A folder of functions that are started in place of those that were built last.
    pub functions: Option<PathBuf>,
}

impl Detours {
    /// Proxies that only pass on.
    ///
    /// # Errors
    /// No port is free.
    pub async fn new(
        env: Vec<(String, String)>,
        clock_dir: Option<PathBuf>,
        log_dir: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let (shop, lambda) = (Proxy::new(Speech::Http), Proxy::new(Speech::Http));
        let database = Proxy::new(Speech::Postgres);
        shop.open("").await?;
        lambda.open("").await?;
        for (function, instances) in functions::INSTANCES {
            for number in 1..=instances {
                database.open(&format!("{function}-{number}")).await?;
            }
        }
        Ok(Self { shop, lambda, database, env, clock_dir, log_dir, functions: None })
    }

    /// Where they lead.
    pub fn lead(&self, pooler_port: u16, lambda_port: u16, edge_port: u16) {
        for (proxy, port) in [(&self.database, pooler_port), (&self.lambda, lambda_port), (&self.shop, edge_port)] {
            proxy.lead_to(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
    }

    /// What the ways take, as long as they are there.
    pub fn keep_distance(&self, production: Production) {
        self.lambda.keep_delay(Duration::from_millis(production.function_ms));
        self.database.keep_delay(Duration::from_millis(production.database_ms));
    }

    /// The database as whoever comes by this door is to reach it.
    pub fn database_url(&self, url: &str, door: &str) -> anyhow::Result<String> {
        let (login, place) = url.rsplit_once('@').context("a database's URL has a user")?;
        let (_, database) = place.split_once('/').context("a database's URL has a path")?;
        let port = self.database.port(door)?;
        // A proxy that reads what passes cannot have it enciphered.
        Ok(format!("{login}@127.0.0.1:{port}/{database}?sslmode=disable"))
    }

    pub fn of_postgres(&self) -> (&[&'static str], Option<&std::path::Path>) {
        (&SETTINGS, self.log_dir.as_deref())
    }
}
