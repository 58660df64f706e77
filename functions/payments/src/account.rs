//! The bank account that a refund goes to where the money did not come from a card: a buyer's or an operator's to name. It
//! goes to the gateway, and is neither kept nor shown.

pub use protocol::refund::RefundAccount;

use serde_json::{Value, json};

/// In the words of each gateway that takes one.
pub(crate) fn written(gateway: &str, account: &RefundAccount) -> Option<(&'static str, Value)> {
    let RefundAccount { bank, number, holder } = account;
    match gateway {
        "toss" => Some(("refundReceiveAccount", json!({"bank": bank, "accountNumber": number, "holderName": holder}))),
        "portone" => Some(("refundAccount", json!({"bank": bank, "number": number, "holderName": holder}))),
        _ => None,
    }
}
