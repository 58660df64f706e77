//! `reserve` runs T1 (schema/routines/reserve.sql): a batch of reservations of one sale, one transaction, an outcome each.

use std::num::TryFromIntError;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use functions::reservations;
use functions::runtime::database::{Database, InfraError};
use functions::runtime::limits::CLOCK_SKEW_MS;
use functions::runtime::{config, handler};
use lambda_runtime::Error;
use protocol::reserve::{BATCH_MAX, Batch, BatchResponse, Reservation, ReserveOutcome};
use serde_json::value::{RawValue, to_raw_value};

const TOO_LATE: ReserveOutcome = ReserveOutcome::TooLate;

/// The outcomes as the database says them: the edge reads them.
type Response = BatchResponse<Box<RawValue>>;

async fn reserve(database: &Database, early_release: bool, batch: Batch) -> Result<Response, InfraError> {
    let began = Instant::now();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    let left_ms = batch.left_ms(now_ms, CLOCK_SKEW_MS);
    let asked = &batch.reservations;
    let sale_id = asked.first().map(|first| &first.sale_id).ok_or_else(|| InfraError::misuse("the batch is empty"))?;
    if asked.len() > BATCH_MAX || asked.iter().any(|one| one.sale_id != *sale_id || one.items.is_empty()) {
        return Err(InfraError::misuse("a batch is at most 100 reservations of one sale, each with its lines"));
    }
    // The batch may have waited for an instance until its deadline was over.
    if left_ms == Some(0) {
        asked.iter().for_each(|one| handler::log_outcome("reserve", &one.trace(), TOO_LATE.name(), began));
        let outcomes = to_raw_value(&vec![TOO_LATE; asked.len()]).map_err(|_| InfraError::misuse("no JSON"))?;
        return Ok(BatchResponse { outcomes });
    }
    let within_ms = left_ms.map(|left_ms| i32::try_from(left_ms).unwrap_or(i32::MAX));

    let mut columns = reservations::Batch::new(sale_id, early_release, within_ms);
    for one in asked {
        // Each member by name: a new one is passed on, or said here to need no column.
        let Reservation { request_id: _, traceparent: _, user_id, idem_key, fingerprint, sale_id: _, items, json: _ } =
            one;
        let fingerprint = hex::decode(fingerprint);
        let fingerprint = fingerprint.map_err(|_| InfraError::misuse("a fingerprint is not hexadecimal"))?;
        let lines = items.iter().map(|line| Ok((line.sku_id.as_str(), i32::try_from(line.qty)?)));
        let lines = lines.collect::<Result<Vec<_>, TryFromIntError>>();
        let lines = lines.map_err(|_| InfraError::misuse("a quantity is out of bounds"))?;
        columns.push(user_id, idem_key, fingerprint, lines);
    }
    let outcomes: Option<Box<RawValue>> = database.json(reservations::CALL, &columns.params()).await?;
    let outcomes = outcomes.ok_or_else(|| InfraError::misuse("the call returned no outcomes"))?;
    asked.iter().for_each(|one| handler::log_outcome("reserve", &one.trace(), "answered", began));
    Ok(BatchResponse { outcomes })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let database = Database::from_env()?;
    let early_release = config::early_release()?;
    handler::serve(async |batch| reserve(&database, early_release, batch).await).await
}
