//! Brings a running stack up to date with the sources: builds what has changed, and starts those parts again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use schema::Files;
use tokio::task::spawn_blocking;

use crate::wrangler::Wrangler;
use crate::{Stack, build, edge, functions, migrate, workspace};

/// What the parts were started with.
pub struct Running {
    pub local: edge::Local,
    pub database_url: String,
}

impl Stack {
    /// Builds what depends on the `changed` files and starts it again: `schema`'s files are applied, functions and the
    /// Worker are replaced. The names of the parts that are new.
    ///
    /// # Errors
    /// Something does not build, or the database refuses a file; what runs goes on running.
    pub async fn renew(&self, changed: &BTreeSet<PathBuf>) -> anyhow::Result<Vec<&'static str>> {
        let running = self.running.as_ref().context("the stack is not up yet")?;
        let root = workspace::root();
        let is_of = |folder: &str| changed.iter().any(|file| file.starts_with(root.join(folder)));
        let mut parts = Vec::new();
        if is_of("schema") {
            schema::migrate(&running.database_url, Files::Folder(&root.join("schema"))).await?;
            migrate::give_logins(&running.database_url, self.functions_password()).await?;
            parts.push("schema");
        }
        let aws = self.options.aws;
        let (before, worker) = (built_at(), is_of("edge") || is_of("functions"));
        let wrangler = spawn_blocking(move || {
            let wrangler = Wrangler::read()?;
            build::functions(aws)?;
            let renewed = worker && build::worker(&wrangler)?;
            anyhow::Ok(renewed.then_some(wrangler))
        });
        let wrangler = wrangler.await??;
        let after = built_at();
        for (function, at) in &after {
            if !before.contains(&(*function, *at)) {
                self.children().start_again(function);
                parts.push(*function);
            }
        }
        if let Some(wrangler) = wrangler {
            edge::lay_out(&wrangler, &running.local, &self.state.path("edge"))?;
            self.children().start_again("edge");
            parts.push("edge");
        }
        Ok(parts)
    }
}

/// When each function was built.
fn built_at() -> Vec<(&'static str, Option<SystemTime>)> {
    let at = |file: &Path| fs::metadata(file).and_then(|file| file.modified()).ok();
    let file = |function: &str| workspace::target_dir().join("debug").join(function);
    functions::INSTANCES.iter().map(|(function, _)| (*function, at(&file(function)))).collect()
}
