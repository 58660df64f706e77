//! Another version of Holdfast, as its history has it: its functions, built, and the files of its schema. A deployment
//! goes from one version to another, and for a while both are there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use stack::migrate::{FUNCTIONS, REPEATABLE};
use stack::{tools, workspace};

#[derive(Clone, Debug)]
pub struct Version {
    /// As git shortens it.
    pub name: String,
    /// A folder with its functions.
    pub functions: PathBuf,
    /// A folder with its schema's files, laid out as today's.
    pub schema: PathBuf,
}

impl Version {
    /// Builds what git knows by `revision`; none: the last version whose functions or schema were others than today's.
    ///
    /// # Errors
    /// The history does not go so far back, or that version cannot be built.
    pub fn build(revision: Option<&str>) -> anyhow::Result<Self> {
        let revision = match revision {
            Some(revision) => revision.to_owned(),
            None => git(&["log", "--format=%H", "-n", "2", "--", "functions", "schema"])?
                .lines()
                .nth(1)
                .context("the history has one version only")?
                .to_owned(),
        };
        let name = git(&["rev-parse", "--short=12", "--verify", &format!("{revision}^{{commit}}")])?.trim().to_owned();
        let all = workspace::root().join("target/versions");
        let dir = all.join(&name);
        let version = Self { functions: dir.join("bin"), schema: dir.join("schema"), name };
        if !version.functions.exists() {
            version.make(&dir, &all)?;
        }
        lay_out(&version.schema)?;
        Ok(version)
    }

    fn make(&self, dir: &Path, all: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let packed = dir.join("sources.tar");
        git(&["archive", "--output", &packed.to_string_lossy(), &self.name])?;
        let unpacked = Command::new("tar").arg("-xf").arg(&packed).arg("-C").arg(dir).status().context("tar")?;
        ensure!(unpacked.success(), "tar: {unpacked}");
        let mut build = Command::new("cargo");
        tools::outside_cargo(&mut build).args(["build", "--package", "functions", "--bins", "--features", "aws"]);
        // Shared by the versions: most of what they are built of is the same.
        build.env("CARGO_TARGET_DIR", all.join("build")).current_dir(dir);
        tools::quietly(&format!("building the functions of {}", self.name), "build-version", &mut build)?;
        // All or none: that they are there says that they are whole.
        let begun = dir.join("bin-begun");
        fs::create_dir_all(&begun).with_context(|| format!("cannot create {}", begun.display()))?;
        for function in FUNCTIONS {
            let theirs = all.join("build/debug").join(function);
            // One that they did not have yet goes on as it is today.
            let built = if theirs.exists() { theirs } else { workspace::target_dir().join("debug").join(function) };
            fs::copy(&built, begun.join(function)).with_context(|| format!("cannot copy {}", built.display()))?;
        }
        fs::rename(begun, &self.functions).context("cannot name what was built")
    }
}

/// Earlier versions had all files of the schema side by side: brings them into the folders of today's layout.
fn lay_out(schema: &Path) -> anyhow::Result<()> {
    for file in REPEATABLE {
        let (from, to) = (schema.join(file.name()), schema.join(file.path));
        if from != to && from.exists() {
            fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
            fs::rename(&from, &to).with_context(|| format!("cannot move {}", from.display()))?;
        }
    }
    Ok(())
}

fn git(words: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").args(words).current_dir(workspace::root()).output().context("cannot run git")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", words[0], said.trim());
    Ok(String::from_utf8(output.stdout)?)
}
