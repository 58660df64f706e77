//! One refund, one try: the gateway is asked what it still has, the attempt is written down, the request is sent with
//! its key, and what came of it is written too. Whoever dies on the way leaves an attempt that is asked about first.

use payments::{Asked, PayBack, RefundAccount, Refunded, State};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::{info, warn};

use crate::payment::gateways::{Counter, Desk};
use crate::payment::recheck;
use crate::runtime::database::{Broken, Database};
use crate::runtime::limits::REFUND_DEADLINE_MS;

/// A refund that is due, as schema/routines/refund.sql hands it out.
#[derive(Deserialize)]
pub struct Due {
    pub gateway: String,
    pub payment_id: String,
    pub amount: i64,
    pub currency: String,
    pub reason: String,
    /// How often it did not come to an end.
    pub attempts: usize,
    /// The gateway has taken an attempt on, to do it later.
    #[serde(default)]
    pub requested: bool,
    /// When it was handed out: what the gateway says after that is news.
    pub claimed_at: String,
}

#[derive(Deserialize)]
struct Attempt {
    attempt: i32,
    key: String,
}

#[derive(Deserialize)]
struct Written {
    status: String,
}

/// What a try came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Completed,
    Failed,
    Later,
}

enum Outcome {
    Done(Option<String>),
    /// The attempt is done, and the rest of the money is on its way by somebody else's.
    Partly,
    Requested,
    /// Nobody has named the account that a deposit goes back to: the buyer or an operator can.
    NeedsAccount,
    Refused(String),
    /// Refused by us, and it stays so.
    Never(&'static str),
    Unknown(String),
}

/// # Errors
/// The database cannot answer; the refund is somebody else's when its lease is over.
pub async fn pay_back(database: &Database, desk: &Desk, schedule: &[f64], due: &Due) -> Result<Ended, Broken> {
    pay_back_to(database, desk, schedule, due, None).await.map(|(ended, _)| ended)
}

/// The same to an account that somebody has named; and what the gateway said of it.
///
/// # Errors
/// As for [`pay_back`].
pub async fn pay_back_to(
    database: &Database,
    desk: &Desk,
    schedule: &[f64],
    due: &Due,
    account: Option<&RefundAccount>,
) -> Result<(Ended, Option<String>), Broken> {
    let at = desk.at(&due.gateway).ok_or_else(|| Broken::misused("a refund of a gateway that was not asked for"))?;
    let outcome = attempt(database, desk, at, due, account).await?;
    // An account that was refused is not tried again by itself: it is not kept.
    let never = matches!(outcome, Outcome::Never(_) | Outcome::NeedsAccount) || account.is_some();
    let (name, detail) = match outcome {
        Outcome::Done(detail) => ("done", detail),
        Outcome::Partly => ("partly", None),
        Outcome::Requested => ("requested", None),
        Outcome::Refused(why) => ("refused", Some(why)),
        Outcome::Never(why) => ("refused", Some(why.to_owned())),
        Outcome::NeedsAccount => {
            let params = &[(&due.gateway as _, Type::TEXT), (&due.payment_id as _, Type::TEXT)];
            database.call("select holdfast.refund_needs_account($1, $2)", params).await?;
            ("refused", Some("a deposit goes back to an account that somebody names".to_owned()))
        }
        Outcome::Unknown(why) => ("unknown", Some(why)),
    };
    // What the gateway has taken on is no failure, however long it takes.
    let again_s = match name {
        "done" => Some(0.0),
        "refused" if never => None,
        "partly" | "requested" => schedule.get(due.attempts.max(1)).or(schedule.last()).map(|s| jittered(*s)),
        _ => schedule.get(due.attempts + 1).map(|s| jittered(*s)),
    };
    let written: Option<Written> = database
        .json(
            match account {
                Some(_) => "select holdfast.settle_refund_to($1, $2, $3, $4, $5)",
                None => "select holdfast.settle_refund($1, $2, $3, $4, $5)",
            },
            &[
                (&due.gateway, Type::TEXT),
                (&due.payment_id, Type::TEXT),
                (&name, Type::TEXT),
                (&detail, Type::TEXT),
                (&again_s, Type::FLOAT8),
            ],
        )
        .await?;
    let status = written.map(|written| written.status).unwrap_or_default();
    info!(verb = "refund", gateway = due.gateway, payment_id = due.payment_id, outcome = name, detail, status);
    let ended = match status.as_str() {
        "COMPLETED" => Ended::Completed,
        "FAILED" => Ended::Failed,
        _ => Ended::Later,
    };
    Ok((ended, detail))
}

async fn attempt(
    database: &Database,
    desk: &Desk,
    at: &Counter,
    due: &Due,
    account: Option<&RefundAccount>,
) -> Result<Outcome, Broken> {
    // What cost nothing no gateway has anything of.
    if due.amount <= 0 {
        return Ok(Outcome::Done(Some("nothing was paid".to_owned())));
    }
    // Always first: an earlier attempt may have come through, and the gateway's own desk may have paid back a part.
    let truth = match desk.ask(database, at, &due.payment_id, true).await? {
        Asked::Known(truth) => truth,
        Asked::NotFound => return Ok(Outcome::Refused("the gateway knows no such payment".to_owned())),
        Asked::Refused(why) | Asked::Unreadable(why) | Asked::Unknown(why) => return Ok(Outcome::Unknown(why)),
    };
    // Whatever is written down here, only a payment that names a hold in our form may be paid back, and only real money.
    if truth.mark.is_none() {
        return Ok(Outcome::Never("the payment names no hold in our form: it is somebody else's"));
    }
    if desk.live && !truth.live {
        return Ok(Outcome::Never("play money"));
    }
    if truth.state == State::Authorised {
        return let_go(desk, at, due).await;
    }
    let Some(truth) = recheck::with_dispute(desk, at, &due.payment_id, truth).await else {
        return Ok(Outcome::Unknown("its dispute cannot be asked about".to_owned()));
    };
    // What others did to it meanwhile is on record before we do anything.
    recheck::record(database, (&due.gateway, &due.payment_id), &due.claimed_at, &truth).await?;
    // A deposit that was taken back is not here any more, and what was lost in a dispute the bank has given back.
    let (lost, disputed) = truth.in_dispute();
    let left = if truth.state == State::Paid { truth.left().saturating_sub(lost) } else { 0 };
    if left <= 0 {
        return Ok(Outcome::Done(Some("nothing is left to pay back".to_owned())));
    }
    // What somebody has asked to have paid back is on its way, and is not asked for again; what a dispute is about may be.
    let refunding = truth.refunding.unwrap_or(0).saturating_add(disputed);
    let open = left.saturating_sub(refunding);
    if open <= 0 {
        return Ok(Outcome::Requested);
    }
    // Its key would only be answered once more that it is taken on. Where the gateway does not say what is on its way,
    // that answer is all there is to ask for.
    if due.requested && truth.refunding.is_some() {
        return Ok(Outcome::Refused("the gateway has not done what it had taken on".to_owned()));
    }
    if truth.needs_account && account.is_none() {
        return Ok(Outcome::NeedsAccount);
    }
    let begin = match account {
        Some(_) => "select holdfast.begin_refund_to($1, $2, $3)",
        None => "select holdfast.begin_refund($1, $2, $3)",
    };
    // What came from a card goes back to it, whatever account somebody names.
    let account = account.filter(|_| truth.needs_account);
    let amount = open.min(due.amount);
    let begun: Option<Attempt> = database
        .json(begin, &[(&due.gateway, Type::TEXT), (&due.payment_id, Type::TEXT), (&amount, Type::INT8)])
        .await?;
    // Somebody else has ended it meanwhile.
    let Some(Attempt { attempt, key }) = begun else { return Ok(Outcome::Requested) };
    let request = at.api.refund(&PayBack {
        payment_id: &due.payment_id,
        amount,
        left: open,
        currency: &due.currency,
        reason: &due.reason,
        key: &key,
        account,
    });
    let refunded = match desk.send(at, &request, REFUND_DEADLINE_MS).await {
        Ok(answer) => at.api.refunded(&payments::Answer { status: answer.status, body: &answer.body }),
        Err(no_answer) => Refunded::Unknown(no_answer.0),
    };
    Ok(match refunded {
        Refunded::Done if refunding > 0 => Outcome::Partly,
        Refunded::Done => Outcome::Done(None),
        Refunded::Requested => Outcome::Requested,
        Refunded::Refused(why) => Outcome::Refused(why),
        // Neither is believed without looking: "already" may mean another part of it.
        Refunded::Already | Refunded::Unknown(_) => {
            let why = if let Refunded::Unknown(why) = refunded { why } else { "already refunded".to_owned() };
            warn!(gateway = at.name, payment_id = due.payment_id, attempt, %why, "a refund is asked about");
            match desk.ask(database, at, &due.payment_id, true).await? {
                Asked::Known(truth) if truth.left() <= 0 => Outcome::Done(Some(why)),
                Asked::Known(truth) if truth.refunding.is_some_and(|due| due >= truth.left()) => Outcome::Requested,
                Asked::Known(_) | Asked::NotFound | Asked::Refused(_) | Asked::Unreadable(_) | Asked::Unknown(_) => {
                    Outcome::Unknown(why)
                }
            }
        }
    })
}

/// Nothing was taken: an operator has decided about a payment that was parked. What is set aside is let go, or ends by itself.
async fn let_go(desk: &Desk, at: &Counter, due: &Due) -> Result<Outcome, Broken> {
    let key = format!("let-go-{}-{}", at.name, due.payment_id);
    let Some(request) = at.api.let_go(&due.payment_id, &key) else {
        return Ok(Outcome::Done(Some("nothing was taken".to_owned())));
    };
    Ok(match desk.send(at, &request, REFUND_DEADLINE_MS).await {
        Ok(answer) if answer.status == 200 => Outcome::Done(Some("what was set aside is let go".to_owned())),
        Ok(answer) => Outcome::Unknown(format!("letting go was answered {}", answer.status)),
        Err(no_answer) => Outcome::Unknown(no_answer.0),
    })
}

/// Between a half and all of it, so that what failed together does not come back together.
fn jittered(seconds: f64) -> f64 {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let share = f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX);
    seconds * (0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::jittered;

    #[test]
    fn pauses_are_spread_over_their_second_half() {
        let pauses: Vec<f64> = (0..200).map(|_| jittered(10.0)).collect();
        assert!(pauses.iter().all(|s| (5.0..=10.0).contains(s)), "{pauses:?}");
        assert!(pauses.iter().any(|s| (s - pauses[0]).abs() > 0.1), "{pauses:?}");
    }
}
