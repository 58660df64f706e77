//! `stack.json`: the addresses of the running stack, for as long as it runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::children::Children;
use super::ready;
use super::state::{Roles, Secrets, write_private};

/// The addresses and secrets of a running stack, as `cargo dev up` writes them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Report {
    pub edge_url: String,
    pub lambda_url: String,
    pub gateway_url: String,
    pub database_url: String,
    pub session_secret: String,
    pub admin_token: String,
    pub admin_tokens: Roles,
    pub metrics_token: String,
    pub webhook_secret: String,
    /// The processes by part, as they were when the file was written; empty where it was not read from the file.
    #[serde(default)]
    pub pids: BTreeMap<String, Value>,
}

impl Report {
    pub fn new(
        edge_url: String,
        lambda_url: String,
        gateway_url: String,
        database_url: String,
        secrets: &Secrets,
    ) -> Self {
        let Secrets { session_secret, admin_token, admin_tokens, metrics_token, webhook_secret, .. } = secrets.clone();
        Self {
            edge_url,
            lambda_url,
            gateway_url,
            database_url,
            session_secret,
            admin_token,
            admin_tokens,
            metrics_token,
            webhook_secret,
            pids: BTreeMap::new(),
        }
    }

    /// A request that the database answers shows that the Worker, the emulator, an instance and Postgres work together.
    pub async fn until_everything_answers(&self) -> anyhow::Result<()> {
        let client = crate::http::client().build()?;
        let url = format!("{}/v1/sales/no-such-sale", self.edge_url);
        ready::within(Duration::from_secs(30), "the shop", async || {
            let answer = client.get(&url).timeout(Duration::from_secs(10)).send().await?;
            ensure!(answer.status() == 404, "asking for a sale was answered {}", answer.status());
            Ok(())
        })
        .await
    }

    /// Writes the file now, and again each time a process has been started or has died.
    pub fn keep_written(self, path: PathBuf, children: &Children) -> anyhow::Result<JoinHandle<()>> {
        let mut changes = children.changes();
        let children = children.clone();
        self.write(&path, &children)?;
        Ok(tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                if let Err(error) = self.write(&path, &children) {
                    println!("{error:#}");
                }
            }
        }))
    }

    fn write(&self, path: &Path, children: &Children) -> anyhow::Result<()> {
        let mut report = serde_json::to_value(self)?;
        report["pids"] = pids(children.pids());
        write_private(path, &serde_json::to_vec_pretty(&report)?)
    }
}

/// One number for what there is one of, a list for a function's instances.
fn pids(pids: BTreeMap<&'static str, Vec<u32>>) -> Value {
    let shown = pids.into_iter().map(|(part, pids)| match (part, pids.as_slice()) {
        ("postgres" | "edge" | "lambda", [pid]) => (part.to_owned(), json!(pid)),
        (_, pids) => (part.to_owned(), json!(pids)),
    });
    Value::Object(shown.collect())
}
