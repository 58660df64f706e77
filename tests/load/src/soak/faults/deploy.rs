//! A deployment in the middle of it: the schema's files and new instances of the functions, one after another, the others
//! still serving beside them. With another version at hand it goes back and forth between that one and today's, either
//! part first, so that new functions meet the old schema and old ones the new; else it brings today's again.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use fastrand::Rng;
use rustix::process::Signal;

use super::Hands;
use crate::soak::version::Version;
use stack::{functions, leftovers};
use stack::{migrate, workspace};

/// What is deployed now, and what else could be.
pub struct Deployed {
    /// The folder whose functions are started, by a link that is changed.
    link: PathBuf,
    other: Option<Version>,
    /// Whether the functions and the schema are the other version's.
    now: Mutex<(bool, bool)>,
}

impl Deployed {
    /// # Errors
    /// The link cannot be made.
    pub fn todays(link: PathBuf, other: Option<Version>) -> anyhow::Result<Self> {
        let deployed = Self { link, other, now: Mutex::default() };
        deployed.point_to(&workspace::target_dir().join("debug"))?;
        Ok(deployed)
    }

    fn point_to(&self, functions: &Path) -> anyhow::Result<()> {
        let next = self.link.with_extension("next");
        // One that a run left behind.
        let _ = std::fs::remove_file(&next);
        symlink(functions, &next).and_then(|()| std::fs::rename(&next, &self.link)).context("cannot name the functions")
    }

    fn set(&self, set: impl FnOnce(&mut (bool, bool))) -> (bool, bool) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        set(&mut now);
        *now
    }
}

impl Hands {
    pub(super) async fn deploy(&self, rng: &mut Rng) -> anyhow::Result<bool> {
        // Drawn whether or not there is another version, so that what is drawn later is the same.
        let (schema_first, schema, functions) = (rng.bool(), rng.bool(), rng.bool());
        if schema_first {
            self.bring_schema(schema).await?;
        }
        self.bring_functions(functions)?;
        for (function, _) in functions::INSTANCES {
            for name in self.children.names(function) {
                self.end(&name);
                tokio::time::sleep(Duration::from_millis(rng.u64(10..150))).await;
            }
        }
        if !schema_first {
            self.bring_schema(schema).await?;
        }
        Ok(true)
    }

    /// Today's version, everywhere.
    pub(super) async fn deploy_todays(&self) -> anyhow::Result<()> {
        let (functions, schema) = self.deployed.set(|_| ());
        if functions {
            self.bring_functions(false)?;
            let names = functions::INSTANCES.iter().flat_map(|(function, _)| self.children.names(function));
            names.for_each(|name| self.end(&name));
        }
        if schema {
            self.bring_schema(false).await?;
        }
        Ok(())
    }

    fn end(&self, instance: &str) {
        if let Some(pid) = self.children.pid(instance) {
            leftovers::signal(pid, Signal::TERM);
        }
    }

    fn bring_functions(&self, other: bool) -> anyhow::Result<()> {
        let Some(version) = &self.deployed.other else { return Ok(()) };
        let todays = workspace::target_dir().join("debug");
        self.deployed.point_to(if other { &version.functions } else { &todays })?;
        self.count_deployed(|(functions, _)| *functions = other);
        Ok(())
    }

    async fn bring_schema(&self, other: bool) -> anyhow::Result<()> {
        match &self.deployed.other {
            // As for files that have changed, every one of them.
            None => {
                self.owner().await?.batch_execute("delete from public.holdfast_current_file").await?;
                migrate::run(&self.database_url).await?;
            }
            Some(version) => {
                // Said before it is done: what is half done has to be undone, too.
                self.deployed.set(|(_, schema)| *schema |= other);
                if other {
                    migrate::routines_of(&self.database_url, &version.schema).await?;
                } else {
                    migrate::run(&self.database_url).await?;
                }
                self.count_deployed(|(_, schema)| *schema = other);
            }
        }
        Ok(())
    }

    fn count_deployed(&self, set: impl FnOnce(&mut (bool, bool))) {
        match self.deployed.set(set) {
            (true, false) => self.counts.count("old functions on the new schema"),
            (false, true) => self.counts.count("new functions on the old schema"),
            _ => {}
        }
    }
}
