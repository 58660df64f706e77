//! `cargo dev test`: the tests, an area a line. What needs a stack runs against one of two, which are booted once, on free
//! ports and with an empty database each. A test that takes long says so with `#[ignore = "long"]`, and runs with `--all`
//! or `--rest`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use stack::{Options, Stack};
use stack::{database, tools, workspace};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::up::Ends;

#[derive(Args)]
pub struct Test {
    /// Only the areas whose names contain one of these, or `unit`
    area: Vec<String>,
    /// Also the tests that take long: soaks, a drop, the benches, killed parts, large crowds
    #[arg(long)]
    all: bool,
    /// Only the tests that take long: what is left after a run without `--all`
    #[arg(long, conflicts_with = "all")]
    rest: bool,
    /// In place of a fresh one: for the model, of which `SEED:N` runs the Nth history alone, and for the attack on the API
    #[arg(long, value_name = "SEED")]
    seed: Option<String>,
    /// Only the tests whose names contain one of these (with commas between them), of the areas that are named
    #[arg(long, value_name = "TEXT", requires = "area")]
    only: Option<String>,
    /// Each test with the second of its area in which it ended: what takes long
    #[arg(long)]
    times: bool,
}

/// The unit tests, which need no stack.
const UNIT: &str = "unit";
/// The order of the areas, from the inside out: whoever breaks the schema reads of that first. How many tests run at once is
/// four where it is not said. An area that is not named here runs before the last three, which measure or kill.
const ORDER: [(&str, usize); 14] = [
    ("workspace", 4),
    ("transactions", 4),
    ("model", 1),
    ("functions", 4),
    ("events", 4),
    ("operations", 4),
    ("edge", 4),
    ("purchases", 2),
    ("money", 4),
    // They order the one gateway of the stack to fail, and so come one after the other.
    ("gateways", 1),
    ("shop", 3),
    // Alone: they measure.
    ("phone", 1),
    ("capacity", 1),
    // They kill what the others stand on.
    ("failures", 1),
];
const AT_ONCE: usize = 4;
/// They mostly wait, and the others compute: they run beside the others on a stack of their own, so that neither disturbs
/// the other.
const SECOND: [&str; 4] = ["gateways", "edge", "purchases", "money"];
/// These call the database by themselves: alone, they run without the Worker and the functions, which then need no build.
const POSTGRES_ONLY: [&str; 3] = ["workspace", "transactions", "model"];
/// Those at the end of `ORDER` that come after everything that is not named.
const LAST: usize = 3;

/// A test program of `tests/it`.
pub struct Area {
    pub name: String,
    pub program: PathBuf,
}

impl Area {
    fn place(&self) -> usize {
        let named = ORDER.iter().position(|(name, _)| *name == self.name);
        named.map_or(2 * (ORDER.len() - LAST) - 1, |place| place * 2)
    }

    /// Whether it measures, or kills what others stand on.
    fn is_alone(&self) -> bool {
        ORDER.iter().rev().take(LAST).any(|(name, _)| *name == self.name)
    }

    fn at_once(&self) -> usize {
        ORDER.iter().find(|(name, _)| *name == self.name).map_or(AT_ONCE, |(_, at_once)| *at_once)
    }
}

/// The stack that the areas run on.
struct On {
    report: PathBuf,
    database_url: String,
}

/// What the tests' own programs print at the end, added up.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    /// Take long, and were not asked for.
    left: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.left += other.left;
    }
}

