//! Looks up a settled payment once more, compares the snapshot with what is recorded, and records what changed
//! (schema/routines/present.sql). A webhook is only the reason to look.

use payments::{Dispute, DisputeState, Disputed, LookupResult, PaymentSnapshot, State};
use protocol::confirm::{ConfirmOutcome, PaymentHint, Settled};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::{info, warn};

use crate::payment::gateways::{GatewayClient, Gateways};
use crate::runtime::database::{Database, InfraError};
use crate::runtime::limits::ASK_DEADLINE_MS;

#[derive(Deserialize)]
struct Settlement {
    asked_at: String,
    /// When it was recorded that the payment's dispute was won, or ended without a known result.
    won_at: Option<String>,
    shaky: bool,
    /// The gateway has answered 429 and its `Retry-After` is not over.
    #[serde(default)]
    slowed: bool,
    admitted: bool,
}

/// None: this payment was never settled; the caller settles it now.
///
/// # Errors
/// The database cannot answer, or the gateway is not configured.
pub async fn look_again(
    database: &Database,
    gateways: &Gateways,
    hint: &PaymentHint,
) -> Result<Option<Settled>, InfraError> {
    let id = (hint.gateway.as_str(), hint.payment_id.as_str());
    let settled: Option<Settlement> =
        database.json("select holdfast.look_again($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)]).await?;
    let Some(settled) = settled else { return Ok(None) };
    let done = |outcome| Ok(Some(Settled { outcome, hold: None }));
    let client =
        gateways.client(id.0).ok_or_else(|| InfraError::misuse("a gateway that this function has no secret for"))?;
    // No buyer waits for this: the sender of the hint repeats it.
    if settled.slowed || !settled.admitted {
        return done(ConfirmOutcome::Unreachable);
    }
    let snapshot = match gateways.look_up(database, client, id.1, settled.shaky).await? {
        LookupResult::Known(snapshot) => snapshot,
        LookupResult::NotFound => {
            missing(database, id, &settled.asked_at).await?;
            return done(ConfirmOutcome::Recorded);
        }
        LookupResult::Refused(_) | LookupResult::Unreadable(_) | LookupResult::Unknown(_) => {
            return done(ConfirmOutcome::Unreachable);
        }
    };
    // Ownership and live mode were checked when the payment was settled.
    let Some(snapshot) = with_dispute(gateways, client, id.1, snapshot).await else {
        return done(ConfirmOutcome::Unreachable);
    };
    let stated = by_the_message(&snapshot, hint, settled.won_at.as_deref());
    compare(database, id, &settled.asked_at, &snapshot, stated).await?;
    info!(verb = "present", gateway = id.0, payment_id = id.1, left = snapshot.left());
    done(ConfirmOutcome::Recorded)
}

/// Completes the snapshot with the dispute, where the gateway reports it in a request of its own. None: it does not
/// answer.
pub async fn with_dispute(
    gateways: &Gateways,
    client: &GatewayClient,
    payment_id: &str,
    snapshot: PaymentSnapshot,
) -> Option<PaymentSnapshot> {
    let request = match snapshot.disputed {
        Disputed::NeedsLookup => client.api.look_up_dispute(payment_id)?,
        Disputed::Unsaid | Disputed::No | Disputed::Yes(_) => return Some(snapshot),
    };
    let response = gateways.send(client, &request, ASK_DEADLINE_MS).await;
    let dispute =
        response.ok().and_then(|response| client.api.dispute(&response.as_gateway_response(), &snapshot.currency));
    if dispute.is_none() {
        warn!(gateway = client.name, payment_id, "a dispute cannot be asked about");
    }
    dispute.map(|dispute| PaymentSnapshot { disputed: Disputed::Yes(dispute), ..snapshot })
}

/// For a gateway whose snapshots do not report disputes, the signed message counts: a dispute was opened, or it ended.
/// Messages come in any order: one that was opened after the last one was over is another. None: the snapshot reports
/// disputes.
fn by_the_message(snapshot: &PaymentSnapshot, hint: &PaymentHint, won_at: Option<&str>) -> Option<(&'static str, i64)> {
    let moment = |text: Option<&str>| text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let is_another = || Some(moment(hint.dispute_at.as_deref())? > moment(won_at)?);
    match (snapshot.disputed, hint.dispute.as_deref()?) {
        (Disputed::Unsaid, "opened") if is_another() == Some(true) => Some(("open", snapshot.left())),
        (Disputed::Unsaid, "opened") => Some(("opened", snapshot.left())),
        // How it ended, what is left says, or an operator (schema/routines/present.sql).
        (Disputed::Unsaid, _) => {
            Some(("resolved", if snapshot.left() > 0 { snapshot.left() } else { snapshot.amount }))
        }
        _ => None,
    }
}

#[derive(Deserialize)]
struct RecordedDispute {
    dispute: String,
    amount: i64,
}

/// Completes the snapshot with the dispute that is recorded of the payment, where the gateway's lookups do not report
/// disputes: only its signed messages do. None: the dispute ended without a known result.
///
/// # Errors
/// The database cannot answer.
pub async fn with_recorded_dispute(
    database: &Database,
    id: (&str, &str),
    snapshot: PaymentSnapshot,
) -> Result<Option<PaymentSnapshot>, InfraError> {
    if snapshot.disputed != Disputed::Unsaid {
        return Ok(Some(snapshot));
    }
    let params = &[(&id.0 as _, Type::TEXT), (&id.1 as _, Type::TEXT)];
    let recorded: Option<RecordedDispute> = database.json("select holdfast.recorded_dispute($1, $2)", params).await?;
    let Some(RecordedDispute { dispute, amount }) = recorded else { return Ok(Some(snapshot)) };
    Ok(DisputeState::named(&dispute).map(|state| {
        let dispute = Dispute { state, amount, lost_before: 0 };
        PaymentSnapshot { disputed: Disputed::Yes(dispute), ..snapshot }
    }))
}

/// Records what has changed at the gateway. `asked_at`: the database's time before the lookup.
///
/// # Errors
/// The database cannot answer.
pub async fn record(
    database: &Database,
    id: (&str, &str),
    asked_at: &str,
    snapshot: &PaymentSnapshot,
) -> Result<(), InfraError> {
    compare(database, id, asked_at, snapshot, None).await
}

async fn compare(
    database: &Database,
    id: (&str, &str),
    asked_at: &str,
    snapshot: &PaymentSnapshot,
    stated: Option<(&str, i64)>,
) -> Result<(), InfraError> {
    let (state, dispute, disputed) = facts(snapshot);
    let dispute = stated.map_or((dispute, disputed), |(stated, amount)| (Some(stated), Some(amount)));
    write(database, id, asked_at, (state, snapshot.amount, snapshot.refunded, &snapshot.currency), dispute).await
}

async fn missing(database: &Database, id: (&str, &str), asked_at: &str) -> Result<(), InfraError> {
    write(database, id, asked_at, ("missing", 0, 0, ""), (None, None)).await
}

/// A snapshot in the terms of schema/routines/present.sql: the payment's state, the dispute's state and its amount.
#[must_use]
pub fn facts(snapshot: &PaymentSnapshot) -> (&'static str, Option<&'static str>, Option<i64>) {
    // A captured payment that is pending or failed now was a deposit that was reversed.
    let state = match snapshot.state {
        State::Paid => "paid",
        State::Pending | State::Authorised | State::Waiting | State::Failed => "gone",
    };
    match snapshot.disputed {
        Disputed::Unsaid | Disputed::NeedsLookup => (state, None, None),
        Disputed::No => (state, Some("none"), None),
        Disputed::Yes(Dispute { state: dispute, amount, .. }) => (state, Some(dispute.name()), Some(amount)),
    }
}

async fn write(
    database: &Database,
    id: (&str, &str),
    asked_at: &str,
    (state, amount, refunded, currency): (&str, i64, i64, &str),
    (dispute, disputed): (Option<&str>, Option<i64>),
) -> Result<(), InfraError> {
    let params = &[
        (&id.0 as _, Type::TEXT),
        (&id.1 as _, Type::TEXT),
        (&asked_at as _, Type::TEXT),
        (&state as _, Type::TEXT),
        (&amount as _, Type::INT8),
        (&refunded as _, Type::INT8),
        (&currency as _, Type::TEXT),
        (&dispute as _, Type::TEXT),
        (&disputed as _, Type::INT8),
    ];
    let sql = "select holdfast.record_present($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    database.call(sql, params).await.map(drop)
}
