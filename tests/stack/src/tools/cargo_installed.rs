//! Tools that cargo builds: an exact version each, with its own lockfile, into the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;

use super::{cache, run};
use crate::workspace;

pub fn worker_build() -> anyhow::Result<PathBuf> {
    installed("worker-build", "worker-build", "0.8.7", "builds the Worker; about 2 minutes, once")
}

/// Its version has to be that of the `wasm-bindgen` crate which the Worker is compiled with. It is built from
/// tests/wasm-bindgen, whose lockfile is ours.
pub fn wasm_bindgen() -> anyhow::Result<PathBuf> {
    let source = workspace::root().join("tests/wasm-bindgen");
    let lock = std::fs::read(source.join("Cargo.lock")).context("cannot read tests/wasm-bindgen/Cargo.lock")?;
    let (ours, theirs) = (locked_version(Path::new("Cargo.lock"), "wasm-bindgen")?, {
        locked_version(Path::new("tests/wasm-bindgen/Cargo.lock"), "wasm-bindgen-cli")?
    });
    anyhow::ensure!(
        ours == theirs,
        "the Worker is compiled with wasm-bindgen {ours}, and tests/wasm-bindgen has {theirs}: set it to ={ours} there, \
         then run `cargo generate-lockfile` in that folder"
    );
    let folder = cache::installed(&format!("wasm-bindgen-{}", workspace::short_hash_of(&lock)), |unfinished| {
        let what = format!(
            "cargo install wasm-bindgen {ours}, which makes Wasm callable from JavaScript; about 2 minutes, once"
        );
        let mut command = Command::new("cargo");
        run::outside_cargo(&mut command).args(["install", "--locked", "--root"]).arg(unfinished).arg("--path");
        command.arg(&source).env("CARGO_TARGET_DIR", unfinished.join("target")).current_dir(unfinished);
        run::quietly(&what, "install-wasm-bindgen", built_quickly(&mut command, "1"))?;
        std::fs::remove_dir_all(unfinished.join("target")).context("cannot remove the build folder")
    })?;
    Ok(folder.join("bin/wasm-bindgen"))
}

pub fn cargo_deny() -> anyhow::Result<PathBuf> {
    installed("cargo-deny", "cargo-deny", "0.20.2", "checks licences and advisories; about 2 minutes, once")
}

fn installed(package: &str, binary: &str, version: &str, why: &str) -> anyhow::Result<PathBuf> {
    let folder = cache::installed(&format!("{package}-{version}"), |unfinished| {
        let what = format!("cargo install {package} {version}, which {why}");
        let log = format!("install-{package}");
        run::quietly(&what, &log, built_quickly(&mut cargo_install(package, version, unfinished), "0"))?;
        // What was compiled on the way is ten times the tool itself.
        std::fs::remove_dir_all(unfinished.join("target")).context("cannot remove the build folder")
    })?;
    Ok(folder.join("bin").join(binary))
}

/// With the lockfile that the package was published with, which has a hash for everything: there is no way without it.
pub(super) fn cargo_install(package: &str, version: &str, folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    run::outside_cargo(&mut command).args(["install", "--locked", "--root"]).arg(folder);
    command.arg(format!("{package}@{version}"));
    command.env("CARGO_TARGET_DIR", folder.join("target")).current_dir(folder);
    command
}

/// They run for seconds, and rarely: whole-program optimisation, which their manifests ask for, takes longer than it saves.
fn built_quickly<'a>(command: &'a mut Command, opt_level: &str) -> &'a mut Command {
    command
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", opt_level)
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
}

/// The version of `package` in a lockfile of this workspace.
fn locked_version(lockfile: &Path, package: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let path = workspace::root().join(lockfile);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lock: Lock = toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let found = lock.package.into_iter().find(|found| found.name == package);
    Ok(found.with_context(|| format!("{} names no {package}", path.display()))?.version)
}