impl Test {
    pub fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Runtime::new()?.block_on(self.run_areas())
    }

    async fn run_areas(self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut tally = Tally::default();
        let is_wanted = |name: &str| self.area.is_empty() || self.area.iter().any(|area| name.contains(area.as_str()));
        let (names, others): (Vec<String>, Vec<String>) = names()?.into_iter().partition(|name| is_wanted(name));
        let is_nothing = names.is_empty() && !is_wanted(UNIT);
        ensure!(!is_nothing, "no area has that name; there are: {UNIT}, {}", others.join(", "));
        if is_wanted(UNIT) {
            self.unit(&mut tally).await?;
        }
        if !names.is_empty() {
            tokio::task::spawn_blocking(move || tools_of_the_tests(self.all || self.rest)).await??;
            let areas = build(&names).await?;
            let mut ends = Ends::new()?;
            let mut stack = Stack::prepare(Options::for_tests("test"))?;
            let mut second = Some(Stack::prepare(Options::for_tests("test-2"))?);
            let outcome = tokio::select! {
                outcome = self.on_the_stacks(&mut stack, &mut second, &areas, &mut tally) => outcome,
                () = ends.asked() => {
                    tools::interrupt();
                    Err(anyhow::anyhow!("interrupted"))
                }
            };
            for stack in [second, Some(stack)].into_iter().flatten() {
                stack.stop().await;
            }
            outcome?;
        }
        println!("\nin {:.0} s", began.elapsed().as_secs_f64());
        println!("{} passed, {} failed", tally.passed, tally.failed);
        if tally.left > 0 {
            println!("{} take long and did not run: the same with --rest runs them", tally.left);
        }
        ensure!(tally.failed == 0, "{} tests failed", tally.failed);
        ensure!(tally.passed > 0, "no test ran");
        Ok(())
    }

    /// What runs alone comes last, on the first stack; the second has ended by then.
    async fn on_the_stacks(
        &self,
        stack: &mut Stack,
        second_stack: &mut Option<Stack>,
        areas: &[Area],
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let (alone, others): (Vec<&Area>, Vec<&Area>) = areas.iter().partition(|area| area.is_alone());
        let (mut second, mut first): (Vec<&Area>, Vec<&Area>) =
            others.into_iter().partition(|area| SECOND.contains(&area.name.as_str()));
        if first.is_empty() {
            std::mem::swap(&mut first, &mut second);
        }
        let on = bring_up(stack, &[first.as_slice(), &alone].concat()).await?;
        let beside = async {
            match second_stack.as_mut().filter(|_| !second.is_empty()) {
                Some(stack) => self.one_by_one(&bring_up(stack, &second).await?, &second).await,
                None => Ok(Tally::default()),
            }
        };
        let (of_first, of_second) = tokio::try_join!(self.one_by_one(&on, &first), beside)?;
        tally.add(&of_first);
        tally.add(&of_second);
        if let Some(stack) = second_stack.take() {
            stack.stop().await;
        }
        tally.add(&self.one_by_one(&on, &alone).await?);
        Ok(())
    }

    async fn one_by_one(&self, on: &On, areas: &[&Area]) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        let mut dropping: Option<JoinHandle<anyhow::Result<()>>> = None;
        for area in areas {
            if self.rest && long_tests(area).await? == 0 {
                continue;
            }
            // Beside the next area, because it takes a minute after a hundred tests; but not beside one that measures.
            if area.is_alone() || dropping.as_ref().is_none_or(JoinHandle::is_finished) {
                if let Some(dropped) = dropping.take() {
                    dropped.await??;
                }
                let left = databases(&on.database_url).await?;
                dropping = Some(tokio::spawn(drop_databases(on.database_url.clone(), left)));
            }
            if area.is_alone()
                && let Some(dropped) = dropping.take()
            {
                dropped.await??;
            }
            let mut command = Command::new(&area.program);
            command
                .env("HOLDFAST_STACK", &on.report)
                .env("HOLDFAST_DEV", std::env::current_exe()?)
                .env("RUST_BACKTRACE", "0")
                .current_dir(workspace::root());
            if let Some(only) = &self.only {
                command.args(only.split(','));
            }
            command.args(self.length()).arg(format!("--test-threads={}", area.at_once())).arg("--show-output");
            if let Some(seed) = &self.seed {
                command.env("HOLDFAST_SEED", seed);
            }
            self.run_area(&area.name, &mut command, &mut tally).await?;
        }
        if let Some(dropped) = dropping {
            dropped.await??;
        }
        Ok(tally)
    }

    /// Every test outside `tests/it`, wherever it stands.
    async fn unit(&self, tally: &mut Tally) -> anyhow::Result<()> {
        let mut command = cargo();
        command.args(["test", "--workspace", "--lib", "--bins", "--no-fail-fast", "--"]).args(self.length());
        self.run_area(UNIT, &mut command, tally).await
    }

    /// What the tests print.
    async fn read(&self, stdout: ChildStdout, began: Instant) -> std::io::Result<String> {
        let (mut stdout, mut line, mut text) = (BufReader::new(stdout), Vec::new(), String::new());
        while stdout.read_until(b'\n', &mut line).await? > 0 {
            let printed = String::from_utf8_lossy(&line);
            if self.times && printed.starts_with("test ") && printed.contains(" ... ") {
                print!("    {:7.1} s {printed}", began.elapsed().as_secs_f64());
            }
            text.push_str(&printed);
            line.clear();
        }
        Ok(text)
    }

    /// What the test programs are told of long tests; by themselves they leave them out.
    fn length(&self) -> Option<&'static str> {
        match (self.all, self.rest) {
            (true, _) => Some("--include-ignored"),
            (_, true) => Some("--ignored"),
            _ => None,
        }
    }

    /// Runs one area and says in a line how it went; what it printed is shown when a test has failed.
    async fn run_area(&self, name: &str, command: &mut Command, tally: &mut Tally) -> anyhow::Result<()> {
        let began = Instant::now();
        println!("  {name} ...");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut tests = command.spawn().context("cannot run the tests")?;
        let (Some(stdout), Some(mut stderr)) = (tests.stdout.take(), tests.stderr.take()) else {
            bail!("the tests have no output");
        };
        let mut errors = String::new();
        let (text, _) = tokio::try_join!(self.read(stdout, began), stderr.read_to_string(&mut errors))?;
        let status = tests.wait().await?;
        let (mut passed, mut failed, mut left) = (0, 0, 0);
        for line in text.lines().filter(|line| line.starts_with("test result: ")) {
            passed += count(line, "passed");
            failed += count(line, "failed");
            left += count(line, "ignored");
        }
        let and_left = if left > 0 { format!(", {left} left out") } else { String::new() };
        println!("  {name} ... {passed} passed, {failed} failed{and_left}, {:.1} s", began.elapsed().as_secs_f64());
        // What a test has counted, it says in lines of this kind.
        text.lines().filter(|line| line.starts_with("| ")).for_each(|line| println!("    {line}"));
        tally.passed += passed;
        tally.failed += failed;
        tally.left += left;
        if !status.success() {
            println!("{text}\n{errors}");
            if failed == 0 {
                bail!("the area {name} did not come to its end: {status}");
            }
        } else if passed + left == 0 && self.only.is_none() && !self.rest {
            bail!("the area {name} has no test");
        }
        Ok(())
    }
}

