//! What this gateway says and where: the body and the headers of `payment.paid` as API.md defines them. Another gateway
//! (PortOne, Toss, Stripe) is another file with these same few items.

use axum::body::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use super::books::Payment;
use super::sign::sign;

/// The gateway's name in the books.
pub const NAME: &str = "standard";
/// Where the shop listens for this gateway, after `edge_url`.
pub const PATH: &str = "/v1/webhooks/standard";

#[derive(Serialize)]
struct Event<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Paid<'a>,
}

#[derive(Serialize)]
struct Paid<'a> {
    payment_id: &'a str,
    hold_id: &'a str,
    user_id: &'a str,
    amount: i64,
    currency: &'a str,
}

/// The body is made once and sent byte for byte the same at every attempt; its `timestamp` is the capture's.
pub fn paid(payment: &Payment) -> anyhow::Result<Bytes> {
    let charge = &payment.charge;
    let data = Paid {
        payment_id: &payment.payment_id,
        hold_id: &charge.hold_id,
        user_id: &charge.user_id,
        amount: charge.amount,
        currency: &charge.currency,
    };
    let event = Event { r#type: "payment.paid", timestamp: payment.created_at.clone(), data };
    Ok(Bytes::from(serde_json::to_vec(&event)?))
}

/// The headers of one attempt. The id stays over retries, so that the shop can drop a repeat; the timestamp is now, or
/// the shop would refuse a late retry as too old.
pub fn headers(secret: &str, webhook_id: &str, now: Timestamp, body: &[u8]) -> [(&'static str, String); 4] {
    let timestamp = now.as_second();
    [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", webhook_id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", sign(secret, webhook_id, timestamp, body)),
    ]
}
