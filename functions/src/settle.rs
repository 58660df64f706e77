//! A payment that somebody told us of, taken to its end: the gateway is asked for the truth, the hold is secured before
//! money is taken, and T2 makes of it what it becomes. Every step can be repeated; one whose outcome is unknown is asked
//! about first. Nothing of it happens inside a transaction.

use gateways::{Asked, Capture, Captured, State, Truth};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::warn;
use uuid::Uuid;
use wire::confirm::{HoldOf, Outcome, Payment, Settled, Told};

use crate::bounds::CAPTURE_DEADLINE_MS;
use crate::database::{Broken, Database};
use crate::desk::{Counter, Desk};
use crate::present;

#[derive(Deserialize)]
struct Known {
    stored: Option<Outcome>,
    hold: Option<HoldOf>,
    token: Option<String>,
    shaky: bool,
    admitted: bool,
}

#[derive(Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum Securing {
    Secured { attempt: i32, hold_id: Uuid },
    TurnedAway { reason: String },
    // What has become of it already.
    Confirmed { order_id: String },
    RefundRequired { reason: wire::confirm::RefundReason },
}

/// T2 for money that was taken.
///
/// # Errors
/// The database cannot answer.
pub async fn confirm(database: &Database, payment: &Payment) -> Result<Outcome, Broken> {
    let user_id = Some(&payment.user_id);
    book(
        database,
        (&payment.gateway, &payment.payment_id),
        &payment.hold_id,
        user_id,
        payment.amount,
        &payment.currency,
    )
    .await
}

/// # Errors
/// The database cannot answer, or the gateway is not configured. That a gateway does not answer is no error: the others'
/// payments go on.
pub async fn settle(database: &Database, desk: &Desk, told: &Told) -> Result<Settled, Broken> {
    let id = (told.gateway.as_str(), told.payment_id.as_str());
    if told.later
        && let Some(settled) = present::look_again(database, desk, told).await?
    {
        return Ok(settled);
    }
    let known: Option<Known> =
        database.json("select holdfast.look_at_payment($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)]).await?;
    let known = known.ok_or_else(|| Broken::misused("looking at a payment has no outcome"))?;
    let done = |outcome| Ok(Settled { outcome, hold: None });
    if let Some(outcome) = known.stored {
        return Ok(Settled { outcome, hold: known.hold });
    }
    let at = desk.at(&told.gateway).ok_or_else(|| Broken::misused("a gateway that this function has no secret for"))?;
    if !known.admitted {
        return done(Outcome::Unreachable);
    }
    let truth = match desk.ask(database, at, &told.payment_id, known.shaky).await? {
        Asked::Known(truth) => truth,
        Asked::NotFound => return end(database, id, "the gateway knows no such payment").await,
        Asked::Refused(_) | Asked::Unknown(_) => return done(Outcome::Unreachable),
    };
    // Play money in a shop that sells for real money buys nothing, and is nobody's to pay back.
    if desk.live && !truth.live {
        return done(Outcome::Ignored);
    }
    if told.amount.is_some_and(|amount| amount != truth.amount) {
        return done(Outcome::TurnedAway { reason: "amount_mismatch".to_owned() });
    }
    let case = Case { database, desk, at, id, token: told.token.clone().or(known.token), truth };
    let outcome = match case.truth.state {
        // What costs nothing has nothing left either, and was bought all the same.
        State::Paid if case.truth.refunded > 0 && case.truth.left() <= 0 => {
            end(database, id, "paid back at the gateway").await?.outcome
        }
        State::Paid => case.book(&case.truth).await?,
        State::Authorised | State::Pending if told.may_take => case.secure_only().await?,
        State::Authorised => case.take().await?,
        State::Pending if case.token.is_some() => case.take().await?,
        State::Pending => case.note().await?,
        State::Failed => end(database, id, "no money was taken").await?.outcome,
    };
    // Only a browser has to be sent somewhere.
    let hold = match told.amount {
        Some(_) => {
            database
                .json("select holdfast.hold_of_payment($1, $2)", &[(&id.0, Type::TEXT), (&id.1, Type::TEXT)])
                .await?
        }
        None => None,
    };
    Ok(Settled { outcome, hold })
}

/// A payment whose truth is known.
struct Case<'a> {
    database: &'a Database,
    desk: &'a Desk,
    at: &'a Counter,
    id: (&'a str, &'a str),
    token: Option<String>,
    truth: Truth,
}

