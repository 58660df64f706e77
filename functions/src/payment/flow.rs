//! A payment whose truth is known, taken to its end: the hold is secured before money is taken, and T2 makes of it what it
//! becomes. Every step can be repeated; one whose outcome is unknown is asked about first. Nothing of it happens inside a
//! transaction.

use payments::{Capture, Captured, LookupResult, Mark, PaymentSnapshot, State};
use protocol::confirm::{ConfirmOutcome, Settled};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::warn;
use uuid::Uuid;

use crate::payment::gateways::{GatewayClient, Gateways};
use crate::runtime::database::{Database, InfraError};
use crate::runtime::limits::CAPTURE_DEADLINE_MS;

#[derive(Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum CaptureLock {
    #[serde(rename = "secured")]
    ReadyToCapture {
        attempt: i32,
        hold_id: Uuid,
    },
    /// Nothing was written.
    HoldUnknown,
    #[serde(rename = "turned_away")]
    Rejected {
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
pub(crate) struct PaymentFlow<'a> {
    pub database: &'a Database,
    pub gateways: &'a Gateways,
    pub client: &'a GatewayClient,
    pub id: (&'a str, &'a str),
    pub token: Option<String>,
    pub mark: Mark,
    pub snapshot: PaymentSnapshot,
}

impl PaymentFlow<'_> {
    pub async fn settle(&self, asks_approval: bool) -> Result<ConfirmOutcome, InfraError> {
        Ok(match self.snapshot.state {
            // What costs nothing has nothing left either, and was bought all the same.
            State::Paid if self.snapshot.refunded > 0 && self.snapshot.left() <= 0 => {
                end(self.database, self.id, "paid back at the gateway").await?.outcome
            }
            State::Paid => self.record_payment(&self.snapshot).await?,
            State::Authorised | State::Pending if asks_approval => self.approve_capture().await?,
            State::Authorised => self.capture().await?,
            State::Pending if self.token.is_some() => self.capture().await?,
            State::Pending => self.note(false).await?,
            // Whatever was asked for is done: the money comes with the deposit, or not at all.
            State::Waiting => self.note(true).await?,
            State::Failed => end(self.database, self.id, "no money was taken").await?.outcome,
        })
    }

    /// What was taken, less what somebody has paid back at the gateway's own desk, is what was paid.
    async fn record_payment(&self, snapshot: &PaymentSnapshot) -> Result<ConfirmOutcome, InfraError> {
        let PaymentSnapshot { user_id, currency, .. } = snapshot;
        record_payment(self.database, self.id, &self.mark.hold_ref, user_id.as_ref(), snapshot.left(), currency).await
    }

    async fn lock_for_capture(&self) -> Result<CaptureLock, InfraError> {
        let PaymentSnapshot { user_id, amount, currency, .. } = &self.snapshot;
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
        let response = self.database.json("select holdfast.secure($1, $2, $3, $4, $5, $6, $7, $8)", params).await?;
        response.ok_or_else(|| InfraError::misuse("locking for a capture has no outcome"))
    }

    /// The gateway asks before it takes the money itself.
    async fn approve_capture(&self) -> Result<ConfirmOutcome, InfraError> {
        Ok(match self.lock_for_capture().await? {
            CaptureLock::ReadyToCapture { .. } => ConfirmOutcome::ReadyToCapture,
            other => other.into_outcome(),
        })
    }

    /// Secures the hold, has the money taken, and confirms.
    async fn capture(&self) -> Result<ConfirmOutcome, InfraError> {
        let (attempt, hold) = match self.lock_for_capture().await? {
            CaptureLock::ReadyToCapture { attempt, hold_id } => (attempt, hold_id),
            // Whoever set it aside may be another Holdfast: it is neither taken nor let go.
            CaptureLock::HoldUnknown => return self.park().await,
            rejected @ CaptureLock::Rejected { .. } => {
                self.void().await?;
                return Ok(rejected.into_outcome());
            }
            other => return Ok(other.into_outcome()),
        };
        let key = format!("capture-{}-{attempt}", hold.simple());
        let capture = Capture {
            payment_id: self.id.1,
            order_ref: &self.snapshot.order_ref,
            amount: self.snapshot.amount,
            currency: &self.snapshot.currency,
            key: &key,
            token: self.token.as_deref(),
            live: self.gateways.live,
        };
        // One that takes the money by itself will tell us when it has.
        let Some(request) = self.client.api.capture(&capture) else { return Ok(ConfirmOutcome::Ignored) };
        let captured = match self.gateways.send(self.client, &request, CAPTURE_DEADLINE_MS).await {
            Ok(response) => self.client.api.captured(&response.as_gateway_response()),
            Err(no_response) => Captured::Unknown(no_response.0),
        };
        match captured {
            Captured::Done => self.record_payment(&self.snapshot).await,
            Captured::Waiting => self.note(true).await,
            Captured::Refused(why) => {
                warn!(gateway = self.client.name, %why, "a capture was refused");
                end(self.database, self.id, &why).await?;
                Ok(ConfirmOutcome::Rejected { reason: "payment_refused".to_owned() })
            }
            Captured::Unknown(why) => {
                warn!(gateway = self.client.name, %why, "the outcome of a capture is unknown");
                match self.gateways.ask(self.database, self.client, self.id.1, true).await? {
                    LookupResult::Known(snapshot) if snapshot.state == State::Paid => {
                        self.record_payment(&snapshot).await
                    }
                    LookupResult::Known(snapshot) if snapshot.state == State::Waiting => self.note(true).await,
                    // The attempt stays: whoever comes next, a repeat or the sweep, asks before anything else.
                    LookupResult::Known(_)
                    | LookupResult::NotFound
                    | LookupResult::Refused(_)
                    | LookupResult::Unreadable(_)
                    | LookupResult::Unknown(_) => Ok(ConfirmOutcome::Unreachable),
                }
            }
        }
    }

    /// What was set aside is given back now, or by the sweep if this fails: it is written down.
    async fn void(&self) -> Result<(), InfraError> {
        let key = format!("let-go-{}-{}", self.client.name, self.id.1);
        let Some(request) = self.client.api.void(self.id.1, &key) else {
            return end(self.database, self.id, "turned away").await.map(drop);
        };
        if let Ok(response) = self.gateways.send(self.client, &request, CAPTURE_DEADLINE_MS).await
            && self.client.api.was_voided(&response.as_gateway_response())
        {
            end(self.database, self.id, "let go").await?;
        }
        Ok(())
    }

    /// Money that is set aside for a hold that is none of ours waits for an operator.
    async fn park(&self) -> Result<ConfirmOutcome, InfraError> {
        let PaymentSnapshot { amount, currency, .. } = &self.snapshot;
        let params = &[
            (&self.id.0 as _, Type::TEXT),
            (&self.id.1 as _, Type::TEXT),
            (&self.mark.hold_ref as _, Type::TEXT),
            (amount as _, Type::INT8),
            (currency as _, Type::TEXT),
            (&false as _, Type::BOOL),
        ];
        self.database.call("select holdfast.park($1, $2, $3, $4, $5, $6)", params).await?;
        Ok(ConfirmOutcome::Parked)
    }

    /// `taken`: no capture is under way any more, whatever was written down.
    async fn note(&self, taken: bool) -> Result<ConfirmOutcome, InfraError> {
        let PaymentSnapshot { user_id, amount, currency, .. } = &self.snapshot;
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
        Ok(ConfirmOutcome::Pending)
    }
}

