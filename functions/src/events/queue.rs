//! The calls of `relay`, in schema/routines (relay.sql, rankings.sql, retain.sql): what is ranked, due, claimed, settled,
//! removed.

use std::time::Duration;

use protocol::deliveries::Kind;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::attempt::{Attempt, DeliveryResult};
use super::settings::Settings;
use crate::runtime::database::{Database, InfraError};
use crate::runtime::limits::{BREAKER_FAILURES, BREAKER_OPEN_MAX_S, FAN_OUT_BATCH, RANK_EVERY_S, REMOVE_BATCH};

/// What one subscription is sent under one claim.
#[derive(Deserialize)]
pub struct Claimed {
    pub claim: Uuid,
    pub kind: Kind,
    pub endpoint: String,
    /// Decrypted, the current one first.
    pub secrets: Vec<String>,
    pub deliveries: Vec<Delivery>,
}

#[derive(Deserialize)]
pub struct Delivery {
    pub delivery_id: i64,
    /// Attempts before this one.
    pub attempts: usize,
    pub event_id: Uuid,
    pub hold_id: Option<Uuid>,
    pub event: Event,
}

/// The body of a message. `data` is as the transaction wrote it, so that every attempt sends the same bytes.
#[derive(Deserialize, serde::Serialize)]
pub struct Event {
    pub r#type: String,
    pub timestamp: String,
    pub data: Box<RawValue>,
}

/// The result of a delivery's attempt, to be recorded.
pub struct AttemptRecord {
    pub claim: Uuid,
    pub delivery_id: i64,
    pub attempts: usize,
    pub attempt: Attempt,
}

/// A delivery's status after an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    Delivered,
    Retry,
    Dead,
    Gone,
}

impl DeliveryStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Dead => "dead",
            Self::Gone => "gone",
        }
    }
}

/// Fans a batch of events out; returns how many. 0: none is left.
///
/// # Errors
/// The database is broken.
pub async fn fan_out(database: &Database) -> Result<u64, InfraError> {
    count(database, "select holdfast.fan_out($1)", &[(&FAN_OUT_BATCH, Type::INT4)]).await
}

/// Makes the rankings again, unless they are younger than [`RANK_EVERY_S`].
///
/// # Errors
/// The database is broken.
pub async fn rank(database: &Database) -> Result<(), InfraError> {
    database.call("select holdfast.rank($1)", &[(&RANK_EVERY_S, Type::FLOAT8)]).await.map(drop)
}

/// # Errors
/// The database is broken.
pub async fn due(database: &Database, settings: &Settings) -> Result<Vec<Uuid>, InfraError> {
    let patience = settings.retries.patience().as_secs_f64();
    let rows = database.call("select holdfast.due_subscriptions($1)", &[(&patience, Type::FLOAT8)]).await?;
    Ok(rows.first().ok_or_else(|| InfraError::misuse("the call returned no row"))?.try_get(0)?)
}

/// None: there is nothing to send to it now.
///
/// # Errors
/// The database is broken.
pub async fn claim(
    database: &Database,
    settings: &Settings,
    subscription: Uuid,
) -> Result<Option<Claimed>, InfraError> {
    let patience = settings.retries.patience().as_secs_f64();
    let lease = settings.lease.as_secs_f64();
    let claimed: Option<Claimed> = database
        .json(
            "select holdfast.claim_deliveries($1, $2, $3, $4)",
            &[
                (&subscription, Type::UUID),
                (&settings.at_once, Type::INT4),
                (&lease, Type::FLOAT8),
                (&patience, Type::FLOAT8),
            ],
        )
        .await?;
    let Some(mut claimed) = claimed else { return Ok(None) };
    for secret in &mut claimed.secrets {
        *secret = seal(database, settings, subscription, secret).await?;
    }
    Ok(Some(claimed))
}

