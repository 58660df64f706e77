//! `release` (schema/routines/release.sql, change.sql, orders.sql): a buyer gives a hold back, some of it for something else, or
//! an order.

use std::time::Instant;

use functions::runtime::database::{Database, InfraError};
use functions::runtime::handler;
use lambda_runtime::Error;
use protocol::change::{ChangeOutcome, ChangeRequest};
use protocol::orders::{CancelOutcome, CancelRequest};
use protocol::release::{GiveBack, ReleaseOutcome, ReleaseRequest};
use serde::Serialize;
use tokio_postgres::types::Type;
use uuid::Uuid;

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Order(CancelOutcome),
    Lines(ChangeOutcome),
    Hold(ReleaseOutcome),
}

async fn give_back(database: &Database, request: GiveBack) -> Result<Outcome, InfraError> {
    Ok(match request {
        GiveBack::Order(request) => Outcome::Order(cancel(database, request).await?),
        GiveBack::Lines(request) => Outcome::Lines(change(database, request).await?),
        GiveBack::Hold(request) => Outcome::Hold(release(database, request).await?),
    })
}

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

async fn change(database: &Database, request: ChangeRequest) -> Result<ChangeOutcome, InfraError> {
    let began = Instant::now();
    let hold_id = Uuid::parse_str(&request.hold_id).map_err(|_| InfraError::misuse("hold_id is not a UUID"))?;
    let (mut sku_ids, mut qtys) = (Vec::new(), Vec::new());
    for line in &request.items {
        sku_ids.push(line.sku_id.as_str());
        qtys.push(i32::try_from(line.qty).map_err(|_| InfraError::misuse("qty is out of bounds"))?);
    }
    let params = [
        (&request.user_id as _, Type::TEXT),
        (&hold_id as _, Type::UUID),
        (&request.version as _, Type::INT8),
        (&sku_ids as _, Type::TEXT_ARRAY),
        (&qtys as _, Type::INT4_ARRAY),
    ];
    let outcome: Option<ChangeOutcome> =
        database.json("call holdfast.change_hold($1, $2, $3, $4, $5, null)", &params).await?;
    let outcome = outcome.ok_or_else(|| InfraError::misuse("the change has no outcome"))?;
    handler::log_outcome("change", &request.trace, outcome.name(), began);
    Ok(outcome)
}

async fn cancel(database: &Database, request: CancelRequest) -> Result<CancelOutcome, InfraError> {
    let began = Instant::now();
    let order_id = Uuid::parse_str(&request.order_id).map_err(|_| InfraError::misuse("order_id is not a UUID"))?;
    let params =
        [(&request.user_id as _, Type::TEXT), (&order_id as _, Type::UUID), (&request.reason as _, Type::TEXT)];
    let outcome: Option<CancelOutcome> = database.json("select holdfast.cancel_own_order($1, $2, $3)", &params).await?;
    let outcome = outcome.ok_or_else(|| InfraError::misuse("the cancellation has no outcome"))?;
    handler::log_outcome("cancel", &request.trace, outcome.name(), began);
    Ok(outcome)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let database = Database::from_env()?;
    handler::serve(async |request| give_back(&database, request).await).await
}
