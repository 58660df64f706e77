//! A small disk for Postgres's log, so that it can be full without the machine's being so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use stack::{tools, workspace};

/// Twice what the log needs.
const SIZE: &str = "size=224m";

/// Unmounted when dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// # Errors
    /// This process may not mount anything.
    pub async fn mount(name: &str) -> anyhow::Result<Self> {
        let user = tokio::task::spawn_blocking(tools::postgres).await??.user.context("only root may mount one")?;
        let dir = Path::new("/var/lib/holdfast").join(workspace::short_hash()).join(format!("{name}-log"));
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        // Of a run that was killed; most often there is none.
        unmount(&dir);
        let owner = format!("{SIZE},mode=0700,uid={},gid={}", user.uid, user.gid);
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &owner, "tmpfs"]).arg(&dir).output()?;
        ensure!(output.status.success(), "mount: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(Self(dir))
    }

    pub fn dir(&self) -> PathBuf {
        self.0.clone()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

fn unmount(dir: &Path) {
    // Lazily: a process that ends in this moment may still have a file open.
    let _ = Command::new("umount").arg("--lazy").arg(dir).output();
}
