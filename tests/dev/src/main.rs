//! `cargo dev`: the whole of Holdfast on this machine, from a fresh clone.

mod bench;
mod changes;
mod check;
mod coverage;
mod fuzz;
mod mutant;
mod mutants;
mod plan;
mod rush;
mod soak;
mod test;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stack::tools;

#[derive(Parser)]
#[command(name = "cargo dev", bin_name = "cargo dev", about = "Holdfast on this machine: run it, prove it")]
struct Cli {
    /// Install what is missing for the whole machine (apt-get, brew) without asking
    #[arg(long, global = true)]
    yes: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs what is missing, builds, and runs everything until Ctrl-C
    Up(up::Up),
    Migrate(schema::command::Migrate),
    /// What to set for a day of so many buyers, what breaks first, what it costs
    Plan(plan::Plan),
    Doctor(doctor::command::Doctor),
    /// Format, lints, licences, advisories
    Check,
    /// Runs the tests on the real parts, an area a line; with --all those that take long, too
    Test(test::Test),
    /// Measures every way of reserving against the others, on a Postgres of its own
    Bench(bench::Bench),
    /// Plays a drop: tens of thousands of buyers at once, a verdict, and a page that shows it
    Rush(rush::Rush),
    /// Load and faults together, from a seed; then whether anything was lost or happened twice
    Soak(soak::Soak),
    /// Breaks one promise after another in a scratch copy, and looks whether its test sees it
    Mutants(mutants::Mutants),
    /// Throws what no client would send at every parser, by coverage; see tests/fuzz
    Fuzz(fuzz::Fuzz),
    /// Which lines the unit tests reach, a file a line, the least first
    Coverage(coverage::Coverage),
    /// Installs every tool that `up` and the tests use, and says where each is
    Tools,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.yes {
        tools::answer_yes();
    }
    let outcome = match cli.command {
        Command::Up(up) => up.run(),
        Command::Plan(plan) => plan.run(),
        Command::Doctor(doctor) => {
            tokio::runtime::Runtime::new().map_err(Into::into).and_then(|tokio| tokio.block_on(doctor.run()))
        }
        Command::Check => check::run(),
        Command::Test(test) => test.run(),
        Command::Bench(bench) => bench.run(),
        Command::Rush(rush) => rush.run(),
        Command::Soak(soak) => soak.run(),
        Command::Mutants(mutants) => mutants.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
        Command::Coverage(coverage) => coverage.run(),
        Command::Migrate(migrate) => {
            tokio::runtime::Runtime::new().map_err(Into::into).and_then(|tokio| tokio.block_on(migrate.run()))
        }
        Command::Tools => list_tools(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo dev: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One that cannot be installed does not keep the others from being.
fn list_tools() -> anyhow::Result<()> {
    let mut missing = 0;
    let mut say = |name: &str, found: anyhow::Result<String>| match found {
        Ok(place) => println!("{name:13} {place}"),
        Err(error) => {
            missing += 1;
            println!("{name:13} MISSING: {error:#}");
        }
    };
    let shown = |path: std::path::PathBuf| path.display().to_string();
    say("workerd", tools::workerd().map(shown));
    say("esbuild", tools::esbuild().map(shown));
    say("wasm-opt", tools::binaryen_wasm_opt().map(shown));
    say("wrangler", tools::wrangler().map(|command| command.get_program().display().to_string()));
    say("postgres", tools::postgres().map(|postgres| shown(postgres.bin.join("postgres"))));
    say("cargo-lambda", tools::cargo_lambda().map(shown));
    say("wasm target", tools::wasm_toolchain().map(|toolchain| toolchain.describe().to_owned()));
    say("worker-build", tools::worker_build().map(shown));
    say("wasm-bindgen", tools::wasm_bindgen().map(shown));
    say("cargo-deny", tools::cargo_deny().map(shown));
    say("chromium", tools::chromium().map(shown));
    say("chromedriver", tools::chromedriver().map(shown));
    say("pgbouncer", tools::pgbouncer().map(shown));
    say("libfaketime", tools::libfaketime().map(shown));
    say("schemathesis", tools::schemathesis().map(shown));
    say("cfn-lint", tools::cfn_lint().map(shown));
    anyhow::ensure!(missing == 0, "{missing} of the tools could not be installed");
    Ok(())
}
