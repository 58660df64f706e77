//! schemathesis, which asks an API whatever its description allows and much that it does not: from PyPI, exactly what
//! tests/it/edge/openapi/requirements.txt names.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::{cache, run, system};
use crate::workspace;

/// The Python that has it: `python -m schemathesis.cli`.
pub fn schemathesis() -> anyhow::Result<PathBuf> {
    let requirements = workspace::root().join("tests/it/edge/openapi/requirements.txt");
    let names = fs::read(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let folder = cache::installed(&format!("schemathesis-{}", workspace::short_hash_of(&names)), |unfinished| {
        let python = ["python3", "python"].into_iter().find(|name| system::on_path(name).is_some());
        let python = python.context("there is no python3")?;
        run::quietly(
            "a Python environment for schemathesis",
            "install-schemathesis",
            Command::new(python).args(["-m", "venv"]).arg(unfinished),
        )?;
        run::quietly(
            "pip install schemathesis, which attacks the API by its description",
            "install-schemathesis",
            Command::new(unfinished.join("bin/python")).args(run::PIP_INSTALL).arg(&requirements),
        )
    })?;
    Ok(folder.join("bin/python"))
}
