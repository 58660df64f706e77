//! The machine below: a disk that is full, clocks that are off, a pooler that has no connection left, a scheduler that
//! comes twice or not at all.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use fastrand::Rng;
use tokio::time::timeout;

use super::Hands;
use stack::database;
use stack::{pooler, scheduler};

/// Functions and Worker, ahead and behind.
const OFF_S: [i64; 2] = [600, -600];
const BALLAST: &str = "ballast";

impl Hands {
    /// Fills what is left beside the log, and has the log grow into it: the server ends itself, and cannot come back
    /// before there is room again.
    pub(super) async fn fill_disk(&self) -> anyhow::Result<bool> {
        let Some(dir) = &self.detours.log_dir else { return Ok(false) };
        let owner = self.owner().await?;
        let mut ballast = fs::File::create(dir.join(BALLAST)).context("cannot create the ballast")?;
        let piece = vec![0_u8; 1 << 20];
        // To the last byte: the write that fails is what it is for.
        while std::io::Write::write_all(&mut ballast, &piece).is_ok() {}
        let grow = async {
            for _ in 0..20 {
                let more =
                    "select pg_logical_emit_message(false, 'soak', repeat('x', 4000000)); select pg_switch_wal()";
                if owner.batch_execute(more).await.is_err() {
                    return;
                }
            }
        };
        // Whether it is an answer or none depends on whether the server is still there.
        let _ = timeout(Duration::from_secs(3), grow).await;
        let panicked = timeout(Duration::from_secs(1), owner.simple_query("")).await.is_ok_and(|asked| asked.is_err());
        if panicked {
            self.counts.crashed();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.empty_disk()?;
        Ok(panicked)
    }

    pub(super) fn empty_disk(&self) -> anyhow::Result<()> {
        let Some(ballast) = self.detours.log_dir.as_ref().map(|dir| dir.join(BALLAST)) else { return Ok(()) };
        if ballast.exists() {
            fs::remove_file(&ballast).with_context(|| format!("cannot remove {}", ballast.display()))?;
        }
        Ok(())
    }

    pub(super) async fn put_clocks_off(&self, rng: &mut Rng) -> anyhow::Result<bool> {
        self.set_clocks(*rng.choice(&OFF_S).unwrap_or(&OFF_S[0]))?;
        tokio::time::sleep(Duration::from_millis(rng.u64(3_000..8_000))).await;
        self.set_clocks(0)?;
        Ok(true)
    }

    pub(super) fn set_clocks(&self, off_s: i64) -> anyhow::Result<()> {
        let file = &self.clock_file;
        let next = file.with_extension("next");
        // Whole or not at all: it is read at any moment.
        fs::write(&next, format!("{off_s:+}\n")).and_then(|()| fs::rename(&next, file)).context("cannot set the clocks")
    }

    async fn pooler_console(&self) -> anyhow::Result<tokio_postgres::Client> {
        let port = self.detours.database.target().context("the pooler is not there yet")?.port();
        database::connect(&pooler::console_url(port, &self.functions_password)).await
    }

    /// No client gets a connection; one that waits too long gets an error.
    pub(super) async fn pause_pooler(&self, rng: &mut Rng) -> anyhow::Result<bool> {
        let console = self.pooler_console().await?;
        // It waits for those that have one, and a storm may leave it waiting.
        let paused =
            timeout(Duration::from_secs(2), console.simple_query("PAUSE")).await.is_ok_and(|done| done.is_ok());
        tokio::time::sleep(Duration::from_millis(rng.u64(500..4_000))).await;
        self.resume_pooler().await?;
        Ok(paused)
    }

    /// Drops every connection by way of the pooler to this database, and the clients that wait for one.
    pub(in crate::soak) async fn hang_up_on(&self, database: &str) -> anyhow::Result<()> {
        let console = self.pooler_console().await?;
        console.simple_query(&format!("KILL {database}")).await?;
        // One that has started since does not have the setting.
        match console.simple_query(&format!("RESUME {database}")).await {
            Err(error) if error.as_db_error().is_none() => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(super) async fn resume_pooler(&self) -> anyhow::Result<()> {
        // One that was not paused says so, as an error.
        match self.pooler_console().await?.simple_query("RESUME").await {
            Err(error) if error.as_db_error().is_none() => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(super) async fn schedulers(&self, number: usize, rng: &mut Rng) -> anyhow::Result<bool> {
        self.schedulers_now(number);
        tokio::time::sleep(Duration::from_millis(rng.u64(2_000..7_000))).await;
        self.schedulers_now(1);
        Ok(true)
    }

    pub(super) fn schedulers_now(&self, number: usize) {
        let every = Duration::from_secs(1);
        let how = scheduler::How { hushed: true, like_production: false };
        let begin = |_| tokio::spawn(scheduler::run("expire", self.lambda_url.clone(), every, how));
        let mut schedulers = self.schedulers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        schedulers.drain(..).for_each(|scheduler| scheduler.abort());
        schedulers.extend((0..number).map(begin));
    }
}
