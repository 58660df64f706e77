//! What an operator does about deliveries (schema/operate.sql, schema/dead_letters.sql), its values checked first.

use protocol::admin::FieldError;
use protocol::event;
use protocol::operate::{Actor, Filter, Kind, NewSubscription, Operation, OperationOutcome, SubscriptionStatus};
use sha2::{Digest, Sha256};
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use crate::events::seal::Seal;
use crate::events::{endpoint, sign};
use crate::runtime::database::{Database, InfraError, Param};
use crate::runtime::limits::{REMOVE_BATCH, REPLAY_BATCH, SECRET_OVERLAP_MAX_S, SUBSCRIPTIONS_MAX};

use super::settings::Settings;

/// # Errors
/// The database is broken.
pub async fn run(
    database: &Database,
    settings: &Settings,
    operation: Operation,
) -> Result<OperationOutcome, InfraError> {
    let outcome = match operation {
        Operation::Actions { before, limit } => {
            let params: [Param<'_>; 2] = [(&before, Type::INT8), (&limit, Type::INT4)];
            database.json("select holdfast.operator_actions($1, $2)", &params).await?
        }
        Operation::Subscriptions => database.json("select holdfast.subscriptions()", &[]).await?,
        Operation::Subscription { subscription_id } => {
            let id = uuid(&subscription_id)?;
            database.json("select holdfast.subscription_of($1)", &[(&id, Type::UUID)]).await?
        }
        Operation::CreateSubscription { by, idem_key, subscription } => {
            create(database, settings, &by, &idem_key, &subscription).await?
        }
        Operation::SetSubscription { by, subscription_id, status } => {
            let status = match status {
                SubscriptionStatus::Enabled => "ENABLED",
                SubscriptionStatus::Disabled => "DISABLED",
            };
            set(database, &by, &subscription_id, status).await?
        }
        Operation::DeleteSubscription { by, subscription_id } => {
            set(database, &by, &subscription_id, "DELETED").await?
        }
        Operation::RotateSecret { by, idem_key, subscription_id, overlap_s } => {
            rotate(database, &settings.seal, &by, &idem_key, &subscription_id, overlap_s).await?
        }
        Operation::DeadLetters { filter, after, limit } => list(database, &filter, after.as_deref(), limit).await?,
        Operation::ReplayDeadLetter { by, idem_key, id } => {
            let print = fingerprint(&("replay", &id))?;
            let params: [Param<'_>; 4] =
                [(&Json(&by), Type::JSON), (&idem_key, Type::TEXT), (&print, Type::BYTEA), (&id, Type::TEXT)];
            database.json("select holdfast.replay_dead_letter($1, $2, $3, $4)", &params).await?
        }
        Operation::DecideDeadLetter { by, idem_key, id, decision } => {
            let (print, decision) = (fingerprint(&("decide", &id, decision))?, decision.name());
            let params: [Param<'_>; 5] = [
                (&Json(&by), Type::JSON),
                (&idem_key, Type::TEXT),
                (&print, Type::BYTEA),
                (&id, Type::TEXT),
                (&decision, Type::TEXT),
            ];
            database.json("select holdfast.decide_dead_letter($1, $2, $3, $4, $5)", &params).await?
        }
        Operation::ForgetUser { by, user_id } => {
            let (keep, legal) = (settings.events_keep.as_secs_f64(), settings.legal_keep.as_secs_f64());
            let params: [Param<'_>; 5] = [
                (&Json(&by), Type::JSON),
                (&user_id, Type::TEXT),
                (&REMOVE_BATCH, Type::INT4),
                (&keep, Type::FLOAT8),
                (&legal, Type::FLOAT8),
            ];
            database.json("select holdfast.forget_user($1, $2, $3, $4, $5)", &params).await?
        }
        Operation::ReplayDeadLetters { by, idem_key, filter } => {
            replay(database, &by, idem_key.as_deref(), &filter).await?
        }
    };
    opened(&settings.seal, outcome.unwrap_or(OperationOutcome::NotFound))
}

/// The database has the secret sealed, here and in the stored answer of a key.
fn opened(seal: &Seal, mut outcome: OperationOutcome) -> Result<OperationOutcome, InfraError> {
    match &mut outcome {
        OperationOutcome::Created { secret: Some(secret), .. } | OperationOutcome::Rotated { secret, .. } => {
            *secret = seal.open(secret)?
        }
        _ => {}
    }
    Ok(outcome)
}

fn new_secret(seal: &Seal) -> Result<String, InfraError> {
    let secret = sign::new_secret().ok_or_else(|| InfraError::misuse("there is no randomness for a secret"))?;
    seal.seal(&secret)
}

async fn create(
    database: &Database,
    settings: &Settings,
    by: &Actor,
    idem_key: &str,
    new: &NewSubscription,
) -> Result<Option<OperationOutcome>, InfraError> {
    let kind = new.kind.as_deref().map_or(Some(Kind::Http), Kind::named);
    let errors = faults(new, kind, settings.allow_private);
    let Some(kind) = kind.filter(|_| errors.is_empty()) else {
        return Ok(Some(OperationOutcome::InvalidRequest { errors }));
    };
    let secret = match kind {
        Kind::Http => Some(new_secret(&settings.seal)?),
        Kind::Sqs | Kind::Eventbridge => None,
    };
    let (print, kind) = (fingerprint(&("subscribe", new))?, kind.name());
    database
        .json(
            "select holdfast.create_subscription($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                (&Json(by), Type::JSON),
                (&idem_key, Type::TEXT),
                (&print, Type::BYTEA),
                (&kind, Type::TEXT),
                (&endpoint::as_parsed(&new.endpoint), Type::TEXT),
                (&new.event_types, Type::TEXT_ARRAY),
                (&secret, Type::TEXT),
                (&SUBSCRIPTIONS_MAX, Type::INT4),
            ],
        )
        .await
}

async fn set(database: &Database, by: &Actor, id: &str, status: &str) -> Result<Option<OperationOutcome>, InfraError> {
    let params: [Param<'_>; 3] = [(&Json(by), Type::JSON), (&uuid(id)?, Type::UUID), (&status, Type::TEXT)];
    database.json("select holdfast.set_subscription_status($1, $2, $3)", &params).await
}

async fn rotate(
    database: &Database,
    seal: &Seal,
    by: &Actor,
    idem_key: &str,
    subscription_id: &str,
    overlap_s: i64,
) -> Result<Option<OperationOutcome>, InfraError> {
    if !(0..=SECRET_OVERLAP_MAX_S).contains(&overlap_s) {
        let errors = vec![fault("/overlap_s", "must be from 0 to 604800 seconds")];
        return Ok(Some(OperationOutcome::InvalidRequest { errors }));
    }
    let secret = new_secret(seal)?;
    let (print, overlap) = (fingerprint(&("rotate", subscription_id, overlap_s))?, overlap_s as f64);
    database
        .json(
            "select holdfast.rotate_secret($1, $2, $3, $4, $5, $6)",
            &[
                (&Json(by), Type::JSON),
                (&idem_key, Type::TEXT),
                (&print, Type::BYTEA),
                (&uuid(subscription_id)?, Type::UUID),
                (&secret, Type::TEXT),
                (&overlap, Type::FLOAT8),
            ],
        )
        .await
}

async fn list(
    database: &Database,
    filter: &Filter,
    after: Option<&str>,
    limit: i32,
) -> Result<Option<OperationOutcome>, InfraError> {
    let after = match after.map(cursor) {
        Some(None) => {
            let errors = vec![fault("/cursor", "must be the `next` of another page")];
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

async fn replay(
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

fn faults(new: &NewSubscription, kind: Option<Kind>, allow_private: bool) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte));
    let wrong = match kind {
        None => Some(fault("/kind", "must be http, sqs or eventbridge")),
        _ if !(1..=2_000).contains(&endpoint::as_parsed(&new.endpoint).len()) => {
            Some(fault("/endpoint", "must be 1 to 2000 characters"))
        }
        Some(Kind::Http | Kind::Sqs) => {
            let wrong = endpoint::url(&new.endpoint, allow_private).err();
            wrong.map(|why| fault("/endpoint", &format!("must be an https URL of the public internet: {why}")))
        }
        Some(Kind::Eventbridge) => {
            (!plain(&new.endpoint)).then(|| fault("/endpoint", "must be the name or the ARN of a bus"))
        }
    };
    faults.extend(wrong);
    for (i, event_type) in new.event_types.iter().enumerate() {
        if !event::is_known(event_type) {
            faults.push(fault(&format!("/event_types/{i}"), &format!("must be one of {}", event::names())));
        }
    }
    faults
}

fn fault(pointer: &str, detail: &str) -> FieldError {
    FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

/// Microseconds since 1970 and an id, as the database wrote them into `next`.
fn cursor(text: &str) -> Option<(i64, &str)> {
    let (us, id) = text.split_once('.')?;
    Some((us.parse().ok()?, id))
}

fn subscription(filter: &Filter) -> Result<Option<Uuid>, InfraError> {
    filter.subscription.as_deref().map(uuid).transpose()
}

fn uuid(text: &str) -> Result<Uuid, InfraError> {
    Uuid::parse_str(text).map_err(|_| InfraError::misuse("an id is not a UUID"))
}

fn fingerprint<T: serde::Serialize>(asked: &T) -> Result<Vec<u8>, InfraError> {
    let text = serde_json::to_vec(asked).map_err(|_| InfraError::misuse("the request cannot be written"))?;
    Ok(Sha256::digest(text).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_leads_inside_is_no_subscription_unless_it_is_allowed() {
        let pointers = |kind, endpoint: &str, allow_private| -> Vec<String> {
            let new = NewSubscription {
                kind: None,
                endpoint: endpoint.to_owned(),
                event_types: vec!["OrderConfirmed".to_owned()],
                reason: None,
            };
            faults(&new, Some(kind), allow_private).into_iter().map(|fault| fault.pointer).collect()
        };
        for inside in [
            "http://shop.example/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://10.0.0.1/hooks",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/",
            "https://[::ffff:192.168.0.1]/",
            "https://[fe80::1]/",
        ] {
            assert_eq!(pointers(Kind::Http, inside, false), ["/endpoint"], "{inside}");
        }
        assert_eq!(pointers(Kind::Sqs, "https://127.0.0.1/1/shop", false), ["/endpoint"]);
        assert!(pointers(Kind::Http, "http://127.0.0.1:9/", true).is_empty());
        assert!(pointers(Kind::Http, "https://shop.example/hooks", false).is_empty());
    }
}
