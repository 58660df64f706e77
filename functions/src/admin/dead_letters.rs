//! Listing dead letters, and replaying those that a filter names (schema/routines/dead_letters.sql).

use protocol::deliveries::{Actor, Filter, OperationOutcome};
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use super::request::{field_error, fingerprint, uuid};
use crate::runtime::database::{Database, InfraError};
use crate::runtime::limits::REPLAY_BATCH;

pub(super) async fn list(
    database: &Database,
    filter: &Filter,
    after: Option<&str>,
    limit: i32,
) -> Result<Option<OperationOutcome>, InfraError> {
    let after = match after.map(cursor) {
        Some(None) => {
            let errors = vec![field_error("/cursor", "must be the `next` of another page")];
            return Ok(Some(OperationOutcome::InvalidRequest { errors }));
        }
        Some(Some((us, id))) => (Some(us), Some(id)),
        None => (None, None),
    };
    database
        .json(
            "select holdfast.dead_letters($1, $2, $3, $4, $5, $6, $7)",
            &[
                (&filter.kind, Type::TEXT),
                (&filter.event_type, Type::TEXT),
                (&subscription(filter)?, Type::UUID),
                (&filter.sale_id, Type::TEXT),
                (&after.0, Type::INT8),
                (&after.1, Type::TEXT),
                (&limit, Type::INT4),
            ],
        )
        .await
}

pub(super) async fn replay(
    database: &Database,
    by: &Actor,
    idem_key: Option<&str>,
    filter: &Filter,
) -> Result<Option<OperationOutcome>, InfraError> {
    let print = fingerprint(&("replay many", filter))?;
    database
        .json(
            "select holdfast.replay_dead_letters($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                (&Json(by), Type::JSON),
                (&idem_key, Type::TEXT),
                (&print, Type::BYTEA),
                (&filter.kind, Type::TEXT),
                (&filter.event_type, Type::TEXT),
                (&subscription(filter)?, Type::UUID),
                (&filter.sale_id, Type::TEXT),
                (&REPLAY_BATCH, Type::INT4),
            ],
        )
        .await
}

/// Microseconds since 1970 and an id, as the database wrote them into `next`.
fn cursor(text: &str) -> Option<(i64, &str)> {
    let (us, id) = text.split_once('.')?;
    Some((us.parse().ok()?, id))
}

fn subscription(filter: &Filter) -> Result<Option<Uuid>, InfraError> {
    filter.subscription.as_deref().map(uuid).transpose()
}
