//! Dispatches an operation: each is one call of one routine of schema/routines/subscriptions.sql,
//! schema/routines/dead_letters.sql or schema/routines/forget.sql.

use protocol::deliveries::{Operation, OperationOutcome};
use protocol::subscription::SubscriptionStatus;
use tokio_postgres::types::{Json, Type};

use super::request::{fingerprint, uuid};
use super::settings::Settings;
use super::{dead_letters, subscriptions};
use crate::events::seal::Seal;
use crate::runtime::database::{Database, InfraError, Param};
use crate::runtime::limits::REMOVE_BATCH;

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
            subscriptions::create(database, settings, &by, &idem_key, &subscription).await?
        }
        Operation::SetSubscription { by, subscription_id, status } => {
            let status = match status {
                SubscriptionStatus::Enabled => "ENABLED",
                SubscriptionStatus::Disabled => "DISABLED",
            };
            subscriptions::set(database, &by, &subscription_id, status).await?
        }
        Operation::DeleteSubscription { by, subscription_id } => {
            subscriptions::set(database, &by, &subscription_id, "DELETED").await?
        }
        Operation::RotateSecret { by, idem_key, subscription_id, overlap_s } => {
            subscriptions::rotate(database, &settings.seal, &by, &idem_key, &subscription_id, overlap_s).await?
        }
        Operation::DeadLetters { filter, after, limit } => {
            dead_letters::list(database, &filter, after.as_deref(), limit).await?
        }
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
            dead_letters::replay(database, &by, idem_key.as_deref(), &filter).await?
        }
    };
    opened(&settings.seal, outcome.unwrap_or(OperationOutcome::NotFound))
}

/// Opens the secret of an outcome: the database stores it sealed, in the subscription as in a key's stored response.
fn opened(seal: &Seal, mut outcome: OperationOutcome) -> Result<OperationOutcome, InfraError> {
    match &mut outcome {
        OperationOutcome::Created { secret: Some(secret), .. } | OperationOutcome::Rotated { secret, .. } => {
            *secret = seal.open(secret)?
        }
        _ => {}
    }
    Ok(outcome)
}
