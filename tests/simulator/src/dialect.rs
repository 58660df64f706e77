//! The four gateways that are simulated, by name; each one's protocol is in the file of its name.

use std::time::Duration;

use axum::body::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::books::Payment;
use super::{portone, standard, stripe, toss};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    #[default]
    Standard,
    PortOne,
    Toss,
    Stripe,
}

/// What is reported to the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Whether the money may be taken: the answer decides.
    ApprovalRequested,
    Authorised,
    Captured,
    Refunded,
    /// An account to deposit into was given to the buyer, or waits again.
    Waiting,
    /// The same as a change, at a gateway that has a message of its own for deposits.
    DepositCallback,
    /// A refund that had been done is not done after all.
    RefundFailed,
    Disputed,
    DisputeResolved,
    /// A deposit was reversed.
    Reversed,
}

impl Dialect {
    /// In the order of the shop's registry.
    pub const ALL: [Self; 4] = [Self::Standard, Self::PortOne, Self::Toss, Self::Stripe];

    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => standard::NAME,
            Self::PortOne => portone::NAME,
            Self::Toss => toss::NAME,
            Self::Stripe => stripe::NAME,
        }
    }

    /// Where the shop listens for this gateway.
    pub fn path(self) -> String {
        format!("/v1/webhooks/{}", self.name())
    }

    /// A payment's id; PortOne's is the shop's own, made from the hold's and the number of the attempt.
    pub fn id(self, hold_id: &str) -> String {
        let fresh = Uuid::now_v7().simple();
        match self {
            Self::Standard => format!("pay_{fresh}"),
            Self::PortOne => portone::id(hold_id),
            Self::Toss => format!("tgen_{fresh}"),
            Self::Stripe => format!("pi_{fresh}"),
        }
    }

    /// None: this gateway does not report it.
    pub fn body(self, payment: &Payment, event: Event) -> Option<Bytes> {
        match self {
            Self::Standard => standard::event(payment, event),
            Self::PortOne => portone::event(payment, event),
            Self::Toss => toss::event(payment, event),
            Self::Stripe => stripe::event(payment, event),
        }
    }

    pub fn headers(self, secret: &str, webhook_id: &str, now: Timestamp, body: &[u8]) -> Vec<(&'static str, String)> {
        match self {
            Self::Standard | Self::PortOne => standard::headers(secret, webhook_id, now, body).to_vec(),
            Self::Toss => toss::headers(),
            Self::Stripe => stripe::headers(secret, now, body),
        }
    }

    /// The pause before the attempt after this one, counted from 1; none: it is given up. Theirs is in minutes; here a
    /// minute is 100 ms. The standard one doubles for ever: see `sender`.
    pub fn pause(self, attempt: u32) -> Option<Duration> {
        let minutes: &[u64] = match self {
            Self::Standard => return None,
            Self::PortOne => &[1, 4, 16, 64, 256],
            Self::Toss => &[1, 4, 16, 64, 256, 1024, 4096],
            // Live: over three days, with growing distances.
            Self::Stripe => &[1, 5, 30, 120, 300, 600, 600, 600, 720, 720],
        };
        let index = usize::try_from(attempt).ok()?.checked_sub(1)?;
        minutes.get(index).map(|minutes| Duration::from_millis(minutes * 100))
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;

    #[test]
    fn every_gateway_of_the_shop_is_simulated() {
        assert_eq!(Dialect::ALL.map(Dialect::name), payments::NAMES);
    }

    #[test]
    fn each_gateway_retries_as_often_and_as_late_as_it_publishes() {
        for (gateway, retries, minutes) in
            [(Dialect::PortOne, 5, 341), (Dialect::Toss, 7, 5_461), (Dialect::Stripe, 10, 3_696)]
        {
            let pauses: Vec<_> = (1..).map_while(|attempt| gateway.pause(attempt)).collect();
            let sum: u128 = pauses.iter().map(std::time::Duration::as_millis).sum();
            assert_eq!((pauses.len(), sum), (retries, minutes * 100), "{gateway:?}");
        }
        assert_eq!(Dialect::Standard.pause(1), None, "that one doubles for ever");
    }
}
