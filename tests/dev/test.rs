//! `cargo dev test`: everything, a stage a line. What needs the stack runs against one that is booted for it once, on
//! free ports and an empty database.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use harness::stack::{Options, Stack};
use harness::{database, tools, workspace};
use serde_json::Value;
use tokio::process::Command;

use crate::up::Ends;

#[derive(Args)]
pub struct Test {
    /// Only the stages whose names contain one of these
    stage: Vec<String>,
    /// In place of a fresh one: for the model, of which `SEED:N` runs the Nth history alone, and for the attack on the API
    #[arg(long, value_name = "SEED")]
    seed: Option<String>,
    /// Only the tests whose names contain one of these (with commas between them), run as the stages that are named would be
    #[arg(long, value_name = "TEXT", requires = "stage")]
    only: Option<String>,
}

/// A part of `tests/main.rs`: its modules, and how many tests at once.
struct Stage {
    name: &'static str,
    modules: &'static [&'static str],
    at_once: usize,
}

/// From the inside out: whoever breaks the schema reads of that first.
const STAGES: [Stage; 15] = [
    Stage {
        name: "transactions",
        modules: &[
            "tidy",
            "deadlines",
            "drafts",
            "schema",
            "reserve",
            "confirm",
            "expire",
            "release",
            "races",
            "plans",
            "audit",
            "retake",
            "cancel",
            "present",
            "capture",
            "parked",
            "holders",
            "events",
            "stolen",
            "reconcile",
        ],
        at_once: 4,
    },
    Stage { name: "model", modules: &["model"], at_once: 1 },
    Stage { name: "interleavings", modules: &["interleavings"], at_once: 1 },
    Stage { name: "functions", modules: &["functions", "pooler"], at_once: 4 },
    Stage { name: "relay", modules: &["relay", "operate", "operators", "retain", "forget"], at_once: 4 },
    Stage { name: "edge", modules: &["edge", "caller", "admin", "hostile"], at_once: 4 },
    Stage { name: "openapi", modules: &["openapi"], at_once: 1 },
    Stage { name: "journeys", modules: &["journey", "lists", "free", "sold_out"], at_once: 2 },
    // They order the one gateway of the stack to fail, and so come one after the other.
    Stage { name: "money", modules: &["money", "refund"], at_once: 1 },
    Stage { name: "shop", modules: &["shop"], at_once: 2 },
    // Alone, like the next two: they measure.
    Stage { name: "neighbours", modules: &["neighbours"], at_once: 1 },
    Stage { name: "rush", modules: &["rush"], at_once: 1 },
    Stage { name: "bench", modules: &["bench"], at_once: 1 },
    // On a stack of its own, of which it kills one part after another.
    Stage { name: "soak", modules: &["soak"], at_once: 1 },
    // They kill what the others stand on.
    Stage { name: "failures", modules: &["failures", "stack"], at_once: 1 },
];

/// What the tests' own programs print at the end, and the stages add up.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Test {
    pub fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Runtime::new()?.block_on(self.all())
    }

    async fn all(self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut tally = Tally::default();
        let wanted = |name: &str| self.stage.is_empty() || self.stage.iter().any(|stage| name.contains(stage.as_str()));
        if wanted("unit") {
            unit(&mut tally).await?;
        }
        if STAGES.iter().any(|stage| wanted(stage.name)) {
            tokio::task::spawn_blocking(tools_of_the_tests).await??;
            let binary = build().await?;
            let mut ends = Ends::new()?;
            let mut stack = Stack::prepare(Options::for_tests("test"))?;
            let outcome = tokio::select! {
                outcome = self.on_the_stack(&mut stack, &binary, &wanted, &mut tally) => outcome,
                () = ends.asked() => {
                    tools::interrupt();
                    Err(anyhow::anyhow!("interrupted"))
                }
            };
            stack.stop().await;
            outcome?;
        }
        println!("\nin {:.0} s", began.elapsed().as_secs_f64());
        println!("{} passed, {} failed", tally.passed, tally.failed);
        ensure!(tally.failed == 0, "{} tests failed", tally.failed);
        ensure!(
            tally.passed > 0,
            "no stage has that name; there are: unit, {}",
            STAGES.map(|stage| stage.name).join(", ")
        );
        Ok(())
    }

    async fn on_the_stack(
        &self,
        stack: &mut Stack,
        binary: &PathBuf,
        wanted: &impl Fn(&str) -> bool,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let database_url = stack.bring_up().await?.database_url;
        for one in STAGES.iter().filter(|stage| wanted(stage.name)) {
            drop_databases(&database_url).await?;
            let mut command = Command::new(binary);
            command
                .env("HOLDFAST_STACK", stack.report_path())
                .env("RUST_BACKTRACE", "0")
                .current_dir(workspace::root());
            match &self.only {
                Some(only) => command.args(only.split(',')),
                None => command.args(one.modules.iter().map(|module| format!("{module}::"))),
            };
            command.arg(format!("--test-threads={}", one.at_once)).arg("--show-output");
            if let Some(seed) = &self.seed {
                command.env("HOLDFAST_SEED", seed);
            }
            stage(one.name, &mut command, tally).await?;
        }
        Ok(())
    }
}

