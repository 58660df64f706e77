//! `cargo dev check`: what can be said of the code without running it.

use std::process::Command;

use anyhow::{Context as _, ensure};
use stack::{tools, workspace};

/// What cargo-deny says when the advisories themselves could not be got, whatever the dependencies are.
const UNREACHABLE: &str = "failed to fetch advisory database";

pub fn run() -> anyhow::Result<()> {
    step("format", cargo().args(["fmt", "--all", "--", "--check"]))?;
    // With what the product leaves out: no other check compiles it.
    let lints = ["clippy", "--quiet", "--workspace", "--all-targets", "--features", "edge/bench"];
    step("lints", cargo().args(lints).args(["--", "-D", "warnings"]))?;
    let deny = tools::cargo_deny()?;
    let denying = || {
        let mut command = Command::new(&deny);
        command.current_dir(workspace::root()).args(["--log-level", "error", "check"]);
        command
    };
    step("licences, bans, sources", denying().args(["licenses", "bans", "sources"]))?;
    advisories(denying().arg("advisories"))
}

/// An advisory fails the check. That the list cannot be reached does not, but it is said.
fn advisories(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().context("cannot run cargo-deny")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        println!("  advisories ... ok");
    } else if said.contains(UNREACHABLE) {
        println!("  advisories ... NOT CHECKED: the list of advisories cannot be reached from here");
    } else {
        anyhow::bail!("advisories:\n{said}");
    }
    Ok(())
}

fn step(name: &str, command: &mut Command) -> anyhow::Result<()> {
    println!("  {name} ...");
    let status = command.status().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    ensure!(status.success(), "{name}: {status}");
    println!("  {name} ... ok");
    Ok(())
}

fn cargo() -> Command {
    let mut command = Command::new("cargo");
    tools::outside_cargo(&mut command).current_dir(workspace::root());
    command
}
