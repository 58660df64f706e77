//! `release` (schema/routines/release.sql): a buyer gives a hold back.

use std::time::Instant;

use functions::runtime::database::{Database, InfraError};
use functions::runtime::handler;
use lambda_runtime::Error;
use protocol::release::{ReleaseOutcome, ReleaseRequest};
use tokio_postgres::types::Type;
use uuid::Uuid;

async fn release(database: &Database, request: ReleaseRequest) -> Result<ReleaseOutcome, InfraError> {
    let began = Instant::now();
    let hold_id = Uuid::parse_str(&request.hold_id).map_err(|_| InfraError::misuse("hold_id is not a UUID"))?;
    let outcome: Option<ReleaseOutcome> = database
        .json("select holdfast.release($1, $2)", &[(&request.user_id, Type::TEXT), (&hold_id, Type::UUID)])
        .await?;
    let outcome = outcome.ok_or_else(|| InfraError::misuse("the release has no outcome"))?;
    handler::log_outcome("release", &request.trace, outcome.name(), began);
    Ok(outcome)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let database = Database::from_env()?;
    handler::serve(async |request| release(&database, request).await).await
}
