//! `cargo dev coverage`: which lines the unit tests reach and, with `--areas`, which lines of the functions those areas of
//! tests reach, as Lambda's emulator runs them. All is built with the compiler's own counters, in a folder of its own; what
//! is reached in workerd is not counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::Args;
use serde::Deserialize;
use stack::{tools, workspace};

const PACKAGES: [&str; 6] = ["edge", "functions", "deployment", "payments", "protocol", "schema"];
/// Of the host alone: the Worker is built with the flags of its own. A function is killed in many tests, so each count goes
/// to its file at once.
const FLAGS: (&str, &str) = (
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
    "-C instrument-coverage -C llvm-args=-runtime-counter-relocation",
);

#[derive(Args)]
pub struct Coverage {
    /// Only these packages [default: edge, functions, deployment, payments, protocol, schema]
    package: Vec<String>,
    /// Also what these areas of tests reach in the functions (with commas between them): minutes more
    #[arg(long, value_name = "AREA", value_delimiter = ',')]
    areas: Vec<String>,
}

/// A line of `cargo test --message-format json`.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

impl Coverage {
    pub fn run(self) -> anyhow::Result<()> {
        let packages = if self.package.is_empty() { PACKAGES.map(str::to_owned).into() } else { self.package };
        let target = workspace::root().join("target/coverage");
        let profiles = target.join("profiles");
        let _ = fs::remove_dir_all(&profiles);
        fs::create_dir_all(&profiles).with_context(|| format!("cannot create {}", profiles.display()))?;
        let counted = || {
            let mut command = Command::new("cargo");
            tools::outside_cargo(&mut command).current_dir(workspace::root()).env("CARGO_TARGET_DIR", &target);
            // What is built on the way must not leave counts where it runs.
            command.env(FLAGS.0, FLAGS.1).env("LLVM_PROFILE_FILE", "/dev/null");
            command.arg("test").args(packages.iter().flat_map(|package| ["--package", package]));
            command
        };
        println!("  building with counters ...");
        let mut build = counted();
        build.args(["--lib", "--bins", "--tests", "--no-run", "--message-format", "json-render-diagnostics"]);
        let built = build.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
        ensure!(built.status.success(), "the tests do not build");
        let messages = String::from_utf8(built.stdout)?;
        let mut programs: Vec<PathBuf> =
            messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok()?.executable).collect();
        ensure!(!programs.is_empty(), "there is nothing to run");
        for program in &programs {
            let mut test = Command::new(program);
            test.env("LLVM_PROFILE_FILE", profiles.join("%c%m.profraw")).current_dir(workspace::root());
            let output = test.stdin(Stdio::null()).output().context("cannot run a test")?;
            let said = String::from_utf8_lossy(&output.stdout);
            ensure!(output.status.success(), "{}: {}\n{said}", program.display(), output.status);
        }
        if !self.areas.is_empty() {
            let mut areas = Command::new("cargo");
            tools::outside_cargo(&mut areas).current_dir(workspace::root()).env("CARGO_TARGET_DIR", &target);
            areas.env(FLAGS.0, FLAGS.1).env("LLVM_PROFILE_FILE", profiles.join("%c%m.profraw"));
            let status = areas.args(["dev", "test"]).args(&self.areas).status().context("cannot run cargo")?;
            // A test may fail that a slower program makes fail: what was counted is true all the same.
            println!("  the areas ended with {status}");
            collect(&profiles)?;
            programs.extend(stack::functions::INSTANCES.iter().map(|(name, _)| target.join("debug").join(name)));
        }
        let mut report = Command::new("cargo");
        tools::outside_cargo(&mut report).args(["run", "--quiet", "--package", "coverage", "--"]);
        report.arg(workspace::root()).arg(&profiles).args(&programs).current_dir(workspace::root());
        let status = report.status().context("cannot run cargo")?;
        ensure!(status.success(), "reading what was counted: {status}");
        Ok(())
    }
}

/// A function that a test starts with an empty environment counts where it stands.
fn collect(profiles: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(workspace::root())? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("default_") && name.ends_with(".profraw")) {
            fs::rename(workspace::root().join(&name), profiles.join(&name))?;
        }
    }
    Ok(())
}
