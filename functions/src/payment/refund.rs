//! One attempt of one refund: looks the payment up, records the attempt, sends the request with its idempotency key,
//! records the result. After a crash the next attempt begins with a lookup.

mod outcome;

use outcome::AttemptOutcome;
use payments::{LookupResult, RefundAccount, RefundRequest, Refunded, State};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::{info, warn};

use crate::payment::gateways::{GatewayClient, Gateways};
use crate::payment::recheck;
use crate::runtime::database::{Database, InfraError};
use crate::runtime::limits::REFUND_DEADLINE_MS;

/// A refund that is due, as schema/routines/refund.sql returns it.
#[derive(Deserialize)]
pub struct RefundJob {
    pub gateway: String,
    pub payment_id: String,
    pub amount: i64,
    pub currency: String,
    pub reason: String,
    /// Attempts that did not complete it.
    pub attempts: usize,
    /// The gateway has accepted an attempt and completes it later.
    #[serde(default)]
    pub requested: bool,
    /// A request was sent whose outcome is unknown.
    #[serde(default)]
    pub attempt_open: bool,
    /// When it was claimed: changes at the gateway after that are new.
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

const DISPUTE_RESOLVED: &str = "its dispute is over, and the gateway does not say how: replay it if the shop has won, \
                                settle it if the bank has paid the buyer back";

/// The result of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundResult {
    Completed,
    Failed,
    Later,
}

/// # Errors
/// The database cannot answer; the refund can be claimed again when its lease is over.
pub async fn refund_now(
    database: &Database,
    gateways: &Gateways,
    schedule: &[f64],
    job: &RefundJob,
) -> Result<RefundResult, InfraError> {
    refund_to_account(database, gateways, schedule, job, None).await.map(|(ended, _)| ended)
}

/// The same to a named account; returns what the gateway said too.
///
/// # Errors
/// As for [`refund_now`].
pub async fn refund_to_account(
    database: &Database,
    gateways: &Gateways,
    schedule: &[f64],
    job: &RefundJob,
    account: Option<&RefundAccount>,
) -> Result<(RefundResult, Option<String>), InfraError> {
    let client = gateways
        .client(&job.gateway)
        .ok_or_else(|| InfraError::misuse("a refund of a gateway that was not asked for"))?;
    let outcome = match attempt(database, gateways, client, job, account).await? {
        // By then it is not done: another account may be named, and its request has a key of its own.
        AttemptOutcome::AnswerLost if schedule.get(job.attempts + 1).is_none() => AttemptOutcome::NeedsAccount,
        outcome => outcome,
    };
    // A refused account is not retried: it is not stored.
    let never = matches!(outcome, AttemptOutcome::Never(_) | AttemptOutcome::NeedsAccount) || account.is_some();
    if matches!(outcome, AttemptOutcome::NeedsAccount) {
        let params = &[(&job.gateway as _, Type::TEXT), (&job.payment_id as _, Type::TEXT)];
        database.call("select holdfast.refund_needs_account($1, $2)", params).await?;
    }
    let (name, detail) = outcome.into_words();
    // An accepted refund does not count as a failure, however long it takes; nor does a dispute.
    let again_s = match name {
        "done" => Some(0.0),
        "refused" if never => None,
        "partly" | "partly_waits" | "requested" | "waits" => {
            schedule.get(job.attempts.max(1)).or(schedule.last()).map(|s| jittered(*s))
        }
        _ => schedule.get(job.attempts + 1).map(|s| jittered(*s)),
    };
    let written: Option<Written> = database
        .json(
            match account {
                Some(_) => "select holdfast.settle_refund_to($1, $2, $3, $4, $5)",
                None => "select holdfast.settle_refund($1, $2, $3, $4, $5)",
            },
            &[
                (&job.gateway, Type::TEXT),
                (&job.payment_id, Type::TEXT),
                (&name, Type::TEXT),
                (&detail, Type::TEXT),
                (&again_s, Type::FLOAT8),
            ],
        )
        .await?;
    let status = written.map(|written| written.status).unwrap_or_default();
    info!(verb = "refund", gateway = job.gateway, payment_id = job.payment_id, outcome = name, detail, status);
    let ended = match status.as_str() {
        "COMPLETED" => RefundResult::Completed,
        "FAILED" => RefundResult::Failed,
        _ => RefundResult::Later,
    };
    Ok((ended, detail))
}

