//! A payment that somebody told us of: what was signed is proven, who may tell is looked at, the gateway is asked for the
//! present, and what is not ours is left alone. What is ours is taken to its end in flow.rs.

use payments::{Asked, Event, Kind, Notice, Said, Truth};
use protocol::confirm::{HoldOf, Outcome, Settled, Signed, Told};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::{info, warn};
use uuid::Uuid;

use crate::payment::flow::{Case, book, end};
use crate::payment::gateways::{Counter, Desk};
use crate::payment::recheck;
use crate::payment::webhook_secrets::WebhookSecrets;
use crate::runtime::database::{Broken, Database};

#[derive(Deserialize)]
struct Known {
    stored: Option<Outcome>,
    hold: Option<HoldOf>,
    token: Option<String>,
    shaky: bool,
    /// The gateway wants to be asked less often.
    slowed: bool,
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
    let Some(reader) = payments::webhook(&signed.gateway).filter(|reader| secrets.prove(*reader, signed)) else {
        return done(Outcome::Unproven);
    };
    let Event(event) =
        serde_json::from_str(&signed.body).map_err(|_| Broken::misused("a signed message is no event"))?;
    let notice =
        payments::notice(reader, &event).map_err(|_| Broken::misused("an event is not what its type promises"))?;
    let Some(Notice { payment_id, kind, said }) = notice else { return done(Outcome::Ignored) };
    let told = Told { gateway: signed.gateway.clone(), payment_id, ..Told::default() };
    let told = match kind {
        Kind::Changed => told,
        Kind::MayTake { amount } => Told { may_take: true, amount, ..told },
        Kind::Later { dispute } => Told { later: true, dispute: dispute.map(|hint| hint.name().to_owned()), ..told },
        // Of a gateway that signs nothing.
        Kind::Deposit { .. } => return done(Outcome::Ignored),
    };
    look(database, desk, &told, said).await
}

/// # Errors
/// The database cannot answer, or the gateway is not configured. That a gateway does not answer is no error: the others'
/// payments go on.
pub async fn settle(database: &Database, desk: &Desk, told: &Told) -> Result<Settled, Broken> {
    // That there is a dispute is believed of what is signed alone.
    look(database, desk, &Told { dispute: None, ..told.clone() }, None).await
}

/// What is told is of the past: before money or stock moves, the present is asked. `said`: the word of the shop's own
/// service, which counts where that service does not know better now.
async fn look(database: &Database, desk: &Desk, told: &Told, said: Option<Said>) -> Result<Settled, Broken> {
    let id = (told.gateway.as_str(), told.payment_id.as_str());
    if told.later
        && let Some(settled) = recheck::look_again(database, desk, told).await?
    {
        return Ok(settled);
    }
    // Before the gateway is asked: what a buyer names may be anybody's.
    if theirs(database, told, payments::hold_id(id.1)).await? == Some(false) {
        return done(Outcome::NotFound);
    }
    let known: Option<Known> =
        database.json("select holdfast.look_at_payment($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)]).await?;
    let known = known.ok_or_else(|| Broken::misused("looking at a payment has no outcome"))?;
    if let Some(outcome) = known.stored {
        let of = |text: &str| payments::hold_id(text);
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
    // A hint may wait: it comes again, or the sweep asks. A buyer who stands there does not.
    let is_hint = told.token.is_none() && told.buyer.is_none() && !told.may_take && !is_comeback(told);
    let asked = if !known.admitted || (known.slowed && is_hint) {
        Asked::Unknown("the gateway is left alone".to_owned())
    } else if told.deposit_secret.is_some() {
        // The message knows the payment by our own id alone.
        let found = desk.find(database, at, &told.payment_id, known.shaky).await?;
        found.into_iter().next().unwrap_or(Asked::NotFound)
    } else {
        desk.ask(database, at, &told.payment_id, known.shaky).await?
    };
    let truth = match (asked, &said) {
        (Asked::Known(truth), _) => truth,
        (_, Some(said)) => return believe(database, id, said).await,
        (Asked::NotFound, None) => {
            return Ok(answered(told, end(database, id, "the gateway knows no such payment").await?));
        }
        // It is at work, and does not say: that is this payment's matter, and asked again later and later.
        (Asked::Refused(why) | Asked::Unreadable(why), None) => {
            unanswered(database, id, &why).await?;
            return done(Outcome::Unreachable);
        }
        (Asked::Unknown(_), None) => return done(Outcome::Unreachable),
    };
    settle_known(database, desk, at, told, truth, known.token).await
}

/// Whether a browser is to be sent somewhere.
fn is_comeback(told: &Told) -> bool {
    told.amount_text.is_some() || (told.amount.is_some() && !told.may_take)
}

/// A payment whose truth has just been asked for, however it was found.
pub(crate) async fn settle_known(
    database: &Database,
    desk: &Desk,
    at: &Counter,
    told: &Told,
    truth: Truth,
    token: Option<String>,
) -> Result<Settled, Broken> {
    let payment_id = truth.payment_id.clone();
    let id = (told.gateway.as_str(), payment_id.as_str());
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
    // Whoever knows its secret was told it by the gateway.
    if told.deposit_secret.as_ref().is_some_and(|secret| !truth.has_secret(secret)) {
        warn!(gateway = at.name, "a message about a deposit does not know the payment's secret");
        return done(Outcome::Ignored);
    }
    let unit = || payments::units::unit(at.name, &truth.currency);
    let came_with = told.amount_text.as_ref().map(|text| unit().and_then(|unit| unit.read(text)));
    if told.amount.is_some_and(|amount| amount != truth.amount)
        || came_with.is_some_and(|amount| amount != Some(truth.amount))
    {
        return done(turned_away("amount_mismatch"));
    }
    if told.order_ref.as_ref().is_some_and(|order_ref| *order_ref != truth.order_ref) {
        return done(turned_away("order_mismatch"));
    }
    let case = Case { database, desk, at, id, token: told.token.clone().or(token), mark, truth };
    let outcome = case.settle(told.may_take).await?;
    // Only a browser has to be sent somewhere.
    let hold = if is_comeback(told) {
        database.json("select holdfast.hold_of_payment($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)]).await?
    } else {
        None
    };
    Ok(answered(told, Settled { outcome, hold }))
}

/// Whoever asks before taking the money would take "ignored" for leave to: it says that for others' payments alone.
fn answered(told: &Told, settled: Settled) -> Settled {
    match settled.outcome {
        Outcome::Ignored | Outcome::Pending if told.may_take => {
            Settled { outcome: turned_away("payment_unknown"), ..settled }
        }
        _ => settled,
    }
}

/// What is written down of a payment is asked about later and later, and at last is an operator's.
pub(crate) async fn unanswered(database: &Database, id: (&str, &str), why: &str) -> Result<(), Broken> {
    warn!(gateway = id.0, payment_id = id.1, %why, "a gateway does not say what is true of a payment");
    let params = &[(&id.0 as _, Type::TEXT), (&id.1 as _, Type::TEXT), (&why as _, Type::TEXT)];
    database.call("select holdfast.payment_unanswered($1, $2, $3)", params).await.map(drop)
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
