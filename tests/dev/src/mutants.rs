//! `cargo dev mutants`: whether the checks can fail. Each mutant breaks a promise in a scratch copy, and its test must see it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::mutant::{self, Catcher, Mutant};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use stack::{Options, Stack, ready};
use stack::{database, migrate, tools, workspace};
use tokio::process::Command;
use tokio::time::timeout;

use crate::test::{Area, build, cargo};
use crate::up::Ends;

/// A mutant may wait for ever for what it broke.
const PATIENCE: Duration = Duration::from_secs(300);
/// The same for a mutant of the Worker or a function: it is built first.
const PATIENCE_WITH_BUILD: Duration = Duration::from_secs(1_800);
/// Postgres, after a crash.
const BACK_WITHIN: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct Mutants {
    /// Only those whose names contain one of these
    name: Vec<String>,
    /// Says what there is
    #[arg(long)]
    list: bool,
}

/// Where they are tried: a copy of the sources, what is built of it, and the tests as they are.
struct Bench {
    root: PathBuf,
    target: PathBuf,
    tests: Vec<Area>,
    stack: Option<Stack>,
    database_url: String,
}

impl Mutants {
    pub fn run(self) -> anyhow::Result<()> {
        let wanted = |mutant: &Mutant| self.name.is_empty() || self.name.iter().any(|name| mutant.name.contains(name));
        let mutants: Vec<Mutant> = mutant::all()?.into_iter().filter(wanted).collect();
        ensure!(!mutants.is_empty(), "no mutant has such a name; --list says what there is");
        if self.list {
            mutants.iter().for_each(|mutant| println!("  {:24} {}", mutant.name, mutant.says));
            return Ok(());
        }
        tokio::runtime::Runtime::new()?.block_on(all(mutants))
    }
}

async fn all(mutants: Vec<Mutant>) -> anyhow::Result<()> {
    let dir = workspace::root().join("target/mutants");
    let mut bench = Bench {
        root: dir.join("tree"),
        target: dir.join("build"),
        tests: vec![],
        stack: None,
        database_url: String::new(),
    };
    copy_sources(&bench.root).await?;
    let mut ends = Ends::new()?;
    let outcome = tokio::select! {
        outcome = bench.try_all(&mutants) => outcome,
        () = ends.asked() => {
            tools::interrupt();
            Err(anyhow::anyhow!("interrupted"))
        }
    };
    if let Some(stack) = bench.stack.take() {
        stack.stop().await;
    }
    outcome
}

impl Bench {
    async fn try_all(&mut self, mutants: &[Mutant]) -> anyhow::Result<()> {
        let began = Instant::now();
        let area_of = |mutant: &Mutant| match &mutant.catcher {
            Catcher::Stack { area, .. } if mutant.is_sql() => Some(area.clone()),
            Catcher::Stack { .. } | Catcher::Unit { .. } => None,
        };
        let areas: BTreeSet<String> = mutants.iter().filter_map(area_of).collect();
        if !areas.is_empty() {
            self.tests = build(&Vec::from_iter(areas)).await?;
            let stack = self.stack.insert(Stack::prepare(Options::for_tests("mutants/stack"))?);
            self.database_url = stack.bring_up().await?.database_url;
        }
        self.build_unit_tests(mutants).await?;
        // A test that fails without any mutant would catch them all.
        for mutant in mutants {
            ensure!(self.test_passes(mutant).await?, "{:?} fails as it is", mutant.catcher);
        }
        println!("  their tests pass without them: {:.0} s", began.elapsed().as_secs_f64());
        let mut survivors = vec![];
        for mutant in mutants {
            let began = Instant::now();
            let caught = self.is_caught(mutant).await.with_context(|| format!("the mutant {}", mutant.name))?;
            let verdict = if caught { "caught" } else { "SURVIVED" };
            println!("  {verdict:8} {:24} {:5.1} s  {}", mutant.name, began.elapsed().as_secs_f64(), mutant.says);
            if !caught {
                survivors.push(mutant.name.as_str());
            }
        }
        let caught = mutants.len() - survivors.len();
        println!("\n  {caught} caught, {} survived, {:.0} s", survivors.len(), began.elapsed().as_secs_f64());
        ensure!(survivors.is_empty(), "survived, each a missing test: {}", survivors.join(", "));
        Ok(())
    }