async fn attempt(
    database: &Database,
    gateways: &Gateways,
    client: &GatewayClient,
    job: &RefundJob,
    account: Option<&RefundAccount>,
) -> Result<AttemptOutcome, InfraError> {
    // No gateway knows a zero-amount payment.
    if job.amount <= 0 {
        return Ok(AttemptOutcome::Done(Some("nothing was paid".to_owned())));
    }
    // Always first: an earlier attempt may have succeeded, or part of the money was refunded in the gateway's console.
    let snapshot = match gateways.look_up(database, client, &job.payment_id, true).await? {
        LookupResult::Known(snapshot) => snapshot,
        LookupResult::NotFound => return Ok(AttemptOutcome::Refused("the gateway knows no such payment".to_owned())),
        LookupResult::Refused(why) | LookupResult::Unreadable(why) | LookupResult::Unknown(why) => {
            return Ok(AttemptOutcome::Unknown(why));
        }
    };
    // Whatever the database says: only a payment that names a hold in our form may be refunded, and only a live one.
    if snapshot.mark.is_none() {
        return Ok(AttemptOutcome::Never("the payment names no hold in our form: it belongs to another shop"));
    }
    if gateways.live && !snapshot.live {
        return Ok(AttemptOutcome::Never("play money"));
    }
    if snapshot.state == State::Authorised {
        return void(gateways, client, job).await;
    }
    let Some(snapshot) = recheck::with_dispute(gateways, client, &job.payment_id, snapshot).await else {
        return Ok(AttemptOutcome::Unknown("its dispute cannot be asked about".to_owned()));
    };
    // Changes made at the gateway are recorded before ours.
    let id = (job.gateway.as_str(), job.payment_id.as_str());
    recheck::record(database, id, &job.claimed_at, &snapshot).await?;
    // After that: a message about a dispute may have come meanwhile.
    let nothing_left = || Ok(AttemptOutcome::Done(Some("nothing is left to pay back".to_owned())));
    // Nothing is left of a reversed deposit.
    if snapshot.state != State::Paid || snapshot.left() <= 0 {
        return nothing_left();
    }
    let Some(snapshot) = recheck::with_recorded_dispute(database, id, snapshot).await? else {
        return Ok(AttemptOutcome::Never(DISPUTE_RESOLVED));
    };
    // And a lost dispute was returned by the bank.
    let (lost, disputed) = snapshot.in_dispute();
    let left = snapshot.left().saturating_sub(lost);
    if left <= 0 {
        return nothing_left();
    }
    // What is already being refunded is not requested again.
    let refunding = snapshot.refunding.unwrap_or(0);
    if left <= refunding {
        return Ok(AttemptOutcome::Requested);
    }
    // What an open dispute is about may still be returned by the bank.
    let open = left.saturating_sub(refunding).saturating_sub(disputed);
    if open <= 0 {
        return Ok(AttemptOutcome::Waits);
    }
    // The gateway accepted the refund but does not report it as pending: it was dropped. Where the gateway does not
    // report pending refunds, repeating the key is the only lookup.
    if job.requested && snapshot.refunding.is_some() {
        return Ok(AttemptOutcome::Refused("the gateway has not done what it had taken on".to_owned()));
    }
    if snapshot.needs_account && account.is_none() {
        return Ok(if job.attempt_open { AttemptOutcome::AnswerLost } else { AttemptOutcome::NeedsAccount });
    }
    let begin = match account {
        Some(_) => "select holdfast.begin_refund_to($1, $2, $3)",
        None => "select holdfast.begin_refund($1, $2, $3)",
    };
    // A card payment goes back to the card, whatever account is named.
    let account = account.filter(|_| snapshot.needs_account);
    let amount = open.min(job.amount);
    let begun: Option<Attempt> = database
        .json(begin, &[(&job.gateway, Type::TEXT), (&job.payment_id, Type::TEXT), (&amount, Type::INT8)])
        .await?;
    // Another invocation has ended it.
    let Some(Attempt { attempt, key }) = begun else { return Ok(AttemptOutcome::Requested) };
    let request = client.api.refund(&RefundRequest {
        payment_id: &job.payment_id,
        amount,
        left: open,
        currency: &job.currency,
        reason: &job.reason,
        key: &key,
        account,
    });
    let refunded = match gateways.send(client, &request, REFUND_DEADLINE_MS).await {
        Ok(response) => client.api.refunded(&response.as_gateway_response()),
        Err(no_response) => Refunded::Unknown(no_response.0),
    };
    Ok(match refunded {
        Refunded::Done if refunding > 0 => AttemptOutcome::Partly,
        Refunded::Done if disputed > 0 => AttemptOutcome::PartlyWaits,
        Refunded::Done => AttemptOutcome::Done(None),
        Refunded::Requested => AttemptOutcome::Requested,
        Refunded::Refused(why) => AttemptOutcome::Refused(why),
        // Both need a lookup: "already" may mean another part of the payment.
        Refunded::Already | Refunded::Unknown(_) => {
            let why = if let Refunded::Unknown(why) = refunded { why } else { "already refunded".to_owned() };
            warn!(gateway = client.name, payment_id = job.payment_id, attempt, %why, "a refund is asked about");
            match gateways.look_up(database, client, &job.payment_id, true).await? {
                LookupResult::Known(snapshot) if snapshot.left() <= 0 => AttemptOutcome::Done(Some(why)),
                LookupResult::Known(snapshot)
                    if snapshot.refunding.is_some_and(|pending| pending >= snapshot.left()) =>
                {
                    AttemptOutcome::Requested
                }
                LookupResult::Known(_)
                | LookupResult::NotFound
                | LookupResult::Refused(_)
                | LookupResult::Unreadable(_)
                | LookupResult::Unknown(_) => AttemptOutcome::Unknown(why),
            }
        }
    })
}

/// Voids a parked authorisation that an operator has decided about; without a void request it ends by itself.
async fn void(gateways: &Gateways, client: &GatewayClient, job: &RefundJob) -> Result<AttemptOutcome, InfraError> {
    let key = format!("let-go-{}-{}", client.name, job.payment_id);
    let Some(request) = client.api.void(&job.payment_id, &key) else {
        return Ok(AttemptOutcome::Done(Some("nothing was taken".to_owned())));
    };
    Ok(match gateways.send(client, &request, REFUND_DEADLINE_MS).await {
        Ok(response) if client.api.was_voided(&response.as_gateway_response()) => {
            AttemptOutcome::Done(Some("the authorization was voided".to_owned()))
        }
        Ok(response) => AttemptOutcome::Unknown(format!("letting go was answered {}", response.status)),
        Err(no_response) => AttemptOutcome::Unknown(no_response.0),
    })
}

/// A random value from half to all of it, so that attempts that failed together are not retried together.
fn jittered(seconds: f64) -> f64 {
    seconds * (0.5 + fastrand::f64() / 2.0)
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
