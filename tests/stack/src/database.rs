//! A connection to the database, as the migration connects.

pub use schema::connection::connect;

use anyhow::Context as _;

use crate::detours::Detours;
use crate::{Report, Stack, migrate, postgres};

impl Stack {
    /// Starts Postgres alone, with the schema: enough for what calls its routines by itself. Nothing is built, and the other
    /// addresses of the report are empty.
    pub async fn bring_up_database(&mut self) -> anyhow::Result<Report> {
        let database_url = self.start_migrated_database().await?;
        let nowhere = String::new;
        let report = Report::new(nowhere(), nowhere(), nowhere(), database_url, &self.secrets);
        self.tasks.push(report.clone().keep_written(self.state.path("stack.json"), &self.children)?);
        Ok(report)
    }

    pub(crate) async fn start_migrated_database(&self) -> anyhow::Result<String> {
        let database_url = self.start_database().await?;
        migrate::run(&database_url).await.context("cannot migrate the database")?;
        migrate::give_logins(&database_url, &self.secrets.functions_password).await?;
        Ok(database_url)
    }

    async fn start_database(&self) -> anyhow::Result<String> {
        let Some(url) = &self.options.database_url else {
            let (settings, log_dir) = self.options.detours.as_ref().map(Detours::of_postgres).unwrap_or_default();
            let how = postgres::How { fresh: self.options.fresh, settings, log_dir };
            return postgres::start(&self.state, &self.secrets, how, &self.children).await;
        };
        if self.options.fresh {
            postgres::empty(url).await?;
        }
        Ok(url.clone())
    }
}
