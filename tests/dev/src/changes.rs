//! Which sources of the running parts change, while they do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use stack::workspace;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// What the stack is built of.
const FOLDERS: [&str; 3] = ["edge", "functions", "schema"];
/// Saving several files is one change when so little time is between them.
const QUIET: Duration = Duration::from_millis(300);

/// Sources that were written. It watches for as long as it lives.
pub struct Changes {
    files: UnboundedReceiver<PathBuf>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// # Errors
    /// The system watches no more files.
    pub fn watch() -> anyhow::Result<Self> {
        let (sender, files) = unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            if event.kind.is_access() {
                return;
            }
            // The receiver is gone only when everything ends.
            event.paths.into_iter().filter(|file| is_source(file)).for_each(|file| drop(sender.send(file)));
        })?;
        for folder in FOLDERS {
            let folder = workspace::root().join(folder);
            watcher
                .watch(&folder, RecursiveMode::Recursive)
                .with_context(|| format!("cannot watch {}", folder.display()))?;
        }
        Ok(Self { files, _watcher: watcher })
    }

    /// Waits until something is written, and then until nothing is for a moment.
    pub async fn next(&mut self) -> BTreeSet<PathBuf> {
        let mut changed = BTreeSet::new();
        let Some(first) = self.files.recv().await else { return std::future::pending().await };
        changed.insert(first);
        while let Ok(Some(file)) = timeout(QUIET, self.files.recv()).await {
            changed.insert(file);
        }
        changed
    }
}

/// A source by its name: editors write files of their own beside them, and a build writes its results.
fn is_source(file: &Path) -> bool {
    let is_built = file.starts_with(workspace::root().join("edge/build"));
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    !is_built && ["rs", "sql", "js", "css", "json", "toml", "html", "svg"].contains(&extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_editor_or_a_build_writes_is_no_source() {
        let of = |file: &str| is_source(&workspace::root().join(file));
        assert!(of("edge/src/lib.rs") && of("schema/routines/reserve.sql") && of("edge/shop/shop.css"));
        assert!(!of("edge/build/index.js") && !of("edge/src/.lib.rs.swp") && !of("functions/4913"));
    }

    #[tokio::test]
    async fn files_that_are_saved_together_are_one_change() {
        let (sender, files) = unbounded_channel();
        let watcher = notify::recommended_watcher(|_: notify::Result<Event>| {}).unwrap();
        let mut changes = Changes { files, _watcher: watcher };
        for file in ["a.rs", "b.rs", "a.rs"] {
            sender.send(PathBuf::from(file)).unwrap();
        }
        assert_eq!(changes.next().await, BTreeSet::from(["a.rs".into(), "b.rs".into()]));
    }
}
