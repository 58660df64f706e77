//! `release` (schema/routines/release.sql): a buyer gives a hold back.

use std::time::Instant;

use functions::runtime::database::{Broken, Database};
use functions::runtime::handler;
use lambda_runtime::Error;
use protocol::release::{Outcome, Request};
use tokio_postgres::types::Type;
use uuid::Uuid;

async fn release(database: &Database, request: Request) -> Result<Outcome, Broken> {
    let began = Instant::now();
    let hold_id = Uuid::parse_str(&request.hold_id).map_err(|_| Broken::misused("hold_id is not a UUID"))?;
    let outcome: Option<Outcome> = database
        .json("select holdfast.release($1, $2)", &[(&request.user_id, Type::TEXT), (&hold_id, Type::UUID)])
        .await?;
    let outcome = outcome.ok_or_else(|| Broken::misused("the release has no outcome"))?;
    handler::log_outcome("release", &request.trace, outcome.name(), began);
    Ok(outcome)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let database = Database::from_env()?;
    handler::serve(async |request| release(&database, request).await).await
}
