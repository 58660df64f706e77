//! Tools that are written in Python, from PyPI, each in an environment of its own: exactly what a file of requirements names,
//! checked against the hashes in it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::{cache, run, system};
use crate::workspace;

/// The Python that has schemathesis, which asks an API whatever its description allows and much that it does not:
/// `python -m schemathesis.cli`.
pub fn schemathesis() -> anyhow::Result<PathBuf> {
    python_with(
        "schemathesis",
        "tests/it/edge/openapi/requirements.txt",
        "schemathesis, which attacks the API by its description",
    )
}

/// The Python that has cfn-lint, which knows what CloudFormation takes, and the translator of SAM templates:
/// `cfnlint.runner`, `samtranslator`.
pub fn cfn_lint() -> anyhow::Result<PathBuf> {
    python_with(
        "cfn-lint",
        "tests/it/workspace/template/requirements.txt",
        "cfn-lint, which checks the template of the functions",
    )
}

fn python_with(name: &str, requirements: &str, what: &str) -> anyhow::Result<PathBuf> {
    let requirements = workspace::root().join(requirements);
    let names = fs::read(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let log = format!("install-{name}");
    let folder = cache::installed(&format!("{name}-{}", workspace::short_hash_of(&names)), |unfinished| {
        let python = ["python3", "python"].into_iter().find(|name| system::on_path(name).is_some());
        let python = python.context("there is no python3")?;
        let mut venv = Command::new(python);
        venv.args(["-m", "venv"]).arg(unfinished);
        run::quietly(&format!("a Python environment for {name}"), &log, &mut venv)?;
        let mut install = Command::new(unfinished.join("bin/python"));
        install.args(run::PIP_INSTALL).arg(&requirements);
        run::quietly(&format!("pip install {what}"), &log, &mut install)
    })?;
    Ok(folder.join("bin/python"))
}
