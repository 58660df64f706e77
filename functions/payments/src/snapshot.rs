//! What a gateway says of a payment when it is asked.

use crate::dispute::{Dispute, DisputeState, Disputed};
use crate::mark::Mark;

/// What a gateway answers when it is asked about a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupResult {
    Known(PaymentSnapshot),
    /// It has no such payment.
    NotFound,
    /// It is at work, and does not say: the question was not one of its own. Whoever asks for what a stranger named has
    /// not found out that the gateway fails.
    Refused(String),
    /// It is at work, and what it says of this payment cannot be read: that is this payment's matter and no other's.
    Unreadable(String),
    /// No answer to build on.
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentSnapshot {
    pub state: State,
    /// The gateway's id of it.
    pub payment_id: String,
    /// What was taken or is set aside, in the currency's minor unit.
    pub amount: i64,
    /// Of it, what is paid back already, by whomever.
    pub refunded: i64,
    /// Of it, what somebody asked to have paid back and is not yet. None: the gateway does not say.
    pub refunding: Option<i64>,
    pub currency: String,
    /// The hold it names. None: it is no payment of ours, and nobody here may touch it.
    pub mark: Option<Mark>,
    /// Our id of the payment at a gateway that has one of its own beside it.
    pub order_ref: String,
    pub user_id: Option<String>,
    /// Play money otherwise.
    pub live: bool,
    /// It was a deposit, and can be paid back only to an account that somebody names.
    pub needs_account: bool,
    /// What a message about its deposit has to know.
    pub secret: Option<String>,
    pub disputed: Disputed,
}

impl PaymentSnapshot {
    /// Whether a message knows the payment's secret. Compared in a time that does not depend on where they differ.
    #[must_use]
    pub fn has_secret(&self, given: &str) -> bool {
        let Some(own) = self.secret.as_deref().map(str::as_bytes) else { return false };
        own.len() == given.len() && own.iter().zip(given.as_bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }

    /// What the gateway still has of the buyer's money, in the minor unit.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.amount.saturating_sub(self.refunded)
    }

    /// What a dispute has, or may have, given back to the buyer by his bank: lost, and open.
    #[must_use]
    pub fn in_dispute(&self) -> (i64, i64) {
        match self.disputed {
            Disputed::Yes(Dispute { state: DisputeState::Lost, amount }) => (amount, 0),
            Disputed::Yes(Dispute { state: DisputeState::Open, amount }) => (0, amount),
            _ => (0, 0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The buyer is not through, or the bank is not.
    Pending,
    /// The buyer was given an account to deposit into, and has not: nothing is left to ask of the gateway.
    Waiting,
    /// The money is set aside, and is taken on our word.
    Authorised,
    /// It was taken. Some or all of it may be paid back.
    Paid,
    /// It was not taken, and will not be.
    Failed,
}
