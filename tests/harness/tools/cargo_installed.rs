//! Tools that cargo builds: an exact version each, into the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;

use super::{cache, run};
use crate::workspace;

pub fn worker_build() -> anyhow::Result<PathBuf> {
    installed("worker-build", "worker-build", "0.8.7", "builds the Worker; about 4 minutes, once")
}

/// Its version has to be that of the `wasm-bindgen` crate which the Worker is compiled with.
pub fn wasm_bindgen() -> anyhow::Result<PathBuf> {
    let version = locked_version("wasm-bindgen")?;
    installed(
        "wasm-bindgen-cli",
        "wasm-bindgen",
        &version,
        "makes Wasm callable from JavaScript; about 3 minutes, once",
    )
}

pub fn cargo_deny() -> anyhow::Result<PathBuf> {
    installed("cargo-deny", "cargo-deny", "0.20.2", "checks licences and advisories; about 3 minutes, once")
}

fn installed(package: &str, binary: &str, version: &str, why: &str) -> anyhow::Result<PathBuf> {
    let folder = cache::installed(&format!("{package}-{version}"), |unfinished| {
        let what = format!("cargo install {package} {version}, which {why}");
        let log = format!("install-{package}");
        let locked = run::quietly(&what, &log, &mut cargo_install(package, version, unfinished, true));
        if let Err(error) = locked {
            println!("  {}", error.to_string().lines().next().unwrap_or_default());
            let again =
                format!("the same without its lockfile, which may name what the registry does not have: {package}");
            run::quietly(&again, &log, &mut cargo_install(package, version, unfinished, false))?;
        }
        // What was compiled on the way is ten times the tool itself.
        std::fs::remove_dir_all(unfinished.join("target")).context("cannot remove the build folder")
    })?;
    Ok(folder.join("bin").join(binary))
}

fn cargo_install(package: &str, version: &str, folder: &Path, locked: bool) -> Command {
    let mut command = Command::new("cargo");
    run::outside_cargo(&mut command).arg("install").arg("--root").arg(folder).arg(format!("{package}@{version}"));
    if locked {
        command.arg("--locked");
    }
    command.env("CARGO_TARGET_DIR", folder.join("target")).current_dir(folder);
    command
}

fn locked_version(package: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let path = workspace::root().join("Cargo.lock");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lock: Lock = toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let found = lock.package.into_iter().find(|found| found.name == package);
    Ok(found.with_context(|| format!("{} names no {package}", path.display()))?.version)
}
