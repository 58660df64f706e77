//! A payment page that is opened for a hold. The opening is recorded, and the gateway is polled before and after the
//! hold ends whether it led to a payment, in case no webhook ever comes.

use payments::LookupResult;
use protocol::confirm::{ConfirmOutcome, PaymentHint};
use protocol::opening;
use serde::Deserialize;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::payment::confirm::settle_known;
use crate::payment::gateways::Gateways;
use crate::payment::unanswered::record_no_answer;
use crate::runtime::database::{Database, InfraError};

/// # Errors
/// The database cannot answer, or the request is none of ours.
pub async fn open(
    database: &Database,
    gateways: &Gateways,
    request: &opening::OpenPaymentRequest,
) -> Result<opening::OpenPaymentOutcome, InfraError> {
    let hold_id = Uuid::parse_str(&request.hold_id).map_err(|_| InfraError::misuse("hold_id is not a UUID"))?;
    if gateways.client(&request.opening_at).is_none() {
        return Err(InfraError::misuse("a gateway that this function has no secret for"));
    }
    let params =
        &[(&request.user_id as _, Type::TEXT), (&hold_id as _, Type::UUID), (&request.opening_at as _, Type::TEXT)];
    let outcome = database.json("select holdfast.open_payment($1, $2, $3)", params).await?;
    outcome.ok_or_else(|| InfraError::misuse("opening a payment has no outcome"))
}

#[derive(Deserialize)]
struct Known {
    stored: Option<ConfirmOutcome>,
    shaky: bool,
    admitted: bool,
}

/// Looks up the payments that the page has led to, and settles each.
///
/// # Errors
/// The database cannot answer.
pub async fn look_up(
    database: &Database,
    gateways: &Gateways,
    gateway: &str,
    reference: &str,
) -> Result<ConfirmOutcome, InfraError> {
    let id = (gateway, reference);
    let params = &[(&gateway as _, Type::TEXT), (&reference as _, Type::TEXT)];
    let known: Option<Known> = database.json("select holdfast.look_at_payment($1, $2)", params).await?;
    let known = known.ok_or_else(|| InfraError::misuse("looking at a payment has no outcome"))?;
    if let Some(outcome) = known.stored {
        database.call("select holdfast.end_opened($1, $2, 'paid')", params).await?;
        return Ok(outcome);
    }
    let client =
        gateways.client(gateway).ok_or_else(|| InfraError::misuse("a gateway that this function has no secret for"))?;
    if !known.admitted {
        return Ok(ConfirmOutcome::Unreachable);
    }
    let hold = payments::hold_id(reference);
    let mut best = ConfirmOutcome::Ignored;
    for result in gateways.find(database, client, reference, known.shaky).await? {
        match result {
            // A text search may find payments of other holds.
            LookupResult::Known(snapshot)
                if snapshot.mark.as_ref().is_some_and(|mark| mark.hold_id == hold && hold.is_some()) =>
            {
                let payment_id = snapshot.payment_id.clone();
                let hint = PaymentHint { gateway: gateway.to_owned(), payment_id, ..PaymentHint::default() };
                let settled = settle_known(database, gateways, client, &hint, snapshot, None).await?;
                if matches!(settled.outcome, ConfirmOutcome::Confirmed { .. } | ConfirmOutcome::RefundRequired { .. }) {
                    best = settled.outcome;
                }
            }
            LookupResult::Known(_) | LookupResult::NotFound => {}
            LookupResult::Refused(why) | LookupResult::Unreadable(why) => {
                record_no_answer(database, id, &why).await?;
                return Ok(ConfirmOutcome::Unreachable);
            }
            LookupResult::Unknown(_) => return Ok(ConfirmOutcome::Unreachable),
        }
    }
    let noted = match best {
        ConfirmOutcome::Ignored => "select holdfast.note_opened($1, $2)",
        _ => "select holdfast.end_opened($1, $2, 'paid')",
    };
    database.call(noted, params).await?;
    Ok(best)
}
