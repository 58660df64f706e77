//! A gateway's response to the lookup of a payment.

use crate::dispute::{Dispute, DisputeState, Disputed};
use crate::mark::Mark;

/// The result of looking a payment up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is matched by its fields")]
pub enum LookupResult {
    Known(PaymentSnapshot),
    /// The gateway has no such payment.
    NotFound,
    /// The gateway works but refused the request. A lookup of an id from an unauthenticated request says nothing about
    /// the gateway's health.
    Refused(String),
    /// The gateway works, but its description of this payment cannot be read. Other payments are not affected.
    Unreadable(String),
    /// No usable response.
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentSnapshot {
    pub state: State,
    /// The gateway's id of the payment.
    pub payment_id: String,
    /// The captured or authorised amount, in the currency's minor unit.
    pub amount: i64,
    /// The part of it that is refunded, by whomever.
    pub refunded: i64,
    /// The part of it whose refund is pending. None: the gateway does not say.
    pub refunding: Option<i64>,
    pub currency: String,
    /// The hold it names. None: it is not our payment, and its money must not be touched.
    pub mark: Option<Mark>,
    /// Our order id at a gateway that has a payment id of its own.
    pub order_ref: String,
    pub user_id: Option<String>,
    /// False: a test payment.
    pub live: bool,
    /// It was a deposit: a refund needs a bank account.
    pub needs_account: bool,
    /// The secret that a message about its deposit must contain.
    pub secret: Option<String>,
    pub disputed: Disputed,
}

impl PaymentSnapshot {
    /// Whether a message contains the payment's secret; compared in constant time.
    #[must_use]
    pub fn has_secret(&self, given: &str) -> bool {
        let Some(own) = self.secret.as_deref().map(str::as_bytes) else { return false };
        own.len() == given.len() && own.iter().zip(given.as_bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }

    /// The balance left at the gateway, in the minor unit.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.amount.saturating_sub(self.refunded)
    }

    /// The amounts of a lost and of an open dispute: what the bank has returned to the buyer, and may return.
    #[must_use]
    pub fn in_dispute(&self) -> (i64, i64) {
        match self.disputed {
            Disputed::Yes(Dispute { state: DisputeState::Lost, amount, .. }) => (amount, 0),
            Disputed::Yes(Dispute { state: DisputeState::Open, amount, lost_before }) => (lost_before, amount),
            _ => (0, 0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The buyer or the bank has not finished.
    Pending,
    /// The buyer has an account to deposit into; there is nothing to capture.
    Waiting,
    /// Authorised: it can be captured.
    Authorised,
    /// Captured. Some or all of it may be refunded.
    Paid,
    /// Not captured, and it will not be.
    Failed,
}