    /// With the mutant in the scratch copy, and in the stack's database where it is the database's.
    async fn is_caught(&self, mutant: &Mutant) -> anyhow::Result<bool> {
        mutant.apply(&self.root)?;
        let passes = match mutant.catcher {
            Catcher::Stack { .. } if mutant.is_sql() => {
                let changed = migrate::routines_of(&self.database_url, &self.root.join("schema")).await;
                let passes = self.test_passes(mutant).await;
                mutant.revert(&self.root)?;
                // A test that kills Postgres, and fails then, leaves it on its way up.
                ready::within(BACK_WITHIN, "Postgres", || database::connect(&self.database_url)).await?;
                migrate::routines_of(&self.database_url, &self.root.join("schema")).await?;
                changed.and(passes)
            }
            Catcher::Unit { .. } | Catcher::Stack { .. } => self.test_passes(mutant).await,
        };
        mutant.revert(&self.root)?;
        Ok(!passes?)
    }

    fn unit_tests(&self, package: &str) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        // Each mutant is built once and run for a moment: what the compiler saves counts, not what the test does.
        command.envs([("CARGO_PROFILE_DEV_OPT_LEVEL", "0"), ("CARGO_PROFILE_DEV_DEBUG", "0")]);
        command.args(["test", "--quiet", "--package", package, "--lib"]);
        command
    }

    /// Beforehand, all that they stand on: the first time takes longer than a test may.
    async fn build_unit_tests(&self, mutants: &[Mutant]) -> anyhow::Result<()> {
        let package = |mutant: &Mutant| match &mutant.catcher {
            Catcher::Unit { package, .. } => Some(package.clone()),
            Catcher::Stack { .. } => None,
        };
        for package in mutants.iter().filter_map(package).collect::<BTreeSet<_>>() {
            println!("  building the tests of {package} ...");
            let mut command = self.unit_tests(&package);
            let built = command.arg("--no-run").kill_on_drop(true).status().await.context("cannot run cargo")?;
            ensure!(built.success(), "the tests of {package} do not build");
        }
        Ok(())
    }

    /// The same for what the Worker or a function is built of: the scratch copy builds it, and has a stack of its own.
    async fn passes_in_the_copy(&self, area: &str, test: &str) -> anyhow::Result<bool> {
        let mut command = cargo();
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", self.target.join("copy"));
        command.args(["run", "--quiet", "--bin", "dev", "--"]);
        command.args(["test", area, "--all", "--only", test]);
        let run = command.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).kill_on_drop(true).output();
        let Ok(output) = timeout(PATIENCE_WITH_BUILD, run).await else { return Ok(false) };
        let output = output.context("cannot run the test")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (passed, failed) = (text.contains("\n1 passed, 0 failed"), text.contains("\n0 passed, 1 failed"));
        ensure!(passed != failed, "{test} was not run:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(passed)
    }

    /// Whether its test passes as things are. One that does not come to its end does not.
    async fn test_passes(&self, mutant: &Mutant) -> anyhow::Result<bool> {
        if let (Catcher::Stack { area, test }, false) = (&mutant.catcher, mutant.is_sql()) {
            return self.passes_in_the_copy(area, test).await;
        }
        let (mut command, test) = match (&mutant.catcher, &self.stack) {
            (Catcher::Stack { area, test }, Some(stack)) => {
                let program = self.tests.iter().find(|tests| tests.name == *area);
                let mut command = Command::new(&program.with_context(|| format!("there is no area {area}"))?.program);
                command.env("HOLDFAST_STACK", stack.report_path());
                command.env(migrate::ANOTHER_SCHEMA, self.root.join("schema"));
                command.args(["--include-ignored", "--exact", test]);
                (command, test)
            }
            (Catcher::Unit { package, test }, ..) => {
                let mut command = self.unit_tests(package);
                command.args(["--", "--include-ignored", "--exact", test]);
                (command, test)
            }
            (Catcher::Stack { .. }, None) => bail!("there is no stack to run it on"),
        };
        let run = command.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).kill_on_drop(true).output();
        let Ok(output) = timeout(PATIENCE, run).await else { return Ok(false) };
        let output = output.context("cannot run the test")?;
        let text = String::from_utf8_lossy(&output.stdout);
        // It has to be the test that fails, and not the build.
        let (passed, failed) = (text.contains("ok. 1 passed"), text.contains("FAILED. 0 passed; 1 failed"));
        ensure!(passed != failed, "{test} was not run:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(passed)
    }
}

/// Every file that git knows or would, as it is now; what has changed since the last time, and no more.
async fn copy_sources(root: &Path) -> anyhow::Result<()> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output =
        Command::new("git").args(list).current_dir(workspace::root()).output().await.context("cannot run git")?;
    ensure!(output.status.success(), "git ls-files: {}", output.status);
    for file in String::from_utf8(output.stdout)?.lines() {
        let (from, to) = (workspace::root().join(file), root.join(file));
        let Ok(text) = std::fs::read(&from) else { continue };
        if std::fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        std::fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
        std::fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}