impl CaptureLock {
    fn into_outcome(self) -> ConfirmOutcome {
        match self {
            Self::ReadyToCapture { .. } => ConfirmOutcome::ReadyToCapture,
            // No money is set aside yet for whoever asks first, and so there is nothing to decide.
            Self::HoldUnknown => ConfirmOutcome::Rejected { reason: "hold_unknown".to_owned() },
            Self::Rejected { reason } => ConfirmOutcome::Rejected { reason },
            Self::Confirmed { order_id } => ConfirmOutcome::Confirmed { order_id },
            Self::RefundRequired { reason } => ConfirmOutcome::RefundRequired { reason },
        }
    }
}

pub(crate) async fn record_payment(
    database: &Database,
    id: (&str, &str),
    hold_ref: &str,
    user_id: Option<&String>,
    amount: i64,
    currency: &str,
) -> Result<ConfirmOutcome, InfraError> {
    // What is no id of ours names no hold of ours; what the shop's own service took is paid back all the same.
    let hold_id = hold_id(hold_ref);
    let outcome: Option<ConfirmOutcome> = database
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
    outcome.ok_or_else(|| InfraError::misuse("the payment has no outcome"))
}

/// It is over, and no money of the buyer's is with us.
pub(crate) async fn end(database: &Database, id: (&str, &str), outcome: &str) -> Result<Settled, InfraError> {
    let params = &[(&id.0 as _, Type::TEXT), (&id.1 as _, Type::TEXT), (&outcome as _, Type::TEXT)];
    database.call("select holdfast.end_payment($1, $2, $3)", params).await?;
    Ok(Settled { outcome: ConfirmOutcome::Ignored, hold: None })
}

fn hold_id(hold_ref: &str) -> Option<Uuid> {
    payments::hold_id(hold_ref).and_then(|id| Uuid::parse_str(&id).ok())
}