/// Only its database, if these need no more.
async fn bring_up(stack: &mut Stack, areas: &[&Area]) -> anyhow::Result<On> {
    let postgres_only = areas.iter().all(|area| POSTGRES_ONLY.contains(&area.name.as_str()));
    let report = if postgres_only { stack.bring_up_database().await? } else { stack.bring_up().await? };
    Ok(On { report: stack.report_path(), database_url: report.database_url })
}

/// How many tests of an area take long.
async fn long_tests(area: &Area) -> anyhow::Result<usize> {
    let listed = Command::new(&area.program).args(["--list", "--ignored"]).output().await?;
    ensure!(listed.status.success(), "cannot list the tests of {}: {}", area.name, listed.status);
    Ok(String::from_utf8_lossy(&listed.stdout).lines().filter(|line| line.ends_with(": test")).count())
}

/// The databases that the tests before have made for themselves.
async fn databases(url: &str) -> anyhow::Result<Vec<String>> {
    let client = database::connect(url).await?;
    let rows = client.query("select datname::text from pg_database where datname ~ '^t[0-9]+_'", &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Tens of thousands of files, each of which a Postgres that was killed opens and syncs before it answers again.
async fn drop_databases(url: String, names: Vec<String>) -> anyhow::Result<()> {
    let client = database::connect(&url).await?;
    for name in names {
        client.batch_execute(&format!("drop database if exists {name} with (force)")).await?;
    }
    Ok(())
}

/// A browser and a pooler, and for the long ones what attacks the API and what reads the template. Without them their tests
/// cannot run, and a run without them is not a pass.
fn tools_of_the_tests(long: bool) -> anyhow::Result<()> {
    tools::chromium()?;
    tools::chromedriver()?;
    tools::pgbouncer()?;
    if long {
        tools::schemathesis()?;
        tools::cfn_lint()?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Manifest {
    test: Vec<Program>,
}

#[derive(Deserialize)]
struct Program {
    name: String,
}

/// Every area that there is.
fn names() -> anyhow::Result<Vec<String>> {
    let manifest = std::fs::read_to_string(workspace::root().join("tests/it/Cargo.toml"))?;
    let manifest: Manifest = toml::from_str(&manifest).context("tests/it/Cargo.toml")?;
    Ok(manifest.test.into_iter().map(|program| program.name).collect())
}

/// These areas, which need the stack, a program each; building them takes a while the first time.
pub async fn build(names: &[String]) -> anyhow::Result<Vec<Area>> {
    let mut command = cargo();
    command.args(["test", "--no-run", "--message-format", "json-render-diagnostics"]);
    command.args(names.iter().flat_map(|name| ["--test", name]));
    println!("  building the tests ...");
    let built = command.stderr(Stdio::inherit()).output().await.context("cannot run cargo")?;
    ensure!(built.status.success(), "the tests do not build");
    let messages = String::from_utf8(built.stdout)?;
    let area = |message: Value| {
        let is_test = message["target"]["kind"][0] == "test" && message["profile"]["test"] == true;
        let program = message["executable"].as_str().filter(|_| is_test).map(PathBuf::from)?;
        Some(Area { name: message["target"]["name"].as_str()?.to_owned(), program })
    };
    let mut areas: Vec<Area> =
        messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter_map(area).collect();
    ensure!(!areas.is_empty(), "cargo built no test program");
    areas.sort_by_key(Area::place);
    Ok(areas)
}

/// The number before `word` in `test result: ok. 3 passed; 0 failed; …`.
fn count(line: &str, word: &str) -> usize {
    let mut words = line.split([' ', ';']).filter(|word| !word.is_empty()).peekable();
    while let Some(number) = words.next() {
        if words.peek() == Some(&word) {
            return number.parse().unwrap_or(0);
        }
    }
    0
}

/// As it would be called from a shell.
pub fn cargo() -> Command {
    let mut command = std::process::Command::new("cargo");
    tools::outside_cargo(&mut command).current_dir(workspace::root());
    Command::from(command)
}
