//! Takes a payment from its snapshot to its outcome: locks the hold for the capture, captures, and records the payment
//! (T2). Every step can be repeated; where the outcome of a capture is unknown, the payment is looked up before
//! anything else. No gateway is called inside a transaction.

use payments::{Capture, Captured, LookupResult, Mark, PaymentSnapshot, State};
use protocol::confirm::{ConfirmOutcome, RejectionReason, Settled};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::warn;
use uuid::Uuid;

use crate::payment::gateways::{GatewayClient, Gateways};
use crate::payment::recheck;
use crate::payment::unanswered::record_no_answer;
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
    /// No hold of ours has this id; nothing was written.
    HoldUnknown,
    #[serde(rename = "turned_away")]
    Rejected {
        reason: RejectionReason,
    },
    // The payment was settled before.
    Confirmed {
        order_id: String,
    },
    RefundRequired {
        reason: protocol::confirm::RefundReason,
    },
}

/// A payment that names a hold, with its gateway's present snapshot.
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
            State::Paid => self.settle_paid(&self.snapshot).await?,
            State::Authorised | State::Pending if asks_approval => self.approve_capture().await?,
            State::Authorised => self.capture().await?,
            State::Pending if self.token.is_some() => self.capture().await?,
            State::Pending => self.note(false).await?,
            // The buyer has an account to deposit into. The money comes with the deposit, or not at all.
            State::Waiting => self.note(true).await?,
            State::Failed => end(self.database, self.id, "no money was taken").await?.outcome,
        })
    }

    /// Money that has left the gateway, or whose refund is pending there, buys nothing.
    async fn settle_paid(&self, snapshot: &PaymentSnapshot) -> Result<ConfirmOutcome, InfraError> {
        // A zero-amount payment has no balance left but is still a purchase.
        if snapshot.refunded > 0 && snapshot.left() <= 0 {
            return Ok(end(self.database, self.id, "paid back at the gateway").await?.outcome);
        }
        // The remaining amount is unknown until the gateway has decided: it is looked up again.
        if snapshot.refunding.is_some_and(|refunding| refunding > 0) {
            return self.note(true).await;
        }
        let Some(snapshot) = recheck::with_dispute(self.gateways, self.client, self.id.1, snapshot.clone()).await
        else {
            record_no_answer(self.database, self.id, "its dispute cannot be asked about").await?;
            return Ok(ConfirmOutcome::Unreachable);
        };
        // The bank has returned it to the buyer.
        let (lost, _) = snapshot.in_dispute();
        if lost > 0 && snapshot.left() <= lost {
            return Ok(end(self.database, self.id, "lost in a dispute").await?.outcome);
        }
        self.record_payment(&snapshot).await
    }

    /// The paid amount is what was captured, less what was refunded in the gateway's own console.
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

    /// The gateway requests approval and then captures by itself.
    async fn approve_capture(&self) -> Result<ConfirmOutcome, InfraError> {
        Ok(match self.lock_for_capture().await? {
            CaptureLock::ReadyToCapture { .. } => ConfirmOutcome::ReadyToCapture,
            other => other.into_outcome(),
        })
    }

    /// Locks the hold, captures, and records the payment.
    async fn capture(&self) -> Result<ConfirmOutcome, InfraError> {
        let (attempt, hold) = match self.lock_for_capture().await? {
            CaptureLock::ReadyToCapture { attempt, hold_id } => (attempt, hold_id),
            // The authorisation may belong to another Holdfast: it is neither captured nor voided.
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
        // A gateway that captures by itself sends a webhook when it has.
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
                Ok(ConfirmOutcome::Rejected { reason: RejectionReason::PaymentRefused })
            }
            Captured::Unknown(why) => {
                warn!(gateway = self.client.name, %why, "the outcome of a capture is unknown");
                match self.gateways.look_up(self.database, self.client, self.id.1, true).await? {
                    LookupResult::Known(snapshot) if snapshot.state == State::Paid => self.settle_paid(&snapshot).await,
                    LookupResult::Known(snapshot) if snapshot.state == State::Waiting => self.note(true).await,
                    // The capture attempt stays recorded: the next hint or sweep looks the payment up before anything
                    // else.
                    LookupResult::Known(_)
                    | LookupResult::NotFound
                    | LookupResult::Refused(_)
                    | LookupResult::Unreadable(_)
                    | LookupResult::Unknown(_) => Ok(ConfirmOutcome::Unreachable),
                }
            }
        }
    }

    /// Voids the authorisation. If this fails, the sweep does it: the rejection is recorded.
    async fn void(&self) -> Result<(), InfraError> {
        let key = format!("let-go-{}-{}", self.client.name, self.id.1);
        let Some(request) = self.client.api.void(self.id.1, &key) else {
            return end(self.database, self.id, "rejected").await.map(drop);
        };
        if let Ok(response) = self.gateways.send(self.client, &request, CAPTURE_DEADLINE_MS).await
            && self.client.api.was_voided(&response.as_gateway_response())
        {
            end(self.database, self.id, "voided").await?;
        }
        Ok(())
    }

    /// Parks a payment whose hold is not ours until an operator decides.
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

    /// Records that the payment is pending. `taken`: no capture is in flight any more, whatever was recorded. A payment
    /// that was settled meanwhile keeps its outcome.
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
        let noted = self.database.json("select holdfast.note_payment($1, $2, $3, $4, $5, $6, $7, $8)", params).await?;
        Ok(match noted {
            Some(stored @ (ConfirmOutcome::Confirmed { .. } | ConfirmOutcome::RefundRequired { .. })) => stored,
            _ => ConfirmOutcome::Pending,
        })
    }
}

impl CaptureLock {
    fn into_outcome(self) -> ConfirmOutcome {
        match self {
            Self::ReadyToCapture { .. } => ConfirmOutcome::ReadyToCapture,
            // The gateway requests approval before it authorises, so there is nothing to park.
            Self::HoldUnknown => ConfirmOutcome::Rejected { reason: RejectionReason::HoldUnknown },
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
    // A reference that is no id of ours names no hold; what the shop's own service captured for it is refunded.
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

/// Ends the payment: none of the buyer's money is with us.
pub(crate) async fn end(database: &Database, id: (&str, &str), outcome: &str) -> Result<Settled, InfraError> {
    let params = &[(&id.0 as _, Type::TEXT), (&id.1 as _, Type::TEXT), (&outcome as _, Type::TEXT)];
    database.call("select holdfast.end_payment($1, $2, $3)", params).await?;
    Ok(Settled { outcome: ConfirmOutcome::Ignored, hold: None })
}

fn hold_id(hold_ref: &str) -> Option<Uuid> {
    payments::hold_id(hold_ref).and_then(|id| Uuid::parse_str(&id).ok())
}
