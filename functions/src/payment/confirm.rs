//! Settles a payment that a hint names: checks that the buyer owns the payment, looks the payment up at its gateway, and
//! ignores payments that are not ours. Our own go on to flow.rs.

use payments::{Disputed, LookupResult, PaymentDetails, PaymentSnapshot};
use protocol::confirm::{ConfirmOutcome, HoldOf, PaymentHint, RejectionReason, Settled};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::{info, warn};
use uuid::Uuid;

use crate::payment::flow::{PaymentFlow, end, record_payment};
use crate::payment::gateways::{GatewayClient, Gateways};
use crate::payment::unanswered::record_no_answer;
use crate::payment::{recheck, returned};
use crate::runtime::database::{Database, InfraError};

#[derive(Deserialize)]
struct Known {
    stored: Option<ConfirmOutcome>,
    hold: Option<HoldOf>,
    token: Option<String>,
    /// Its attempt has not ended, settled or not.
    under_way: bool,
    /// It was settled, and its deposit is recorded as reversed.
    reversed: bool,
    shaky: bool,
    /// The gateway has answered 429 and its `Retry-After` is not over.
    slowed: bool,
    admitted: bool,
}

/// A message about a settled payment may be the first message about it at all: then the payment is settled first, and
/// the message's own content, a dispute for example, is recorded after that.
pub(crate) async fn settle_by(
    database: &Database,
    gateways: &Gateways,
    hint: &PaymentHint,
    details: Option<PaymentDetails>,
) -> Result<Settled, InfraError> {
    if !hint.later {
        return settle_anew(database, gateways, hint, details).await;
    }
    if let Some(settled) = recheck::look_again(database, gateways, hint).await? {
        return Ok(settled);
    }
    let Settled { outcome, hold } = settle_anew(database, gateways, hint, details).await?;
    let outcome = with_present(database, gateways, hint, &hint.payment_id, outcome).await?;
    Ok(Settled { outcome, hold })
}

