//! A payment that somebody told us of: what was signed is proven, who may tell is looked at, the gateway is asked for the
//! present, and what is not ours is left alone. What is ours is taken to its end in flow.rs.

use payments::{EventKind, LookupResult, PaymentDetails, PaymentSnapshot, RawEvent, WebhookEvent};
use protocol::confirm::{ConfirmOutcome, HoldOf, PaymentHint, Settled, Signed};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::{info, warn};
use uuid::Uuid;

use crate::payment::flow::{PaymentFlow, end, record_payment};
use crate::payment::gateways::{GatewayClient, Gateways};
use crate::payment::recheck;
use crate::payment::webhook_secrets::WebhookSecrets;
use crate::runtime::database::{Database, InfraError};

#[derive(Deserialize)]
struct Known {
    stored: Option<ConfirmOutcome>,
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
    gateways: &Gateways,
    secrets: &WebhookSecrets,
    signed: &Signed,
) -> Result<Settled, InfraError> {
    let Some(reader) = payments::webhook(&signed.gateway).filter(|reader| secrets.prove(*reader, signed)) else {
        return done(ConfirmOutcome::Unproven);
    };
    let RawEvent(event) =
        serde_json::from_str(&signed.body).map_err(|_| InfraError::misuse("a signed message is no event"))?;
    let event_read = payments::read_event(reader, &event)
        .map_err(|_| InfraError::misuse("an event is not what its type promises"))?;
    let Some(WebhookEvent { payment_id, kind, details }) = event_read else { return done(ConfirmOutcome::Ignored) };
    let hint = PaymentHint { gateway: signed.gateway.clone(), payment_id, ..PaymentHint::default() };
    let hint = match kind {
        EventKind::Changed => hint,
        EventKind::CaptureApproval { amount } => PaymentHint { asks_approval: true, amount, ..hint },
        EventKind::Later { dispute } => {
            PaymentHint { later: true, dispute: dispute.map(|hint| hint.name().to_owned()), ..hint }
        }
        // Of a gateway that signs nothing.
        EventKind::Deposit { .. } => return done(ConfirmOutcome::Ignored),
    };
    look(database, gateways, &hint, details).await
}

/// # Errors
/// The database cannot answer, or the gateway is not configured. That a gateway does not answer is no error: the others'
/// payments go on.
pub async fn settle(database: &Database, gateways: &Gateways, hint: &PaymentHint) -> Result<Settled, InfraError> {
    // That there is a dispute is believed of what is signed alone.
    look(database, gateways, &PaymentHint { dispute: None, ..hint.clone() }, None).await
}

