//! A gateway's webhook: whether the gateway sent it, and what it says of which payment.

use serde_json::{Map, Value};

use crate::dispute::DisputeHint;

/// Characters of a payment's id, and of what a gateway says of hold and user.
pub const TEXT_MAX_CHARS: usize = 255;
/// The largest whole number that every JSON reader keeps exactly.
pub const AMOUNT_MAX: i64 = 9_007_199_254_740_991;

/// A webhook as it reached the edge.
pub struct Message<'a> {
    pub header: &'a dyn Fn(&str) -> Option<String>,
    pub body: &'a [u8],
}

/// Reads a gateway's webhooks. The edge uses it as a filter, and `confirm` once more: only what `confirm` has verified counts.
pub trait WebhookReader: Sync {
    /// The headers that its signature is made of, in lower case. None: it signs nothing.
    fn signed_headers(&self) -> &'static [&'static str];

    /// Whether the gateway sent it, at most five minutes from `now_s` (Unix seconds). Unsigned gateways return `true` here, so
    /// their messages must carry no payment details: they are only a hint to look the payment up.
    fn is_authentic(&self, secrets: &[String], message: &Message, now_s: u64) -> bool;

    /// Whether it signs its messages. Messages of one that does not are limited like any anonymous request.
    fn signs(&self) -> bool {
        !self.signed_headers().is_empty()
    }

    /// None: an event that is not about a payment of ours, today or in a later version of theirs.
    ///
    /// # Errors
    /// What is missing from an event that its type promises.
    fn read(&self, event: &Map<String, Value>) -> Result<Option<WebhookEvent>, String>;
}

/// What a webhook says: a reason to look the payment up. Only a signed `details` is a statement about money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The gateway's id; where a message does not know it, ours ([`EventKind::Deposit`]).
    pub payment_id: String,
    pub kind: EventKind,
    /// The whole payment. Only the shop's own service (`standard`) sends it: it signs the present state.
    pub details: Option<PaymentDetails>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Something about the payment has changed; which way, only the payment itself says.
    Changed,
    /// The gateway requests approval before it captures, and reads the status of our response. With the amount, where
    /// the message has it.
    CaptureApproval { amount: Option<i64> },
    /// A deposit into a virtual account changed. The message is unsigned and names the payment by our order id; the payment
    /// that is found must have the same secret.
    Deposit { secret: String },
    /// A settled payment changed: it was disputed, refunded or reversed. With what the message says of a dispute.
    Later { dispute: Option<DisputeHint> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentDetails {
    pub hold_ref: String,
    pub user_id: String,
    /// In the currency's minor unit.
    pub amount: i64,
    pub currency: String,
    /// Play money otherwise.
    pub live: bool,
}

/// What an authentic message says, as the edge filters it and as the function that believes it reads it again.
///
/// # Errors
/// What is missing from an event that its type promises, or is what no payment can have.
pub fn read_event(reader: &dyn WebhookReader, event: &Map<String, Value>) -> Result<Option<WebhookEvent>, String> {
    reader.read(event)?.map(bounded).transpose()
}

/// A hold we do not know is not refused here: at the shop's own service the payment must become a refund.
fn bounded(event: WebhookEvent) -> Result<WebhookEvent, String> {
    let short = |text: &str| text.chars().count() <= TEXT_MAX_CHARS;
    let id = &event.payment_id;
    let mut wrong = None;
    if id.is_empty() || !short(id) || id.chars().any(char::is_control) {
        wrong = Some("payment_id: 1 to 255 characters, none a control character");
    }
    if let Some(PaymentDetails { hold_ref, user_id, amount, currency, .. }) = &event.details {
        let text = |text: &str| short(text) && !text.contains('\0');
        if !text(hold_ref) {
            wrong = Some("hold_id: at most 255 characters");
        } else if !text(user_id) {
            wrong = Some("user_id: at most 255 characters");
        } else if !(0..=AMOUNT_MAX).contains(amount) {
            wrong = Some("amount: a whole number of minor units");
        } else if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            wrong = Some("currency: three capital letters");
        }
    }
    wrong.map_or(Ok(event), |wrong| Err(wrong.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment() -> PaymentDetails {
        let (hold_ref, user_id) = ("no uuid".to_owned(), "홍길동".to_owned());
        PaymentDetails { hold_ref, user_id, amount: 150_000, currency: "KRW".to_owned(), live: true }
    }

    fn is_possible(payment_id: &str, details: PaymentDetails) -> bool {
        bounded(WebhookEvent { payment_id: payment_id.to_owned(), kind: EventKind::Changed, details: Some(details) })
            .is_ok()
    }

    #[test]
    fn a_payment_for_a_hold_that_cannot_be_is_passed_on_to_become_a_refund() {
        assert!(is_possible("pay_1", payment()));
        assert!(is_possible("pay_1", PaymentDetails { hold_ref: String::new(), amount: 0, ..payment() }));
    }

    #[test]
    fn what_no_payment_can_be_is_malformed() {
        let long = || "a".repeat(256);
        for id in ["", "a\n", &long()] {
            assert!(!is_possible(id, payment()), "{id}");
        }
        for bad in [
            PaymentDetails { hold_ref: "a\0".to_owned(), ..payment() },
            PaymentDetails { hold_ref: long(), ..payment() },
            PaymentDetails { user_id: long(), ..payment() },
            PaymentDetails { amount: -1, ..payment() },
            PaymentDetails { amount: i64::MAX, ..payment() },
            PaymentDetails { currency: "krw".to_owned(), ..payment() },
            PaymentDetails { currency: "KRWW".to_owned(), ..payment() },
        ] {
            assert!(!is_possible("pay_1", bad.clone()), "{bad:?}");
        }
    }
}
