//! What the machine's own package manager gives. Only tests need these, so each is a `Result` of its own: a stage that
//! cannot run says why, and the others go on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use super::{is_root, run};

pub fn chromium() -> anyhow::Result<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
    let mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
    if let Some(found) = names.into_iter().find_map(on_path) {
        return Ok(found);
    }
    if Path::new(mac).exists() {
        return Ok(mac.into());
    }
    from_packages(&names, "the browser of the shop's tests", "chromium", "--cask chromium")
}

/// Drives the browser; its version has to be the browser's, which one package manager sees to.
pub fn chromedriver() -> anyhow::Result<PathBuf> {
    from_packages(&["chromedriver"], "drives the browser of the shop's tests", "chromium-driver", "--cask chromedriver")
}

pub fn pgbouncer() -> anyhow::Result<PathBuf> {
    from_packages(&["pgbouncer"], "the pooler that the functions are tested behind", "pgbouncer", "pgbouncer")
}

/// A library that shows programs another time. It is loaded into them, which only Linux allows in this way.
pub fn libfaketime() -> anyhow::Result<PathBuf> {
    // Debian keeps it by architecture.
    let found = || {
        let architectures = std::fs::read_dir("/usr/lib").ok()?;
        let library = |dir: PathBuf| dir.join("faketime/libfaketimeMT.so.1");
        architectures.filter_map(|entry| Some(library(entry.ok()?.path()))).find(|file| file.is_file())
    };
    if found().is_none() {
        apt_install(&["libfaketime"], "libfaketime, which puts the soak's clocks off,")?;
    }
    match found() {
        Some(found) => Ok(found),
        None => bail!("libfaketime is installed, and still it is not in /usr/lib"),
    }
}

/// Where a program is, by PATH and where Debian puts daemons.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(daemons).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Debian's packages, installed when this process may.
pub fn apt_install(packages: &[&str], why: &str) -> anyhow::Result<()> {
    if on_path("apt-get").is_none() {
        bail!("{why} is missing, and this machine has no apt-get to install {}", packages.join(" "));
    }
    if !is_root() {
        bail!("{why} is missing; install it with: sudo apt-get install {}", packages.join(" "));
    }
    run::ask_before(&format!("apt-get install {}: {why}", packages.join(" ")))?;
    let install = || {
        let mut command = Command::new("apt-get");
        command.args(["install", "--yes", "--no-install-recommends"]).args(packages);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        run::quietly(&format!("apt-get install {}: {why}", packages.join(" ")), "install-apt", &mut command)
    };
    if install().is_ok() {
        return Ok(());
    }
    run::quietly(
        "apt-get update, since its lists may be old",
        "install-apt-update",
        Command::new("apt-get").arg("update"),
    )?;
    install()
}

fn from_packages(names: &[&str], why: &str, debian: &str, brew: &str) -> anyhow::Result<PathBuf> {
    let found = || names.iter().find_map(|name| on_path(name));
    if let Some(found) = found() {
        return Ok(found);
    }
    if on_path("brew").is_some() {
        run::ask_before(&format!("brew install {brew}: {why}"))?;
        let mut command = Command::new("brew");
        command.arg("install").args(brew.split(' '));
        run::quietly(&format!("brew install {brew}: {why}"), "install-brew", &mut command)?;
    } else {
        apt_install(&[debian], &format!("{} ({why})", names[0]))?;
    }
    match found() {
        Some(found) => Ok(found),
        None => bail!("{debian} is installed, and still there is no {} on PATH", names[0]),
    }
}
