//! A payment that was settled before, asked about once more: what its gateway has of it now is compared with what we
//! have and recorded (schema/routines/present.sql). A message is only the reason to ask.

use payments::{Asked, Dispute, Disputed, State, Truth};
use protocol::confirm::{Outcome, Settled, Told};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::{info, warn};

use crate::payment::gateways::{Counter, Desk};
use crate::runtime::database::{Broken, Database};
use crate::runtime::limits::ASK_DEADLINE_MS;

#[derive(Deserialize)]
struct Settlement {
    asked_at: String,
    shaky: bool,
    admitted: bool,
}

/// None: no payment of ours that was settled; whatever it is, it is settled now.
///
/// # Errors
/// The database cannot answer, or the gateway is not configured.
pub async fn look_again(database: &Database, desk: &Desk, told: &Told) -> Result<Option<Settled>, Broken> {
    let id = (told.gateway.as_str(), told.payment_id.as_str());
    let settled: Option<Settlement> =
        database.json("select holdfast.look_again($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)]).await?;
    let Some(settled) = settled else { return Ok(None) };
    let done = |outcome| Ok(Some(Settled { outcome, hold: None }));
    let at = desk.at(id.0).ok_or_else(|| Broken::misused("a gateway that this function has no secret for"))?;
    if !settled.admitted {
        return done(Outcome::Unreachable);
    }
    let truth = match desk.ask(database, at, id.1, settled.shaky).await? {
        Asked::Known(truth) => truth,
        Asked::NotFound => {
            missing(database, id, &settled.asked_at).await?;
            return done(Outcome::Recorded);
        }
        Asked::Refused(_) | Asked::Unreadable(_) | Asked::Unknown(_) => return done(Outcome::Unreachable),
    };
    // Whose money it is was proven when it was settled; play money stays what it was taken for then.
    let Some(truth) = with_dispute(desk, at, id.1, truth).await else { return done(Outcome::Unreachable) };
    let said = by_the_message(&truth, told.dispute.as_deref());
    compare(database, id, &settled.asked_at, &truth, said).await?;
    info!(verb = "present", gateway = id.0, payment_id = id.1, left = truth.left());
    done(Outcome::Recorded)
}

/// What its gateway says of a dispute by itself, where there is one; none: it does not answer.
pub async fn with_dispute(desk: &Desk, at: &Counter, payment_id: &str, truth: Truth) -> Option<Truth> {
    let request = match truth.disputed {
        Disputed::Ask => at.api.ask_dispute(payment_id)?,
        Disputed::Unsaid | Disputed::No | Disputed::Yes(_) => return Some(truth),
    };
    let answer = desk.send(at, &request, ASK_DEADLINE_MS).await;
    let dispute = answer.ok().and_then(|answer| {
        at.api.dispute(&payments::Answer { status: answer.status, body: &answer.body }, &truth.currency)
    });
    if dispute.is_none() {
        warn!(gateway = at.name, payment_id, "a dispute cannot be asked about");
    }
    dispute.map(|dispute| Truth { disputed: Disputed::Yes(dispute), ..truth })
}

/// A gateway that does not say when it is asked is believed what its signed message says: that there is a dispute, unless one
/// is known, for messages come in any order; or that it is over, and the money says which way. None: it does say.
fn by_the_message(truth: &Truth, said: Option<&str>) -> Option<(&'static str, i64)> {
    match (truth.disputed, said?) {
        (Disputed::Unsaid, "opened") => Some(("opened", truth.left())),
        (Disputed::Unsaid, _) if truth.left() > 0 => Some(("won", truth.left())),
        (Disputed::Unsaid, _) => Some(("lost", truth.amount)),
        _ => None,
    }
}

/// Compares what the gateway has with what is recorded, and records what is new. `asked_at`: when the database said that
/// it would be asked.
///
/// # Errors
/// The database cannot answer.
pub async fn record(database: &Database, id: (&str, &str), asked_at: &str, truth: &Truth) -> Result<(), Broken> {
    compare(database, id, asked_at, truth, None).await
}

async fn compare(
    database: &Database,
    id: (&str, &str),
    asked_at: &str,
    truth: &Truth,
    said: Option<(&str, i64)>,
) -> Result<(), Broken> {
    let (state, dispute, disputed) = facts(truth);
    let dispute = said.map_or((dispute, disputed), |(said, amount)| (Some(said), Some(amount)));
    write(database, id, asked_at, (state, truth.amount, truth.refunded, &truth.currency), dispute).await
}

async fn missing(database: &Database, id: (&str, &str), asked_at: &str) -> Result<(), Broken> {
    write(database, id, asked_at, ("missing", 0, 0, ""), (None, None)).await
}

/// A truth in the words of schema/routines/present.sql: its state, and what it says of a dispute.
#[must_use]
pub fn facts(truth: &Truth) -> (&'static str, Option<&'static str>, Option<i64>) {
    // What was taken and is waited for again, or has failed, was a deposit that was taken back.
    let state = match truth.state {
        State::Paid => "paid",
        State::Pending | State::Authorised | State::Waiting | State::Failed => "gone",
    };
    match truth.disputed {
        Disputed::Unsaid | Disputed::Ask => (state, None, None),
        Disputed::No => (state, Some("none"), None),
        Disputed::Yes(Dispute { state: dispute, amount }) => (state, Some(dispute.name()), Some(amount)),
    }
}

async fn write(
    database: &Database,
    id: (&str, &str),
    asked_at: &str,
    (state, amount, refunded, currency): (&str, i64, i64, &str),
    (dispute, disputed): (Option<&str>, Option<i64>),
) -> Result<(), Broken> {
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
