//! `cargo-lambda`: the Lambda emulator, and later the deploy. Its Python wheel holds the finished program.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::{cache, run};
use crate::workspace;

/// The same as in tests/cargo-lambda.txt, which has its hashes.
const VERSION: &str = "1.9.2";

pub fn cargo_lambda() -> anyhow::Result<PathBuf> {
    let folder = cache::installed(&format!("cargo-lambda-{VERSION}"), |unfinished| {
        if let Err(error) = by_pip(unfinished) {
            println!("  {error:#}");
            println!("  so cargo compiles it, which takes about 10 minutes, once");
            by_cargo(unfinished)?;
        }
        Ok(())
    })?;
    Ok(folder.join("bin/cargo-lambda"))
}

/// Seconds. The virtual environment keeps it away from the machine's own Python packages.
fn by_pip(folder: &Path) -> anyhow::Result<()> {
    let python = ["python3", "python"].into_iter().find(|name| super::system::on_path(name).is_some());
    let python = python.context("there is no python3, which would give the emulator (cargo-lambda) in seconds")?;
    run::quietly(
        "a Python environment for cargo-lambda",
        "install-cargo-lambda",
        Command::new(python).args(["-m", "venv"]).arg(folder),
    )?;
    // Its dependency is a cross compiler that only deploying needs.
    run::quietly(
        &format!("pip install cargo-lambda {VERSION}, the Lambda emulator"),
        "install-cargo-lambda",
        Command::new(folder.join("bin/python"))
            .args(run::PIP_INSTALL)
            .arg(workspace::root().join("tests/cargo-lambda.txt")),
    )
}

fn by_cargo(folder: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    run::outside_cargo(&mut command).args(["install", "--locked", &format!("cargo-lambda@{VERSION}"), "--root"]);
    command.arg(folder).current_dir(folder);
    run::quietly("cargo install cargo-lambda, the Lambda emulator", "install-cargo-lambda", &mut command)
}