/// What is told is of the past: before money or stock moves, the present is asked. `said`: the word of the shop's own
/// service, which counts where that service does not know better now.
async fn look(
    database: &Database,
    gateways: &Gateways,
    hint: &PaymentHint,
    details: Option<PaymentDetails>,
) -> Result<Settled, InfraError> {
    let id = (hint.gateway.as_str(), hint.payment_id.as_str());
    if hint.later
        && let Some(settled) = recheck::look_again(database, gateways, hint).await?
    {
        return Ok(settled);
    }
    // Before the gateway is asked: what a buyer names may be anybody's.
    if belongs_to_buyer(database, hint, payments::hold_id(id.1)).await? == Some(false) {
        return done(ConfirmOutcome::NotFound);
    }
    let known: Option<Known> =
        database.json("select holdfast.look_at_payment($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)]).await?;
    let known = known.ok_or_else(|| InfraError::misuse("looking at a payment has no outcome"))?;
    if let Some(outcome) = known.stored {
        let of = |text: &str| payments::hold_id(text);
        let returned_with = hint.order_ref.as_deref().and_then(of);
        if returned_with.is_some() && returned_with != known.hold.as_ref().and_then(|hold| of(&hold.hold_id)) {
            return done(rejected("order_mismatch"));
        }
        return Ok(Settled { outcome, hold: known.hold });
    }
    // Play money in a shop that sells for real money buys nothing, and is nobody's to pay back.
    if gateways.live && details.as_ref().is_some_and(|details| !details.live) {
        return done(ConfirmOutcome::Ignored);
    }
    let client = match (gateways.client(&hint.gateway), &details) {
        (Some(client), _) => client,
        (None, Some(details)) => return record_signed(database, id, details).await,
        (None, None) => return Err(InfraError::misuse("a gateway that this function has no secret for")),
    };
    // A hint may wait: it comes again, or the sweep asks. A buyer who stands there does not.
    let is_hint = hint.token.is_none() && hint.buyer.is_none() && !hint.asks_approval && !is_return(hint);
    let asked = if !known.admitted || (known.slowed && is_hint) {
        LookupResult::Unknown("the gateway is left alone".to_owned())
    } else if hint.deposit_secret.is_some() {
        // The message knows the payment by our own id alone.
        let found = gateways.find(database, client, &hint.payment_id, known.shaky).await?;
        found.into_iter().next().unwrap_or(LookupResult::NotFound)
    } else {
        gateways.ask(database, client, &hint.payment_id, known.shaky).await?
    };
    let snapshot = match (asked, &details) {
        (LookupResult::Known(snapshot), _) => snapshot,
        (_, Some(details)) => return record_signed(database, id, details).await,
        (LookupResult::NotFound, None) => {
            return Ok(answered(hint, end(database, id, "the gateway knows no such payment").await?));
        }
        // It is at work, and does not say: that is this payment's matter, and asked again later and later.
        (LookupResult::Refused(why) | LookupResult::Unreadable(why), None) => {
            record_no_answer(database, id, &why).await?;
            return done(ConfirmOutcome::Unreachable);
        }
        (LookupResult::Unknown(_), None) => return done(ConfirmOutcome::Unreachable),
    };
    settle_known(database, gateways, client, hint, snapshot, known.token).await
}

/// Whether a browser is to be sent somewhere.
fn is_return(hint: &PaymentHint) -> bool {
    hint.amount_text.is_some() || (hint.amount.is_some() && !hint.asks_approval)
}

/// A payment whose truth has just been asked for, however it was found.
pub(crate) async fn settle_known(
    database: &Database,
    gateways: &Gateways,
    client: &GatewayClient,
    hint: &PaymentHint,
    snapshot: PaymentSnapshot,
    token: Option<String>,
) -> Result<Settled, InfraError> {
    let payment_id = snapshot.payment_id.clone();
    let id = (hint.gateway.as_str(), payment_id.as_str());
    // Before anything else: what is not marked as ours is somebody else's, and only looked at.
    let Some(mark) = snapshot.mark.clone() else {
        info!(
            verb = "confirm",
            gateway = client.name,
            payment_id = id.1,
            foreign = gateways.count_foreign(),
            "not a payment of ours"
        );
        return end(database, id, "not a payment of ours").await;
    };
    if hint.buyer.is_some() && belongs_to_buyer(database, hint, mark.hold_id.clone()).await? != Some(true) {
        return done(ConfirmOutcome::NotFound);
    }
    if gateways.live && !snapshot.live {
        return Ok(answered(hint, Settled { outcome: ConfirmOutcome::Ignored, hold: None }));
    }
    // Whoever knows its secret was told it by the gateway.
    if hint.deposit_secret.as_ref().is_some_and(|secret| !snapshot.has_secret(secret)) {
        warn!(gateway = client.name, "a message about a deposit does not know the payment's secret");
        return done(ConfirmOutcome::Ignored);
    }
    let unit = || payments::unit(client.name, &snapshot.currency);
    let returned_with = hint.amount_text.as_ref().map(|text| unit().and_then(|unit| unit.read(text)));
    if hint.amount.is_some_and(|amount| amount != snapshot.amount)
        || returned_with.is_some_and(|amount| amount != Some(snapshot.amount))
    {
        return done(rejected("amount_mismatch"));
    }
    if hint.order_ref.as_ref().is_some_and(|order_ref| *order_ref != snapshot.order_ref) {
        return done(rejected("order_mismatch"));
    }
    let flow = PaymentFlow { database, gateways, client, id, token: hint.token.clone().or(token), mark, snapshot };
    let outcome = flow.settle(hint.asks_approval).await?;
    // Only a browser has to be sent somewhere.
    let hold = if is_return(hint) {
        database.json("select holdfast.hold_of_payment($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)]).await?
    } else {
        None
    };
    Ok(answered(hint, Settled { outcome, hold }))
}

/// Whoever asks before taking the money would take "ignored" for leave to: it says that for others' payments alone.
fn answered(hint: &PaymentHint, settled: Settled) -> Settled {
    match settled.outcome {
        ConfirmOutcome::Ignored | ConfirmOutcome::Pending if hint.asks_approval => {
            Settled { outcome: rejected("payment_unknown"), ..settled }
        }
        _ => settled,
    }
}

/// What is written down of a payment is asked about later and later, and at last is an operator's.
pub(crate) async fn record_no_answer(database: &Database, id: (&str, &str), why: &str) -> Result<(), InfraError> {
    warn!(gateway = id.0, payment_id = id.1, %why, "a gateway does not say what is true of a payment");
    let params = &[(&id.0 as _, Type::TEXT), (&id.1 as _, Type::TEXT), (&why as _, Type::TEXT)];
    database.call("select holdfast.payment_unanswered($1, $2, $3)", params).await.map(drop)
}

fn done(outcome: ConfirmOutcome) -> Result<Settled, InfraError> {
    Ok(Settled { outcome, hold: None })
}

fn rejected(reason: &str) -> ConfirmOutcome {
    ConfirmOutcome::Rejected { reason: reason.to_owned() }
}

/// Whether the payment is the buyer's who tells of it: the hold that is known to be its, or else this one, is theirs. None:
/// no buyer tells of it, or nobody knows its hold yet.
async fn belongs_to_buyer(
    database: &Database,
    hint: &PaymentHint,
    hold_id: Option<String>,
) -> Result<Option<bool>, InfraError> {
    let Some(buyer) = &hint.buyer else { return Ok(None) };
    let hold_id = hold_id.and_then(|id| Uuid::parse_str(&id).ok());
    let params = &[
        (&hint.gateway as _, Type::TEXT),
        (&hint.payment_id as _, Type::TEXT),
        (&hold_id as _, Type::UUID),
        (buyer as _, Type::TEXT),
    ];
    database.json("select to_json(holdfast.is_payment_of($1, $2, $3, $4))", params).await
}

/// The signed word of the shop's own service.
async fn record_signed(database: &Database, id: (&str, &str), details: &PaymentDetails) -> Result<Settled, InfraError> {
    let PaymentDetails { hold_ref, user_id, amount, currency, .. } = details;
    done(record_payment(database, id, hold_ref, Some(user_id), *amount, currency).await?)
}