impl Case<'_> {
    /// What was taken, less what somebody has paid back at the gateway's own desk, is what was paid.
    async fn book(&self, truth: &Truth) -> Result<Outcome, Broken> {
        let Truth { hold_ref, user_id, currency, .. } = truth;
        book(self.database, self.id, hold_ref, user_id.as_ref(), truth.left(), currency).await
    }

    async fn secure(&self) -> Result<Securing, Broken> {
        let Truth { hold_ref, user_id, amount, currency, .. } = &self.truth;
        let params = &[
            (&self.id.0 as _, Type::TEXT),
            (&self.id.1 as _, Type::TEXT),
            (hold_ref as _, Type::TEXT),
            (&hold_id(hold_ref) as _, Type::UUID),
            (user_id as _, Type::TEXT),
            (amount as _, Type::INT8),
            (currency as _, Type::TEXT),
            (&self.token as _, Type::TEXT),
        ];
        let answer = self.database.json("select holdfast.secure($1, $2, $3, $4, $5, $6, $7, $8)", params).await?;
        answer.ok_or_else(|| Broken::misused("securing has no outcome"))
    }

    /// The gateway asks before it takes the money itself.
    async fn secure_only(&self) -> Result<Outcome, Broken> {
        Ok(match self.secure().await? {
            Securing::Secured { .. } => Outcome::Secured,
            other => other.told(),
        })
    }

    /// Secures the hold, has the money taken, and confirms.
    async fn take(&self) -> Result<Outcome, Broken> {
        let (attempt, hold) = match self.secure().await? {
            Securing::Secured { attempt, hold_id } => (attempt, hold_id),
            turned_away @ Securing::TurnedAway { .. } => {
                self.let_go().await?;
                return Ok(turned_away.told());
            }
            other => return Ok(other.told()),
        };
        let key = format!("capture-{}-{attempt}", hold.simple());
        let capture = Capture {
            payment_id: self.id.1,
            order_ref: &self.truth.order_ref,
            amount: self.truth.amount,
            currency: &self.truth.currency,
            key: &key,
            token: self.token.as_deref(),
            live: self.desk.live,
        };
        // One that takes the money by itself will tell us when it has.
        let Some(request) = self.at.api.capture(&capture) else { return Ok(Outcome::Ignored) };
        let captured = match self.desk.send(self.at, &request, CAPTURE_DEADLINE_MS).await {
            Ok(answer) => self.at.api.captured(&gateways::Answer { status: answer.status, body: &answer.body }),
            Err(no_answer) => Captured::Unknown(no_answer.0),
        };
        match captured {
            Captured::Done => self.book(&self.truth).await,
            Captured::Refused(why) => {
                warn!(gateway = self.at.name, %why, "a capture was refused");
                end(self.database, self.id, &why).await?;
                Ok(Outcome::TurnedAway { reason: "payment_refused".to_owned() })
            }
            Captured::Unknown(why) => {
                warn!(gateway = self.at.name, %why, "the outcome of a capture is unknown");
                match self.desk.ask(self.database, self.at, self.id.1, true).await? {
                    Asked::Known(truth) if truth.state == State::Paid => self.book(&truth).await,
                    // The attempt stays: whoever comes next, a repeat or the sweep, asks before anything else.
                    Asked::Known(_) | Asked::NotFound | Asked::Refused(_) | Asked::Unknown(_) => {
                        Ok(Outcome::Unreachable)
                    }
                }
            }
        }
    }

    /// What was set aside is given back now, or by the sweep if this fails: it is written down.
    async fn let_go(&self) -> Result<(), Broken> {
        let key = format!("let-go-{}-{}", self.at.name, self.id.1);
        let Some(request) = self.at.api.let_go(self.id.1, &key) else {
            return end(self.database, self.id, "turned away").await.map(drop);
        };
        if let Ok(answer) = self.desk.send(self.at, &request, CAPTURE_DEADLINE_MS).await
            && answer.status == 200
        {
            end(self.database, self.id, "let go").await?;
        }
        Ok(())
    }

    async fn note(&self) -> Result<Outcome, Broken> {
        let Truth { hold_ref, user_id, amount, currency, .. } = &self.truth;
        let params = &[
            (&self.id.0 as _, Type::TEXT),
            (&self.id.1 as _, Type::TEXT),
            (hold_ref as _, Type::TEXT),
            (&hold_id(hold_ref) as _, Type::UUID),
            (user_id as _, Type::TEXT),
            (amount as _, Type::INT8),
            (currency as _, Type::TEXT),
        ];
        self.database.call("select holdfast.note_payment($1, $2, $3, $4, $5, $6, $7)", params).await?;
        Ok(Outcome::Ignored)
    }
}

