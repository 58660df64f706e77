//! Clocks that can be put off while everything runs: one file says by how many seconds, for the Worker (which reads it
//! itself, tests/stack/js/clock.js) and for the functions (libfaketime does). Postgres and the clients keep the right time.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use stack::{tools, workspace};

pub struct Clocks {
    pub dir: PathBuf,
    /// What puts off the functions' clocks, if there is such a thing here.
    pub library: anyhow::Result<PathBuf>,
}

impl Clocks {
    /// # Errors
    /// The file cannot be written.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let dir = workspace::root().join("target").join(format!("{name}-clock"));
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        fs::write(dir.join("off"), "+0\n").context("cannot set the clocks")?;
        Ok(Self { dir, library: tools::libfaketime() })
    }

    pub fn file(&self) -> PathBuf {
        self.dir.join("off")
    }

    pub fn of_functions(&self) -> Vec<(String, String)> {
        let Ok(library) = &self.library else { return vec![] };
        let env = [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            // Time-outs use the monotonic clock, which cannot be set.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
