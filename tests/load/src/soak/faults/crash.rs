//! Processes that die without a word: of the stack, by the pids that it started; and Postgres's own, by what it says.

use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use tokio::sync::oneshot;

use super::Hands;
use stack::leftovers;
use stack::proxy::Moment;

/// How long a trigger waits for a call of a function that is not called often.
const PATIENCE: Duration = Duration::from_secs(3);

/// A connection of a function or of the pooler, and never one that watches.
const BACKENDS: &str = "select pid from pg_stat_activity
    where backend_type = 'client backend' and usename like 'holdfast\\_%' and pid <> pg_backend_pid()";

impl Hands {
    pub(super) fn kill(&self, process: &str) -> bool {
        let killed = self.kill_uncounted(process);
        if killed {
            self.counts.crashed();
        }
        killed
    }

    pub(super) fn kill_uncounted(&self, process: &str) -> bool {
        let Some(pid) = self.children.pid(process) else { return false };
        leftovers::signal(pid, Signal::KILL);
        true
    }

    /// Before, during or after a call; or whenever, where none comes.
    pub(super) async fn kill_instance(&self, function: &str, rng: &mut Rng) -> bool {
        let moment = *rng.choice(&[Moment::Before, Moment::During, Moment::After]).unwrap_or(&Moment::During);
        let (struck, at) = oneshot::channel();
        let children = self.children.clone();
        self.detours.database.trigger(&format!("{function}-"), moment, move |instance| {
            if let Some(pid) = children.pid(instance) {
                leftovers::signal(pid, Signal::KILL);
            }
            // The waiting client may have been dropped with the storm.
            let _ = struck.send(());
        });
        if matches!(tokio::time::timeout(PATIENCE, at).await, Ok(Ok(()))) {
            self.counts.crashed();
            let when = format!("{moment:?}").to_lowercase();
            self.counts.count(&format!("an instance killed {when} its call"));
            return true;
        }
        // Another trigger may have replaced this one.
        let names = self.children.names(function);
        rng.choice(&names).is_some_and(|name| self.kill(name))
    }

    async fn backend(&self, rng: &mut Rng) -> anyhow::Result<Option<(tokio_postgres::Client, i32)>> {
        let owner = self.owner().await?;
        let rows = owner.query(BACKENDS, &[]).await?;
        Ok(rng.choice(&rows).map(|row| row.get(0)).map(|pid| (owner, pid)))
    }

    pub(super) async fn terminate_backend(&self, rng: &mut Rng) -> anyhow::Result<bool> {
        let Some((owner, pid)) = self.backend(rng).await? else { return Ok(false) };
        owner.query("select pg_terminate_backend($1)", &[&pid]).await?;
        Ok(true)
    }

    /// The others have to go with it, since it may have left what they share in disorder: the server restarts itself.
    pub(super) async fn kill_backend(&self, rng: &mut Rng) -> anyhow::Result<bool> {
        let Some((_owner, pid)) = self.backend(rng).await? else { return Ok(false) };
        leftovers::signal(u32::try_from(pid)?, Signal::KILL);
        self.counts.crashed();
        Ok(true)
    }
}
