//! A payment page that was opened for a hold: noted when it is, and its gateway is asked before the hold ends and after
//! whether it has led to a payment, in case nobody ever tells.

use payments::Asked;
use protocol::confirm::{Outcome, Told};
use protocol::opening;
use serde::Deserialize;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::payment::confirm::{settle_known, unanswered};
use crate::payment::gateways::Desk;
use crate::runtime::database::{Broken, Database};

/// # Errors
/// The database cannot answer, or the request is none of ours.
pub async fn open(database: &Database, desk: &Desk, request: &opening::Request) -> Result<opening::Outcome, Broken> {
    let hold_id = Uuid::parse_str(&request.hold_id).map_err(|_| Broken::misused("hold_id is not a UUID"))?;
    if desk.at(&request.opening_at).is_none() {
        return Err(Broken::misused("a gateway that this function has no secret for"));
    }
    let params =
        &[(&request.user_id as _, Type::TEXT), (&hold_id as _, Type::UUID), (&request.opening_at as _, Type::TEXT)];
    let outcome = database.json("select holdfast.open_payment($1, $2, $3)", params).await?;
    outcome.ok_or_else(|| Broken::misused("opening a payment has no outcome"))
}

#[derive(Deserialize)]
struct Known {
    stored: Option<Outcome>,
    shaky: bool,
    admitted: bool,
}

/// Asks the gateway what the page has led to, and takes each payment that it finds to its end.
///
/// # Errors
/// The database cannot answer.
pub async fn ask(database: &Database, desk: &Desk, gateway: &str, reference: &str) -> Result<Outcome, Broken> {
    let id = (gateway, reference);
    let params = &[(&gateway as _, Type::TEXT), (&reference as _, Type::TEXT)];
    let known: Option<Known> = database.json("select holdfast.look_at_payment($1, $2)", params).await?;
    let known = known.ok_or_else(|| Broken::misused("looking at a payment has no outcome"))?;
    if let Some(outcome) = known.stored {
        database.call("select holdfast.end_opened($1, $2, 'paid')", params).await?;
        return Ok(outcome);
    }
    let at = desk.at(gateway).ok_or_else(|| Broken::misused("a gateway that this function has no secret for"))?;
    if !known.admitted {
        return Ok(Outcome::Unreachable);
    }
    let hold = payments::hold_id(reference);
    let mut best = Outcome::Ignored;
    for asked in desk.find(database, at, reference, known.shaky).await? {
        match asked {
            // A gateway that looks for a text may find more than was meant.
            Asked::Known(truth) if truth.mark.as_ref().is_some_and(|mark| mark.hold_id == hold && hold.is_some()) => {
                let payment_id = truth.payment_id.clone();
                let told = Told { gateway: gateway.to_owned(), payment_id, ..Told::default() };
                let settled = settle_known(database, desk, at, &told, truth, None).await?;
                if matches!(settled.outcome, Outcome::Confirmed { .. } | Outcome::RefundRequired { .. }) {
                    best = settled.outcome;
                }
            }
            Asked::Known(_) | Asked::NotFound => {}
            Asked::Refused(why) | Asked::Unreadable(why) => {
                unanswered(database, id, &why).await?;
                return Ok(Outcome::Unreachable);
            }
            Asked::Unknown(_) => return Ok(Outcome::Unreachable),
        }
    }
    let noted = match best {
        Outcome::Ignored => "select holdfast.note_opened($1, $2)",
        _ => "select holdfast.end_opened($1, $2, 'paid')",
    };
    database.call(noted, params).await?;
    Ok(best)
}
