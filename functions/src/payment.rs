//! A payment that somebody told us of: what was signed is proven, who may tell is looked at, the gateway is asked for the
//! present, and what is not ours is left alone. What is ours is taken to its end in settle.rs.

use gateways::{Asked, Event, Kind, Notice, Said};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::info;
use uuid::Uuid;
use wire::confirm::{HoldOf, Outcome, Settled, Signed, Told};

use crate::database::{Broken, Database};
use crate::desk::Desk;
use crate::settle::{Case, book, end};
use crate::webhooks::WebhookSecrets;

#[derive(Deserialize)]
struct Known {
    stored: Option<Outcome>,
    hold: Option<HoldOf>,
    token: Option<String>,
    shaky: bool,
    admitted: bool,
}

/// A message that its gateway signed, proven by the secrets of this function; nothing else of it is believed.
///
/// # Errors
/// As for [`settle`]; and a message that no gateway of ours can have sent.
pub async fn settle_signed(
    database: &Database,
    desk: &Desk,
    secrets: &WebhookSecrets,
    signed: &Signed,
) -> Result<Settled, Broken> {
    let Some(reader) = gateways::webhook(&signed.gateway).filter(|reader| secrets.prove(*reader, signed)) else {
        return done(Outcome::Unproven);
    };
    let Event(event) =
        serde_json::from_str(&signed.body).map_err(|_| Broken::misused("a signed message is no event"))?;
    let notice =
        gateways::notice(reader, &event).map_err(|_| Broken::misused("an event is not what its type promises"))?;
    let Some(Notice { payment_id, kind, said }) = notice else { return done(Outcome::Ignored) };
    let (may_take, amount) = match kind {
        Kind::Changed => (false, None),
        Kind::MayTake { amount } => (true, amount),
    };
    let gateway = signed.gateway.clone();
    look(database, desk, &Told { gateway, payment_id, may_take, amount, ..Told::default() }, said).await
}

/// # Errors
/// The database cannot answer, or the gateway is not configured. That a gateway does not answer is no error: the others'
/// payments go on.
pub async fn settle(database: &Database, desk: &Desk, told: &Told) -> Result<Settled, Broken> {
    look(database, desk, told, None).await
}

/// What is told is of the past: before money or stock moves, the present is asked. `said`: the word of the shop's own
/// service, which counts where that service does not know better now.
async fn look(database: &Database, desk: &Desk, told: &Told, said: Option<Said>) -> Result<Settled, Broken> {
    let id = (told.gateway.as_str(), told.payment_id.as_str());
    // Before the gateway is asked: what a buyer names may be anybody's.
    if theirs(database, told, gateways::hold_id(id.1)).await? == Some(false) {
        return done(Outcome::NotFound);
    }
    let known: Option<Known> =
        database.json("select holdfast.look_at_payment($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)]).await?;
    let known = known.ok_or_else(|| Broken::misused("looking at a payment has no outcome"))?;
    if let Some(outcome) = known.stored {
        let of = |text: &str| gateways::hold_id(text);
        let came_with = told.order_ref.as_deref().and_then(of);
        if came_with.is_some() && came_with != known.hold.as_ref().and_then(|hold| of(&hold.hold_id)) {
            return done(turned_away("order_mismatch"));
        }
        return Ok(Settled { outcome, hold: known.hold });
    }
    // Play money in a shop that sells for real money buys nothing, and is nobody's to pay back.
    if desk.live && said.as_ref().is_some_and(|said| !said.live) {
        return done(Outcome::Ignored);
    }
    let at = match (desk.at(&told.gateway), &said) {
        (Some(at), _) => at,
        (None, Some(said)) => return believe(database, id, said).await,
        (None, None) => return Err(Broken::misused("a gateway that this function has no secret for")),
    };
    let asked = if known.admitted {
        desk.ask(database, at, &told.payment_id, known.shaky).await?
    } else {
        Asked::Unknown("the gateway is left alone".to_owned())
    };
    let truth = match (asked, &said) {
        (Asked::Known(truth), _) => truth,
        (_, Some(said)) => return believe(database, id, said).await,
        (Asked::NotFound, None) => {
            return Ok(answered(told, end(database, id, "the gateway knows no such payment").await?));
        }
        (Asked::Refused(_) | Asked::Unknown(_), None) => return done(Outcome::Unreachable),
    };
    // Before anything else: what is not marked as ours is somebody else's, and only looked at.
    let Some(mark) = truth.mark.clone() else {
        info!(
            verb = "confirm",
            gateway = at.name,
            payment_id = id.1,
            foreign = desk.count_foreign(),
            "not a payment of ours"
        );
        return end(database, id, "not a payment of ours").await;
    };
    if told.buyer.is_some() && theirs(database, told, mark.hold_id.clone()).await? != Some(true) {
        return done(Outcome::NotFound);
    }
    if desk.live && !truth.live {
        return Ok(answered(told, Settled { outcome: Outcome::Ignored, hold: None }));
    }
    if told.amount.is_some_and(|amount| amount != truth.amount) {
        return done(turned_away("amount_mismatch"));
    }
    if told.order_ref.as_ref().is_some_and(|order_ref| *order_ref != truth.order_ref) {
        return done(turned_away("order_mismatch"));
    }
    let case = Case { database, desk, at, id, token: told.token.clone().or(known.token), mark, truth };
    let outcome = case.settle(told.may_take).await?;
    // Only a browser has to be sent somewhere.
    let hold = match told.amount {
        Some(_) => {
            database
                .json("select holdfast.hold_of_payment($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)])
                .await?
        }
        None => None,
    };
    Ok(answered(told, Settled { outcome, hold }))
}

/// Whoever asks before taking the money would take "ignored" for leave to: it says that for others' payments alone.
fn answered(told: &Told, settled: Settled) -> Settled {
    match settled.outcome {
        Outcome::Ignored if told.may_take => Settled { outcome: turned_away("payment_unknown"), ..settled },
        _ => settled,
    }
}

fn done(outcome: Outcome) -> Result<Settled, Broken> {
    Ok(Settled { outcome, hold: None })
}

fn turned_away(reason: &str) -> Outcome {
    Outcome::TurnedAway { reason: reason.to_owned() }
}

/// Whether the payment is the buyer's who tells of it: the hold that is known to be its, or else this one, is theirs. None:
/// no buyer tells of it, or nobody knows its hold yet.
async fn theirs(database: &Database, told: &Told, hold_id: Option<String>) -> Result<Option<bool>, Broken> {
    let Some(buyer) = &told.buyer else { return Ok(None) };
    let hold_id = hold_id.and_then(|id| Uuid::parse_str(&id).ok());
    let params = &[
        (&told.gateway as _, Type::TEXT),
        (&told.payment_id as _, Type::TEXT),
        (&hold_id as _, Type::UUID),
        (buyer as _, Type::TEXT),
    ];
    database.json("select to_json(holdfast.is_payment_of($1, $2, $3, $4))", params).await
}

/// The signed word of the shop's own service.
async fn believe(database: &Database, id: (&str, &str), said: &Said) -> Result<Settled, Broken> {
    let Said { hold_ref, user_id, amount, currency, .. } = said;
    done(book(database, id, hold_ref, Some(user_id), *amount, currency).await?)
}
