//! The command `doctor` and its options.

use anyhow::{Result, ensure};
use clap::Args;
use deployment::table::RESERVED;

use crate::database::{self, Wanted};
use crate::report::Report;

/// Ten times what a function's transaction may take at most.
const TRANSACTION_OLD_S: f64 = 100.0;

/// What is really there, compared with the table of the deployment: what does not fit, and what to do
///
/// Changes nothing. To measure a commit it writes 20 empty messages into the database's log, as T1's barrier does.
/// It fails where something does not fit, and not for a risk.
#[derive(Args, Debug)]
pub struct Doctor {
    /// The database, as its owner: postgres://user:password@host/database
    ///
    /// The direct address, as for `migrate`; then the pooled one, to see how that pools. Given by the environment, the
    /// password is not shown in the list of processes.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Instances of all functions together, where the template's parameters differ from the table
    #[arg(long, value_name = "N", default_value_t = RESERVED)]
    instances: u64,
}

impl Doctor {
    /// Prints what was found.
    ///
    /// # Errors
    /// Something does not fit, or the database cannot be reached.
    pub async fn run(&self) -> Result<()> {
        let wanted = Wanted { instances: self.instances, transaction_old_s: TRANSACTION_OLD_S };
        let mut report = Report::default();
        database::examine(&self.database_url, wanted, &mut report).await?;
        print!("{}", report.text());
        let wrongs = report.wrongs();
        ensure!(wrongs == 0, "{wrongs} of what was found does not fit");
        println!("everything that was looked at fits");
        Ok(())
    }
}
