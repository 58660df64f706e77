//! `reconcile` (schema/routines/reconcile.sql) on the scheduler's tick: a pass through each gateway's own lists once a day; what one
//! tick does not finish, the next one goes on with.

use std::time::{Duration, Instant};

use functions::payment::gateways::Gateways;
use functions::payment::reconcile::{self, Settings};
use functions::runtime::database::Database;
use functions::runtime::limits::{RECONCILE_DAYS, RECONCILE_EVERY_S, RECONCILE_FOR_S};
use functions::runtime::{config, handler};
use lambda_runtime::Error;
use protocol::reconcile::{Reconciled, Tick};
use tracing::info;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let database = &Database::from_env()?;
    let gateways = &Gateways::from_env()?;
    let how = &Settings {
        every_s: config::seconds("RECONCILE_EVERY_S", RECONCILE_EVERY_S)?.as_secs_f64(),
        days: config::number("RECONCILE_DAYS", RECONCILE_DAYS, 1..=90)? as f64,
        since: config::moment("RECONCILE_SINCE")?,
    };
    let window: Duration = config::seconds("RECONCILE_FOR_S", RECONCILE_FOR_S)?;
    handler::serve(async |tick: Tick| {
        let began = Instant::now();
        let reconciled = reconcile::run(database, gateways, how, began + window).await?;
        let Reconciled { looked, differed, through, failed } = reconciled;
        let (request_id, ms) = (tick.execution_id, began.elapsed().as_millis() as u64);
        info!(verb = "reconcile", looked, differed, through, failed, request_id, ms);
        Ok(reconciled)
    })
    .await
}
