//! `migrate`: brings a production database to this release's schema.

use std::process::ExitCode;

use clap::Parser;
use schema::command::Migrate;

#[derive(Parser)]
#[command(name = "migrate", version)]
struct Cli {
    #[command(flatten)]
    migrate: Migrate,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Cli::parse().migrate.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("migrate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
