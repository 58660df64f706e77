//! The versioned folders that installs go to: made under another name, renamed when complete, one installer at a time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// `$XDG_CACHE_HOME/holdfast`, or where this platform keeps caches.
pub fn dir() -> anyhow::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(dir).join("holdfast"));
    }
    let home = std::env::var_os("HOME").context("HOME is not set, so there is no place to keep installed tools")?;
    let caches = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    Ok(PathBuf::from(home).join(caches).join("holdfast"))
}

/// The folder of one tool in one version, filled by `install` unless an earlier run has.
///
/// `install` gets an empty folder next to the final one; only after it succeeds does the folder get its name, so an
/// interrupted install is never taken for a finished one.
pub fn installed(name: &str, install: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<PathBuf> {
    installed_under(&dir()?.join("tools"), name, install)
}

/// As `installed`, in a folder other than the user's cache.
pub fn installed_under(
    tools: &Path,
    name: &str,
    install: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let finished = tools.join(name);
    if finished.exists() {
        return Ok(finished);
    }
    fs::create_dir_all(tools).with_context(|| format!("cannot create {}", tools.display()))?;
    let _lock = lock(tools)?;
    if finished.exists() {
        return Ok(finished);
    }
    let unfinished = tools.join(format!("{name}.unfinished"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| format!("cannot remove {}", unfinished.display()))?;
    }
    fs::create_dir_all(&unfinished)?;
    install(&unfinished).with_context(|| format!("cannot install {name}"))?;
    fs::rename(&unfinished, &finished).with_context(|| format!("cannot finish {}", finished.display()))?;
    Ok(finished)
}

/// Held until dropped; the system lets it go too when this process ends, however it ends.
fn lock(tools: &Path) -> anyhow::Result<File> {
    let path = tools.join(".lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    if file.try_lock().is_err() {
        println!("  another Holdfast is installing tools; waiting for it");
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}
