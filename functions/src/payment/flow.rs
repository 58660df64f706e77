//! A payment whose truth is known, taken to its end: the hold is secured before money is taken, and T2 makes of it what it
//! becomes. Every step can be repeated; one whose outcome is unknown is asked about first. Nothing of it happens inside a
//! transaction.

use payments::{Asked, Capture, Captured, Mark, State, Truth};
use protocol::confirm::{Outcome, Settled};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::warn;
use uuid::Uuid;

use crate::payment::gateways::{Counter, Desk};
use crate::runtime::database::{Broken, Database};
use crate::runtime::limits::CAPTURE_DEADLINE_MS;

#[derive(Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum Securing {
    Secured {
        attempt: i32,
        hold_id: Uuid,
    },
    /// Nothing was written.
    HoldUnknown,
    TurnedAway {
        reason: String,
    },
    // What has become of it already.
    Confirmed {
        order_id: String,
    },
    RefundRequired {
        reason: protocol::confirm::RefundReason,
    },
}

/// A payment of ours, and what its gateway says of it now.
pub(crate) struct Case<'a> {
    pub database: &'a Database,
    pub desk: &'a Desk,
    pub at: &'a Counter,
    pub id: (&'a str, &'a str),
    pub token: Option<String>,
    pub mark: Mark,
    pub truth: Truth,
}

impl Case<'_> {
    pub async fn settle(&self, may_take: bool) -> Result<Outcome, Broken> {
        Ok(match self.truth.state {
            // What costs nothing has nothing left either, and was bought all the same.
            State::Paid if self.truth.refunded > 0 && self.truth.left() <= 0 => {
                end(self.database, self.id, "paid back at the gateway").await?.outcome
            }
            State::Paid => self.book(&self.truth).await?,
            State::Authorised | State::Pending if may_take => self.secure_only().await?,
            State::Authorised => self.take().await?,
            State::Pending if self.token.is_some() => self.take().await?,
            State::Pending => self.note(false).await?,
            // Whatever was asked for is done: the money comes with the deposit, or not at all.
            State::Waiting => self.note(true).await?,
            State::Failed => end(self.database, self.id, "no money was taken").await?.outcome,
        })
    }

    /// What was taken, less what somebody has paid back at the gateway's own desk, is what was paid.
    async fn book(&self, truth: &Truth) -> Result<Outcome, Broken> {
        let Truth { user_id, currency, .. } = truth;
        book(self.database, self.id, &self.mark.hold_ref, user_id.as_ref(), truth.left(), currency).await
    }

    async fn secure(&self) -> Result<Securing, Broken> {
        let Truth { user_id, amount, currency, .. } = &self.truth;
        let params = &[
            (&self.id.0 as _, Type::TEXT),
            (&self.id.1 as _, Type::TEXT),
            (&self.mark.hold_ref as _, Type::TEXT),
            (&hold_id(&self.mark.hold_ref) as _, Type::UUID),
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
            // Whoever set it aside may be another Holdfast: it is neither taken nor let go.
            Securing::HoldUnknown => return self.park().await,
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
            Ok(answer) => self.at.api.captured(&payments::Answer { status: answer.status, body: &answer.body }),
            Err(no_answer) => Captured::Unknown(no_answer.0),
        };
        match captured {
            Captured::Done => self.book(&self.truth).await,
            Captured::Waiting => self.note(true).await,
            Captured::Refused(why) => {
                warn!(gateway = self.at.name, %why, "a capture was refused");
                end(self.database, self.id, &why).await?;
                Ok(Outcome::TurnedAway { reason: "payment_refused".to_owned() })
            }
            Captured::Unknown(why) => {
                warn!(gateway = self.at.name, %why, "the outcome of a capture is unknown");
                match self.desk.ask(self.database, self.at, self.id.1, true).await? {
                    Asked::Known(truth) if truth.state == State::Paid => self.book(&truth).await,
                    Asked::Known(truth) if truth.state == State::Waiting => self.note(true).await,
                    // The attempt stays: whoever comes next, a repeat or the sweep, asks before anything else.
                    Asked::Known(_)
                    | Asked::NotFound
                    | Asked::Refused(_)
                    | Asked::Unreadable(_)
                    | Asked::Unknown(_) => Ok(Outcome::Unreachable),
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
            && self.at.api.was_let_go(&payments::Answer { status: answer.status, body: &answer.body })
        {
            end(self.database, self.id, "let go").await?;
        }
        Ok(())
    }

    /// Money that is set aside for a hold that is none of ours waits for an operator.
    async fn park(&self) -> Result<Outcome, Broken> {
        let Truth { amount, currency, .. } = &self.truth;
        let params = &[
            (&self.id.0 as _, Type::TEXT),
            (&self.id.1 as _, Type::TEXT),
            (&self.mark.hold_ref as _, Type::TEXT),
            (amount as _, Type::INT8),
            (currency as _, Type::TEXT),
            (&false as _, Type::BOOL),
        ];
        self.database.call("select holdfast.park($1, $2, $3, $4, $5, $6)", params).await?;
        Ok(Outcome::Parked)
    }

    /// `taken`: no capture is under way any more, whatever was written down.
    async fn note(&self, taken: bool) -> Result<Outcome, Broken> {
        let Truth { user_id, amount, currency, .. } = &self.truth;
        let params = &[
            (&self.id.0 as _, Type::TEXT),
            (&self.id.1 as _, Type::TEXT),
            (&self.mark.hold_ref as _, Type::TEXT),
            (&hold_id(&self.mark.hold_ref) as _, Type::UUID),
            (user_id as _, Type::TEXT),
            (amount as _, Type::INT8),
            (currency as _, Type::TEXT),
            (&taken as _, Type::BOOL),
        ];
        self.database.call("select holdfast.note_payment($1, $2, $3, $4, $5, $6, $7, $8)", params).await?;
        Ok(Outcome::Pending)
    }
}

impl Securing {
    fn told(self) -> Outcome {
        match self {
            Self::Secured { .. } => Outcome::Secured,
            // No money is set aside yet for whoever asks first, and so there is nothing to decide.
            Self::HoldUnknown => Outcome::TurnedAway { reason: "hold_unknown".to_owned() },
            Self::TurnedAway { reason } => Outcome::TurnedAway { reason },
            Self::Confirmed { order_id } => Outcome::Confirmed { order_id },
            Self::RefundRequired { reason } => Outcome::RefundRequired { reason },
        }
    }
}

pub(crate) async fn book(
    database: &Database,
    id: (&str, &str),
    hold_ref: &str,
    user_id: Option<&String>,
    amount: i64,
    currency: &str,
) -> Result<Outcome, Broken> {
    // What is no id of ours names no hold of ours; what the shop's own service took is paid back all the same.
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
pub(crate) async fn end(database: &Database, id: (&str, &str), outcome: &str) -> Result<Settled, Broken> {
    let params = &[(&id.0 as _, Type::TEXT), (&id.1 as _, Type::TEXT), (&outcome as _, Type::TEXT)];
    database.call("select holdfast.end_payment($1, $2, $3)", params).await?;
    Ok(Settled { outcome: Outcome::Ignored, hold: None })
}

fn hold_id(hold_ref: &str) -> Option<Uuid> {
    payments::hold_id(hold_ref).and_then(|id| Uuid::parse_str(&id).ok())
}
