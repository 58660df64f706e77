//! The plain service of `tests/load/bench/plain`: Node, Fastify and `pg`, with the guide's statements. It runs on the
//! stack's own Postgres; in a database of its own, because `audit` compares events with holds by an id that the guide does
//! not give them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;
use stack::children::{Children, Spec};
use stack::{Report, database, migrate, ports, ready, tools, workspace};
use tokio::task::spawn_blocking;
use tokio_postgres::types::{Json, ToSql, Type};

/// Connections to Postgres.
const POOL: usize = 16;
const DATABASE: &str = "plain";
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What it runs on and what it runs.
pub struct Program {
    node: PathBuf,
    server: PathBuf,
}

/// The running service.
pub struct Plain {
    pub url: String,
    /// Its parts, with their versions.
    pub made_of: String,
    children: Children,
}

impl Program {
    /// Installs what is missing, and lays the service out in `target/bench-plain`.
    ///
    /// # Errors
    /// npm cannot install it.
    pub async fn prepare() -> anyhow::Result<Self> {
        spawn_blocking(Self::laid_out).await?.context("cannot prepare the plain service that the bench compares with")
    }

    fn laid_out() -> anyhow::Result<Self> {
        let from = workspace::root().join("tests/load/bench");
        let node = tools::node()?;
        let libraries = tools::libraries(&from.join("plain"), "plain", "npm: Fastify and pg, for the plain service")?;
        let dir = workspace::root().join("target/bench-plain");
        // The libraries themselves are behind a link, and stay.
        let _ = fs::remove_dir_all(&dir);
        let service = dir.join("plain");
        fs::create_dir_all(&service).with_context(|| format!("cannot create {}", service.display()))?;
        for file in ["guide.sql", "plain/package.json", "plain/server.js"] {
            fs::copy(from.join(file), dir.join(file)).with_context(|| format!("cannot copy {file}"))?;
        }
        symlink(libraries, service.join("node_modules")).context("cannot link the libraries")?;
        Ok(Self { node, server: service.join("server.js") })
    }
}

impl Plain {
    /// Starts it among the stack's processes, with `sale` on sale. `stop` ends it, and so does the stack.
    ///
    /// # Errors
    /// It does not answer, or its commits would not be durable.
    pub async fn start(
        Program { node, server }: Program,
        report: &Report,
        sale: &Value,
        children: &Children,
    ) -> anyhow::Result<Self> {
        let database_url = with_sale(&report.database_url, sale).await?;
        let port = ports::free()?;
        let env = [
            ("DATABASE_URL", database_url),
            ("SESSION_SECRET", report.session_secret.clone()),
            ("PORT", port.to_string()),
            ("POOL", POOL.to_string()),
            ("NODE_ENV", "production".to_owned()),
        ];
        children.start(Spec {
            name: "plain".to_owned(),
            part: "plain",
            program: node,
            args: vec![server.into()],
            env: env.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            user: None,
            stop: Signal::TERM,
            patience: Duration::from_secs(5),
            prepare: Box::new(|| Ok(())),
        })?;
        let url = format!("http://127.0.0.1:{port}");
        let http = stack::http::client().build()?;
        let answers = ready::within(READY_WITHIN, "the plain service", async || {
            Ok(http.get(format!("{url}/healthz")).send().await?.error_for_status()?.text().await?)
        });
        let made_of = tokio::select! {
            made_of = answers => made_of?,
            reason = children.hopeless() => bail!(reason),
        };
        Ok(Self { url, made_of, children: children.clone() })
    }

    pub async fn stop(self) {
        self.children.stop(&["plain"]).await;
    }
}

/// The URL of a new database beside the one at `stack_url`, in which `sale` is open.
async fn with_sale(stack_url: &str, sale: &Value) -> anyhow::Result<String> {
    database::connect(stack_url).await?.batch_execute(&format!("create database {DATABASE}")).await?;
    let (server, _) = stack_url.rsplit_once('/').context("the database's URL has no path")?;
    let url = format!("{server}/{DATABASE}");
    migrate::run(&url).await?;
    let durability = migrate::durability(&url).await?;
    ensure!(durability.holds(), "the plain service's commits would not be durable: {durability}");
    let created_from = [0_u8; 32].as_slice();
    let params: [(&(dyn ToSql + Sync), Type); 2] = [(&Json(sale), Type::JSON), (&created_from, Type::BYTEA)];
    database::connect(&url).await?.query_typed("select holdfast.create_sale($1, $2)", &params).await?;
    Ok(url)
}
