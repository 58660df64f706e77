//! A deployment in the middle of it: the schema's files again, over what runs, and new instances one after another, the
//! old ones still serving beside them.

use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;

use super::Hands;
use crate::migrate;
use crate::stack::{functions, leftovers};

impl Hands {
    pub(super) async fn deploy(&self, rng: &mut Rng) -> anyhow::Result<bool> {
        let schema_first = rng.bool();
        if schema_first {
            self.migrate().await?;
        }
        for (function, _) in functions::INSTANCES {
            for name in self.children.names(function) {
                if let Some(pid) = self.children.pid(&name) {
                    leftovers::signal(pid, Signal::TERM);
                }
                tokio::time::sleep(Duration::from_millis(rng.u64(10..150))).await;
            }
        }
        if !schema_first {
            self.migrate().await?;
        }
        Ok(true)
    }

    /// As for files that have changed, every one of them.
    async fn migrate(&self) -> anyhow::Result<()> {
        self.owner().await?.batch_execute("delete from public.holdfast_current_file").await?;
        migrate::run(&self.database_url).await.map(drop)
    }
}