/// The databases of the stage before: tens of thousands of files, each of which a Postgres that was killed opens and syncs
/// before it answers again.
async fn drop_databases(url: &str) -> anyhow::Result<()> {
    let client = database::connect(url).await?;
    for row in client.query("select datname from pg_database where datname ~ '^t[0-9]+_'", &[]).await? {
        client.batch_execute(&format!("drop database {} with (force)", row.get::<_, &str>(0))).await?;
    }
    Ok(())
}

/// A browser and a pooler. Without them their stages cannot run, and a run without them is not a pass.
fn tools_of_the_tests() -> anyhow::Result<()> {
    tools::chromium()?;
    tools::chromedriver()?;
    tools::pgbouncer()?;
    tools::schemathesis()?;
    Ok(())
}

async fn unit(tally: &mut Tally) -> anyhow::Result<()> {
    let mut command = cargo();
    command.args([
        "test",
        "--package",
        "protocol",
        "--package",
        "functions",
        "--package",
        "payments",
        "--package",
        "edge",
        "--package",
        "schema",
        "--package",
        "tests",
    ]);
    command.args(["--lib", "--bins"]);
    stage("unit", &mut command, tally).await
}

/// The tests that need the stack, as one program; building it takes a while the first time.
pub async fn build() -> anyhow::Result<PathBuf> {
    let mut command = cargo();
    command.args(["test", "--no-run", "--package", "tests", "--test", "main", "--message-format", "json"]);
    println!("  building the tests ...");
    let built = command.stderr(Stdio::inherit()).output().await.context("cannot run cargo")?;
    ensure!(built.status.success(), "the tests do not build");
    let messages = String::from_utf8(built.stdout)?;
    let binary = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let is_main = message["target"]["name"] == "main" && message["profile"]["test"] == true;
        message["executable"].as_str().filter(|_| is_main).map(PathBuf::from)
    });
    binary.context("cargo built no test program")
}

/// Runs one stage and says in a line how it went; what it printed is shown when a test has failed.
async fn stage(name: &str, command: &mut Command, tally: &mut Tally) -> anyhow::Result<()> {
    let began = Instant::now();
    println!("  {name} ...");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("cannot run the tests")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (mut passed, mut failed) = (0, 0);
    for line in text.lines().filter(|line| line.starts_with("test result: ")) {
        passed += count(line, "passed");
        failed += count(line, "failed");
    }
    println!("  {name} ... {passed} passed, {failed} failed, {:.1} s", began.elapsed().as_secs_f64());
    // What a test has counted, it says in lines of this kind.
    text.lines().filter(|line| line.starts_with("| ")).for_each(|line| println!("    {line}"));
    tally.passed += passed;
    tally.failed += failed;
    if !output.status.success() {
        println!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
        if failed == 0 {
            bail!("the stage {name} did not come to its end: {}", output.status);
        }
    } else if passed == 0 {
        bail!("the stage {name} ran no test");
    }
    Ok(())
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
