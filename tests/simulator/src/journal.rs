//! The gateway's log: one JSON line a capture and a delivery attempt, for a person who asks afterwards what was sent
//! when. No secret and no body goes into it.

use std::fs::{File, OpenOptions, create_dir_all};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use serde_json::Value;

#[derive(Clone)]
pub struct Journal(Arc<Mutex<File>>);

impl Journal {
    /// Appends, so that the lines of a gateway that was started again follow those of the one before.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(Arc::new(Mutex::new(file.with_context(|| format!("cannot write {}", path.display()))?))))
    }

    pub fn line(&self, entry: &Value) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk must not stop payments: the books in memory are what counts, the log is a convenience.
        let _ = file.write_all(format!("{entry}\n").as_bytes());
    }
}
