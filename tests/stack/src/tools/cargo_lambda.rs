//! `cargo-lambda`: the Lambda emulator, and later the deploy. Its Python wheel holds the finished program, and
//! tests/cargo-lambda.txt has the wheel's hashes. If that fails, nothing else is tried unasked: `HOLDFAST_CARGO_LAMBDA=cargo`
//! has cargo compile it, for a machine without Python or a system that has no wheel.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::{cache, cargo_installed, run};
use crate::workspace;

/// The same as in tests/cargo-lambda.txt, which has its hashes.
const VERSION: &str = "1.9.2";
const VARIABLE: &str = "HOLDFAST_CARGO_LAMBDA";

pub fn cargo_lambda() -> anyhow::Result<PathBuf> {
    let folder = cache::installed(&format!("cargo-lambda-{VERSION}"), |unfinished| {
        if std::env::var_os(VARIABLE).is_some_and(|way| way == "cargo") {
            return by_cargo(unfinished);
        }
        by_pip(unfinished).context(format!(
            "cargo-lambda {VERSION}, the Lambda emulator, comes as a Python wheel that is checked against its hashes, and \
             it could not be installed. Install Python 3 with venv and pip and see that PyPI can be reached; or start \
             again with {VARIABLE}=cargo, and cargo compiles it with its own lockfile: about 10 minutes, once"
        ))
    })?;
    Ok(folder.join("bin/cargo-lambda"))
}

/// Seconds. The virtual environment keeps it away from the machine's own Python packages.
fn by_pip(folder: &Path) -> anyhow::Result<()> {
    let python = ["python3", "python"].into_iter().find(|name| super::system::on_path(name).is_some());
    let python = python.context("there is no python3")?;
    run::quietly(
        "a Python environment for cargo-lambda",
        "install-cargo-lambda",
        Command::new(python).args(["-m", "venv"]).arg(folder),
    )?;
    let what = format!("pip install cargo-lambda {VERSION}, the Lambda emulator");
    run::quietly(&what, "install-cargo-lambda", &mut pip_install(folder))
}

/// Its dependency is a cross compiler that only deploying needs.
fn pip_install(folder: &Path) -> Command {
    let mut command = Command::new(folder.join("bin/python"));
    command.args(run::PIP_INSTALL).arg(workspace::root().join("tests/cargo-lambda.txt"));
    command
}

fn by_cargo(folder: &Path) -> anyhow::Result<()> {
    let what = format!("cargo install cargo-lambda {VERSION}, the Lambda emulator; about 10 minutes, once");
    let mut command = cargo_installed::cargo_install("cargo-lambda", VERSION, folder);
    run::quietly(&what, "install-cargo-lambda", &mut command)?;
    // What was compiled on the way is ten times the tool itself.
    std::fs::remove_dir_all(folder.join("target")).context("cannot remove the build folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(command: &Command) -> Vec<String> {
        command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn neither_way_installs_what_has_no_hash() {
        let folder = Path::new("somewhere");
        let pip = arguments(&pip_install(folder));
        for needed in ["--require-hashes", "--no-deps", "--requirement"] {
            assert!(pip.iter().any(|argument| argument == needed), "{needed}: {pip:?}");
        }
        let cargo = arguments(&cargo_installed::cargo_install("cargo-lambda", VERSION, folder));
        assert!(cargo.iter().any(|argument| argument == "--locked"), "{cargo:?}");
        assert!(cargo.iter().any(|argument| argument.contains(VERSION)), "{cargo:?}");
        let named = std::fs::read_to_string(workspace::root().join("tests/cargo-lambda.txt")).unwrap();
        assert!(named.contains(&format!("cargo-lambda=={VERSION} ")) && named.contains("--hash=sha256:"));
    }
}
