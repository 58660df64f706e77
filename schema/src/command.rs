//! The command `migrate` and its options: a program of its own, and `cargo dev migrate`.

use anyhow::Result;
use clap::Args;

use crate::durability::durability;
use crate::{Files, migrate};

/// Brings a database to this release's schema; a second time changes nothing
///
/// Applies the numbered files of schema/tables that the database does not have yet, then the roles, routines and views
/// that have changed, and gives all of it to the role holdfast_owner. Two at once wait for each other. Run it before the
/// functions of the same release are deployed: the functions of the previous release work on the new schema.
///
/// Prints which files were applied, and whether the server keeps what it has committed.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Environment:
  DATABASE_CA_FILE  A file of certificates (PEM): authorities that the server's certificate may be signed by, beside the
                    web's. For a server with an authority of its own, as Amazon Aurora's is.")]
pub struct Migrate {
    /// The database: postgres://user:password@host/database
    ///
    /// Its user owns the database and has CREATEROLE; it need not be a superuser. The connection uses TLS unless the host
    /// is this machine. Given by the environment, the password is not shown in the list of processes.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

impl Migrate {
    /// Migrates and prints what was done.
    ///
    /// # Errors
    /// The database cannot be reached, is older than PostgreSQL 18, or refuses a statement.
    pub async fn run(&self) -> Result<()> {
        let done = migrate(&self.database_url, Files::BuiltIn).await?;
        match done.applied.as_slice() {
            [] => println!("nothing to do: the database has this schema"),
            applied => println!("applied {}", applied.join(", ")),
        }
        for settings in done.put_back {
            eprintln!(
                "warning: a role had other settings, which were put back ({settings}); whoever has its password may have \
                 changed them: see SECURITY.md"
            );
        }
        let durability = durability(&self.database_url).await?;
        let warning =
            if durability.holds() { "" } else { ": what a buyer is told may be lost; the functions refuse to work" };
        println!("durability: {durability}{warning}");
        Ok(())
    }
}
