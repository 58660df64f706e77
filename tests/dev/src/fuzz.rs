//! `cargo dev fuzz`: libFuzzer around every parser of untrusted bytes. It goes on from the corpus in tests/fuzz, and
//! what it learned can be kept there; `cargo dev test` replays that as ordinary tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Args;
use stack::{tools, workspace};

/// As `cargo fuzz` has the compiler instrument; none of it needs a nightly compiler. There is no sanitizer beside it:
/// without `unsafe` it would have nothing to find.
const INSTRUMENTED: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// A body may have more; a parser that is right in these is right in those.
const INPUT_MAX_BYTES: usize = 2_048;
/// One input may not take longer.
const INPUT_WITHIN_S: u32 = 5;

#[derive(Args)]
pub struct Fuzz {
    /// Only this one: a folder of tests/fuzz/corpus
    target: Option<String>,
    /// Inputs of each target
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    inputs: u64,
    /// Keep what reaches more than the kept corpus does, as few and as short as will do
    #[arg(long)]
    keep: bool,
}

impl Fuzz {
    pub fn run(self) -> anyhow::Result<()> {
        let kept = workspace::root().join("tests/fuzz/corpus");
        let mut names = vec![];
        for entry in fs::read_dir(&kept).context("cannot read tests/fuzz/corpus")? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        names.retain(|name| self.target.as_ref().is_none_or(|target| target == name));
        ensure!(!names.is_empty(), "there is no such target in tests/fuzz/corpus");
        let program = build()?;
        let began = Instant::now();
        let mut inputs = 0;
        for name in &names {
            inputs += self.campaign(&program, name, &kept.join(name))?;
        }
        println!("\n{inputs} inputs in {} targets, {:.0} s, no crash", names.len(), began.elapsed().as_secs_f64());
        Ok(())
    }

    fn campaign(&self, program: &Path, name: &str, kept: &Path) -> anyhow::Result<u64> {
        let work = workspace::root().join("target/fuzz").join(name);
        let (learned, crashes) = (work.join("learned"), work.join("crashes"));
        fs::create_dir_all(&learned)?;
        fs::create_dir_all(&crashes)?;
        let mut fuzzing = libfuzzer(program, name);
        fuzzing.arg(format!("-runs={}", self.inputs)).arg(format!("-artifact_prefix={}/", crashes.display()));
        fuzzing.arg("-print_final_stats=1").arg(&learned).arg(kept);
        let output = fuzzing.output().context("cannot run the fuzzer")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{name}: {}\n{said}", output.status);
        let figure =
            |name: &str| said.lines().rev().find_map(|line| line.split_once(name)?.1.split_whitespace().next());
        let inputs = figure("stat::number_of_executed_units:").and_then(|number| number.parse().ok()).unwrap_or(0);
        let reached = figure(" cov: ").unwrap_or("?");
        println!("  {name:8} {inputs:>9} inputs, {reached} places reached");
        ensure!(inputs >= self.inputs, "{name}: fewer inputs than were asked for\n{said}");
        if self.keep {
            keep(program, name, &learned, kept)?;
        }
        Ok(inputs)
    }
}

/// Merges both into a new folder, which keeps of each place the shortest input that reaches it, however often.
fn keep(program: &Path, name: &str, learned: &Path, kept: &Path) -> anyhow::Result<()> {
    let minimal = learned.with_file_name("minimal");
    let _ = fs::remove_dir_all(&minimal);
    fs::create_dir_all(&minimal)?;
    let merged = libfuzzer(program, name)
        .args(["-merge=1", "-use_counters=0"])
        .args([minimal.as_path(), kept, learned])
        .output()?;
    ensure!(merged.status.success(), "{name}: {}", String::from_utf8_lossy(&merged.stderr));
    fs::remove_dir_all(kept)?;
    fs::create_dir_all(kept)?;
    for entry in fs::read_dir(&minimal)? {
        let entry = entry?;
        fs::copy(entry.path(), kept.join(entry.file_name()))?;
    }
    println!("  {name:8} keeps {} inputs", fs::read_dir(kept)?.count());
    Ok(())
}

fn libfuzzer(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.env("HOLDFAST_FUZZ", name).stdin(Stdio::null()).current_dir(workspace::root());
    command.arg(format!("-max_len={INPUT_MAX_BYTES}")).arg(format!("-timeout={INPUT_WITHIN_S}"));
    command
}

/// The fuzzer, built for a named platform so that what runs while building is not instrumented too.
fn build() -> anyhow::Result<PathBuf> {
    let folder = workspace::root().join("tests/fuzz");
    let output = Command::new("rustc").arg("--version").arg("--verbose").output().context("cannot run rustc")?;
    let said = String::from_utf8(output.stdout)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let target = workspace::root().join("target/fuzz/build");
    let mut command = Command::new("cargo");
    tools::outside_cargo(&mut command).args(["build", "--release", "--locked", "--target", host, "--target-dir"]);
    command.arg(&target).env("RUSTFLAGS", INSTRUMENTED).current_dir(folder);
    tools::quietly("building the fuzzer (a first time takes some minutes)", "build-fuzz", &mut command)?;
    Ok(target.join(host).join("release/fuzz"))
}
