//! A request that only the Worker may make of `confirm`, for a signed-in buyer: to buy without a gateway, to have a
//! refund go to a bank account, or to have a payment captured with a token. It carries a proof by a secret that both
//! have (`CONFIRM_KEY`), because the key that may invoke `confirm` is not enough for it.

use serde::{Deserialize, Serialize};

use crate::confirm::BuyerPayment;
use crate::pay::PayRequest;
use crate::refund::RefundTo;

/// How old a proof may be, and how far ahead of the function's clock: 60 s.
pub const FRESH_FOR_MS: u64 = 60_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// A [`Personal`] as JSON text: the proof is of these bytes.
    pub proven: String,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// HMAC-SHA256 of [`signed_text`], in hexadecimal.
    pub mac: String,
}

/// A request of a buyer whom the Worker has authenticated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Personal {
    Pay(PayRequest),
    RefundTo(RefundTo),
    Payment(BuyerPayment),
}

/// What the proof is made of.
#[must_use]
pub fn signed_text(at_ms: u64, proven: &str) -> String {
    format!("{at_ms}.{proven}")
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_buyers_requests_are_distinguished_by_their_members() {
        let read = |request| from_value::<Personal>(request).ok();
        let payment =
            json!({"request_id": "r", "user_id": "ann", "gateway": "portone", "payment_id": "p", "token": "t"});
        assert!(matches!(read(payment.clone()), Some(Personal::Payment(_))));
        let hold = json!({"request_id": "r", "user_id": "ann", "hold_id": "h", "pay_with": "free"});
        assert!(matches!(read(hold), Some(Personal::Pay(_))));
        for member in ["user_id", "gateway", "payment_id", "token"] {
            let mut less = payment.clone();
            less.as_object_mut().map(|less| less.remove(member));
            assert_eq!(read(less), None, "{member}");
        }
    }
}