/// A hint is about the past, so the payment's present state is looked up before money or stock moves. `details`: what a
/// signed message of the shop's own service says; it counts where no address of that service is configured, or where
/// the service does not know the payment.
async fn settle_anew(
    database: &Database,
    gateways: &Gateways,
    hint: &PaymentHint,
    details: Option<PaymentDetails>,
) -> Result<Settled, InfraError> {
    let id = (hint.gateway.as_str(), hint.payment_id.as_str());
    // Before the lookup: a buyer may name another buyer's payment.
    if belongs_to_buyer(database, hint, payments::hold_id(id.1)).await? == Some(false) {
        return done(ConfirmOutcome::NotFound);
    }
    let known: Option<Known> =
        database.json("select holdfast.look_at_payment($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)]).await?;
    let known = known.ok_or_else(|| InfraError::misuse("looking at a payment has no outcome"))?;
    if let Some(outcome) = known.stored {
        if let Some(mismatch) = returned::mismatch(database, gateways, hint, known.hold.as_ref()).await? {
            return done(mismatch);
        }
        if known.under_way {
            end(database, id, outcome.name()).await?;
        }
        // The deposit may be there again.
        if known.reversed
            && is_hint(hint)
            && let Some(settled) = recheck::look_again(database, gateways, hint).await?
        {
            return Ok(settled);
        }
        return Ok(Settled { outcome, hold: known.hold });
    }
    // In a live shop a test payment buys nothing and is not refunded.
    if gateways.live && details.as_ref().is_some_and(|details| !details.live) {
        return done(ConfirmOutcome::Ignored);
    }
    let client = match (gateways.client(&hint.gateway), &details) {
        (Some(client), _) => client,
        (None, Some(details)) => return record_signed(database, id, details).await,
        (None, None) => return Err(InfraError::misuse("a gateway that this function has no secret for")),
    };
    let result = if !known.admitted || (known.slowed && is_hint(hint)) {
        LookupResult::Unknown("the gateway is left alone".to_owned())
    } else if hint.deposit_secret.is_some() {
        // The message names the payment by our order id.
        let found = gateways.find(database, client, &hint.payment_id, known.shaky).await?;
        found.into_iter().next().unwrap_or(LookupResult::NotFound)
    } else {
        gateways.look_up(database, client, &hint.payment_id, known.shaky).await?
    };
    let snapshot = match (result, &details) {
        (LookupResult::Known(snapshot), _) => snapshot,
        // The service answers and does not know it: what it has signed is all there is.
        (LookupResult::NotFound, Some(details)) => return record_signed(database, id, details).await,
        (LookupResult::NotFound, None) => {
            return Ok(answered(hint, end(database, id, "the gateway knows no such payment").await?));
        }
        // The gateway works but does not say. That concerns this payment alone: it is looked up again at growing
        // intervals.
        (LookupResult::Refused(why) | LookupResult::Unreadable(why), _) => {
            record_no_answer(database, id, &why).await?;
            return done(ConfirmOutcome::Unreachable);
        }
        // What was signed is about the past: the payment may have been refunded since. The message is sent again.
        (LookupResult::Unknown(_), _) => return done(ConfirmOutcome::Unreachable),
    };
    settle_known(database, gateways, client, hint, snapshot, known.token).await
}

/// Whether the hint came from a webhook or the sweep, which repeat it; a waiting buyer or gateway does not.
fn is_hint(hint: &PaymentHint) -> bool {
    hint.token.is_none() && hint.buyer.is_none() && !hint.asks_approval && !is_return(hint)
}

/// Whether the hint came from a browser that returns from the payment page and is redirected to its hold.
fn is_return(hint: &PaymentHint) -> bool {
    hint.amount_text.is_some() || (hint.amount.is_some() && !hint.asks_approval)
}

/// Settles a payment by a snapshot that its gateway has just given, however the payment was found.
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
    // First of all: a payment without our mark belongs to another product on the same account. It is only logged.
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
    // Only the gateway and the shop know the payment's secret.
    if hint.deposit_secret.as_ref().is_some_and(|secret| !snapshot.has_secret(secret)) {
        warn!(gateway = client.name, "a message about a deposit does not know the payment's secret");
        return done(ConfirmOutcome::Ignored);
    }
    let unit = || payments::unit(client.name, &snapshot.currency);
    let returned_with = hint.amount_text.as_ref().map(|text| unit().and_then(|unit| unit.read(text)));
    if hint.amount.is_some_and(|amount| amount != snapshot.amount)
        || returned_with.is_some_and(|amount| amount != Some(snapshot.amount))
    {
        return done(rejected(RejectionReason::AmountMismatch));
    }
    if hint.order_ref.as_ref().is_some_and(|order_ref| *order_ref != snapshot.order_ref) {
        return done(rejected(RejectionReason::OrderMismatch));
    }
    let flow = PaymentFlow { database, gateways, client, id, token: hint.token.clone().or(token), mark, snapshot };
    let is_disputed = !matches!(flow.snapshot.disputed, Disputed::Unsaid | Disputed::No);
    let mut outcome = flow.settle(hint.asks_approval).await?;
    // A message about a deposit names our order id, and may be about a settled payment too; and a dispute may have
    // begun before the payment was settled.
    if hint.deposit_secret.is_some() || (is_disputed && !hint.later) {
        outcome = with_present(database, gateways, hint, id.1, outcome).await?;
    }
    // Only a returning browser needs the hold, to be redirected to it.
    let hold = if is_return(hint) {
        database.json("select holdfast.hold_of_payment($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)]).await?
    } else {
        None
    };
    Ok(answered(hint, Settled { outcome, hold }))
}

/// Records the present state of a payment that has just been settled, or was before. Where the gateway does not answer,
/// the hint has to come again.
async fn with_present(
    database: &Database,
    gateways: &Gateways,
    hint: &PaymentHint,
    payment_id: &str,
    outcome: ConfirmOutcome,
) -> Result<ConfirmOutcome, InfraError> {
    let hint = PaymentHint { payment_id: payment_id.to_owned(), ..hint.clone() };
    Ok(match recheck::look_again(database, gateways, &hint).await? {
        Some(Settled { outcome: ConfirmOutcome::Unreachable, .. }) => ConfirmOutcome::Unreachable,
        _ => outcome,
    })
}

/// A gateway that requests approval captures when it gets `ignored`. So `ignored` is kept for payments that are not
/// ours, and a payment of ours that cannot be captured is rejected.
fn answered(hint: &PaymentHint, settled: Settled) -> Settled {
    match settled.outcome {
        ConfirmOutcome::Ignored | ConfirmOutcome::Pending if hint.asks_approval => {
            Settled { outcome: rejected(RejectionReason::PaymentUnknown), ..settled }
        }
        _ => settled,
    }
}

pub(crate) fn done(outcome: ConfirmOutcome) -> Result<Settled, InfraError> {
    Ok(Settled { outcome, hold: None })
}

const fn rejected(reason: RejectionReason) -> ConfirmOutcome {
    ConfirmOutcome::Rejected { reason }
}

/// Whether the hinting buyer owns the payment: its recorded hold, or else `hold_id`, is theirs. None: the hint names no
/// buyer, or the hold is not known yet.
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

/// Records the payment by what the shop's own service has signed.
async fn record_signed(database: &Database, id: (&str, &str), details: &PaymentDetails) -> Result<Settled, InfraError> {
    let PaymentDetails { hold_ref, user_id, amount, currency, .. } = details;
    done(record_payment(database, id, hold_ref, Some(user_id), *amount, currency).await?)
}