impl Securing {
    fn told(self) -> Outcome {
        match self {
            Self::Secured { .. } => Outcome::Secured,
            Self::TurnedAway { reason } => Outcome::TurnedAway { reason },
            Self::Confirmed { order_id } => Outcome::Confirmed { order_id },
            Self::RefundRequired { reason } => Outcome::RefundRequired { reason },
        }
    }
}

async fn book(
    database: &Database,
    id: (&str, &str),
    hold_ref: &str,
    user_id: Option<&String>,
    amount: i64,
    currency: &str,
) -> Result<Outcome, Broken> {
    // What is no id of ours names no hold of ours; the money is paid back all the same.
    let hold_id = hold_id(hold_ref);
    let outcome: Option<Outcome> = database
        .json(
            "select holdfast.confirm($1, $2, $3, $4, $5, $6, $7)",
            &[
                (&id.0, Type::TEXT),
                (&id.1, Type::TEXT),
                (&hold_ref, Type::TEXT),
                (&hold_id, Type::UUID),
                (&user_id, Type::TEXT),
                (&amount, Type::INT8),
                (&currency, Type::TEXT),
            ],
        )
        .await?;
    outcome.ok_or_else(|| Broken::misused("the payment has no outcome"))
}

/// It is over, and no money of the buyer's is with us.
async fn end(database: &Database, id: (&str, &str), outcome: &str) -> Result<Settled, Broken> {
    let params = &[(&id.0 as _, Type::TEXT), (&id.1 as _, Type::TEXT), (&outcome as _, Type::TEXT)];
    database.call("select holdfast.end_payment($1, $2, $3)", params).await?;
    Ok(Settled { outcome: Outcome::Ignored, hold: None })
}

/// A hold's id as a gateway keeps it: as it is, or without hyphens and with the number of the attempt behind it, two
/// digits, because some take letters and digits only and no id twice.
pub(crate) fn hold_id(hold_ref: &str) -> Option<Uuid> {
    let bare = match hold_ref.split_at_checked(32) {
        Some((id, attempt)) if attempt.len() == 2 && attempt.bytes().all(|byte| byte.is_ascii_digit()) => id,
        _ => hold_ref,
    };
    Uuid::parse_str(bare).ok()
}

#[cfg(test)]
mod tests {
    use super::hold_id;

    #[test]
    fn a_hold_is_found_in_the_ways_that_gateways_keep_it() {
        let id = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";
        let bare = id.replace('-', "");
        for hold_ref in [id.to_owned(), bare.clone(), format!("{bare}01"), format!("{bare}42")] {
            assert_eq!(hold_id(&hold_ref).map(|id| id.to_string()).as_deref(), Some(id), "{hold_ref}");
        }
        for other in ["", "no id", &format!("{bare}0x"), &format!("{bare}001"), "가나다"] {
            assert_eq!(hold_id(other), None, "{other}");
        }
    }
}
