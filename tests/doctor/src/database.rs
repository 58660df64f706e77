//! The database: what Postgres says of itself, compared with what the functions need.

mod pooler;
mod roles;
mod server;
mod standby;
mod timing;

use anyhow::{Context as _, Result};
use schema::connection::connect;
use schema::state::{State, state};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::report::Report;

/// What the database is compared with, beside the table of the deployment.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Instances of all functions together.
    pub instances: u64,
    /// A transaction that is older keeps others waiting.
    pub transaction_old_s: f64,
}

/// Looks at the database at `url`, which is to be as `wanted`.
///
/// # Errors
/// The database cannot be reached, or refuses to answer what every owner may ask.
pub async fn examine(url: &str, wanted: Wanted, report: &mut Report) -> Result<()> {
    let client = connect(url).await?;
    server::version(&client, report).await?;
    if server::is_standby(&client, report).await? {
        return Ok(());
    }
    let standbys = standby::look(&client, report).await?;
    server::durability(url, standbys.has_synchronous, report).await?;
    server::settings(&client, report).await?;
    server::connections(&client, wanted.instances, report).await?;
    server::stuck(&client, wanted.transaction_old_s, report).await?;
    pooler::look(url, &client, wanted.instances, report).await?;
    roles::look(&client, report).await?;
    schema_of(&client, report).await?;
    timing::round_trip(&client, report).await?;
    if standbys.commits_wait_for_ever {
        report.unread("commit", "a commit would wait for a standby that is not there");
    } else {
        timing::commit(&client, report).await?;
    }
    Ok(())
}

async fn schema_of(client: &Client, report: &mut Report) -> Result<()> {
    let State { missing, unknown } =
        state(client).await.context("reading what migrations write down, which the database's owner may")?;
    if missing.is_empty() && unknown.is_empty() {
        report.fact("schema", "this release's");
    }
    if !missing.is_empty() {
        report.wrong(
            "schema-older",
            format!("the database does not have this release's {}", missing.join(", ")),
            "run `migrate`, then deploy the functions of the same release",
        );
    }
    if !unknown.is_empty() {
        report.wrong(
            "schema-newer",
            format!("the database is of a later release: it has {}", unknown.join(", ")),
            "run the doctor of that release",
        );
    }
    Ok(())
}

/// Without a named statement, which a pooler need not know in the next transaction.
async fn rows(client: &Client, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>> {
    Ok(client.query_typed(sql, values).await?)
}

/// The only row.
async fn row(client: &Client, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Row> {
    rows(client, sql, values).await?.pop().context("the database answered nothing")
}