/// Records the attempts' results and returns each delivery's new status.
///
/// # Errors
/// The database is broken: the claims expire, and the deliveries are sent again.
pub async fn settle(
    database: &Database,
    settings: &Settings,
    subscription: Uuid,
    settled: &[AttemptRecord],
) -> Result<Vec<DeliveryStatus>, InfraError> {
    let seconds = |pause: Option<Duration>| pause.map(|pause| pause.as_secs_f64());
    let claims: Vec<Uuid> = settled.iter().map(|one| one.claim).collect();
    let ids: Vec<i64> = settled.iter().map(|one| one.delivery_id).collect();
    let (mut standings, mut after, mut healthy, mut pauses) = (vec![], vec![], vec![], vec![]);
    for one in settled {
        let (standing, retry, is_healthy, pause) = match one.attempt.answer {
            DeliveryResult::Accepted => (DeliveryStatus::Delivered, None, true, None),
            DeliveryResult::Gone => (DeliveryStatus::Gone, None, true, None),
            DeliveryResult::Failed { healthy, pause } => {
                let retry = settings.retries.after(one.attempts + 1, pause);
                (if retry.is_some() { DeliveryStatus::Retry } else { DeliveryStatus::Dead }, retry, healthy, pause)
            }
        };
        standings.push(standing);
        after.push(seconds(retry));
        healthy.push(is_healthy);
        pauses.push(seconds(pause.map(|pause| pause.min(settings.pause_max))));
    }
    let names: Vec<&str> = standings.iter().map(|standing| standing.name()).collect();
    let statuses: Vec<Option<i32>> = settled.iter().map(|one| one.attempt.status.map(i32::from)).collect();
    let errors: Vec<Option<&str>> = settled.iter().map(|one| one.attempt.error.as_deref()).collect();
    let failures = i32::try_from(BREAKER_FAILURES).unwrap_or(i32::MAX);
    let (open, open_max) = (settings.breaker_open.as_secs_f64(), Duration::from_secs(BREAKER_OPEN_MAX_S).as_secs_f64());
    database
        .call(
            "select holdfast.settle_deliveries($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            &[
                (&subscription, Type::UUID),
                (&claims, Type::UUID_ARRAY),
                (&ids, Type::INT8_ARRAY),
                (&names, Type::TEXT_ARRAY),
                (&statuses, Type::INT4_ARRAY),
                (&errors, Type::TEXT_ARRAY),
                (&after, Type::FLOAT8_ARRAY),
                (&healthy, Type::BOOL_ARRAY),
                (&pauses, Type::FLOAT8_ARRAY),
                (&failures, Type::INT4),
                (&open, Type::FLOAT8),
                (&open_max, Type::FLOAT8),
            ],
        )
        .await?;
    Ok(standings)
}

/// Removes a batch of sent events whose retention is over; returns how many. 0: none is left.
///
/// # Errors
/// The database is broken.
pub async fn remove_sent(database: &Database, settings: &Settings) -> Result<u64, InfraError> {
    let (keep, keep_dead) = (settings.events_keep.as_secs_f64(), settings.dead_keep.as_secs_f64());
    let params = [(&REMOVE_BATCH as _, Type::INT4), (&keep as _, Type::FLOAT8), (&keep_dead as _, Type::FLOAT8)];
    count(database, "select holdfast.remove_sent($1, $2, $3)", &params).await
}

/// Removes a batch of finished idempotency keys whose retention is over; returns of how many holds. 0: none is left.
///
/// # Errors
/// The database is broken.
pub async fn remove_keys(database: &Database, settings: &Settings) -> Result<u64, InfraError> {
    let keep = settings.keys_keep.as_secs_f64();
    let params = [(&REMOVE_BATCH as _, Type::INT4), (&keep as _, Type::FLOAT8)];
    count(database, "select holdfast.remove_keys($1, $2)", &params).await
}

/// Removes a batch of holds that ended unpaid and whose retention is over; returns how many were examined. 0: none is
/// left.
///
/// # Errors
/// The database is broken.
pub async fn remove_holds(database: &Database, settings: &Settings) -> Result<u64, InfraError> {
    let keep = settings.holds_keep.as_secs_f64();
    let params = [(&REMOVE_BATCH as _, Type::INT4), (&keep as _, Type::FLOAT8)];
    count(database, "select holdfast.remove_holds($1, $2)", &params).await
}

/// Removes a batch of what the rankings no longer count; returns how many. 0: none is left.
///
/// # Errors
/// The database is broken.
pub async fn remove_sold(database: &Database) -> Result<u64, InfraError> {
    count(database, "select holdfast.remove_sold($1)", &[(&REMOVE_BATCH, Type::INT4)]).await
}

/// Forgets a batch of users; returns how many. 0: none is due.
///
/// # Errors
/// The database is broken.
pub async fn forget(database: &Database, settings: &Settings) -> Result<u64, InfraError> {
    let (keep, legal) = (settings.events_keep.as_secs_f64(), settings.legal_keep.as_secs_f64());
    let params = [(&REMOVE_BATCH as _, Type::INT4), (&keep as _, Type::FLOAT8), (&legal as _, Type::FLOAT8)];
    count(database, "select holdfast.forget_due($1, $2, $3)", &params).await
}

/// Decrypts a secret, and re-encrypts one that is stored in clear or with the previous key.
async fn seal(
    database: &Database,
    settings: &Settings,
    subscription: Uuid,
    stored: &str,
) -> Result<String, InfraError> {
    let secret = settings.seal.open(stored)?;
    if !settings.seal.is_current(stored) {
        let sealed = settings.seal.seal(&secret)?;
        let params = [(&subscription as _, Type::UUID), (&stored as _, Type::TEXT), (&sealed as _, Type::TEXT)];
        database.call("select holdfast.reseal($1, $2, $3)", &params).await?;
    }
    Ok(secret)
}

async fn count(
    database: &Database,
    sql: &str,
    params: &[crate::runtime::database::Param<'_>],
) -> Result<u64, InfraError> {
    let rows = database.call(sql, params).await?;
    let count: i32 = rows.first().ok_or_else(|| InfraError::misuse("the call returned no row"))?.try_get(0)?;
    Ok(u64::try_from(count).unwrap_or(0))
}
