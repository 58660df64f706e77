//! The gateway of a shop's own: the body and the headers of `payment.paid` by docs/payments.md, and the requests by
//! which the shop looks up and refunds.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::books::{Payment, State as Taken};
use super::dialect::{Dialect, Event as Change};
use super::gateways::{Gateways, Refusal};
use super::keys::Begun;
use super::lists::{Parameters, moment, number, within};
use super::portone::IntoJson as _;
use super::sign::sign;
use super::{faults, payments};

/// The gateway's name in the books.
pub const NAME: &str = "standard";

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
pub fn event(payment: &Payment, change: Change) -> Option<Bytes> {
    let later = match change {
        Change::Captured => None,
        Change::ApprovalRequested | Change::Authorised | Change::Waiting | Change::DepositCallback => return None,
        Change::Refunded | Change::Reversed => Some("payment.refunded"),
        Change::RefundFailed => Some("payment.refund_failed"),
        Change::Disputed | Change::DisputeResolved => Some("payment.disputed"),
    };
    if let Some(name) = later {
        let event = json!({"type": name, "timestamp": payment.changed_at, "data": {"payment_id": payment.payment_id}});
        return Some(event.to_string().into());
    }
    let charge = &payment.charge;
    let data = Paid {
        payment_id: &payment.payment_id,
        hold_id: &charge.hold_id,
        user_id: &charge.user_id,
        amount: charge.amount,
        currency: &charge.currency,
    };
    let event = Event { r#type: "payment.paid", timestamp: payment.created_at.clone(), data };
    serde_json::to_vec(&event).ok().map(Bytes::from)
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

pub fn routes() -> Router<Gateways> {
    Router::new()
        .route("/v1/payments", get(list))
        .route("/v1/payments/{id}", get(show))
        .route("/v1/payments/{id}/refunds", post(refund))
}

fn error(status: u16, code: &str) -> (StatusCode, Value) {
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), json!({"code": code}))
}

fn authorised(gateways: &Gateways, headers: &HeaderMap) -> bool {
    headers
        .get("authorization")
        .is_some_and(|value| value == &format!("Bearer {}", gateways.account(Dialect::Standard)))
}

fn shown(payment: &Payment) -> Value {
    let status = match payment.state {
        _ if payment.reversed => "pending",
        Taken::Captured => "paid",
        Taken::Authorised | Taken::Waiting => "pending",
        Taken::Declined | Taken::Voided => "failed",
    };
    let dispute = payment.dispute.as_ref().map(|dispute| {
        let status = match dispute.won {
            None => "open",
            Some(true) => "won",
            Some(false) => "lost",
        };
        json!({"status": status, "amount": dispute.amount})
    });
    let of = &payment.charge;
    json!({"payment_id": payment.payment_id, "hold_id": of.hold_id, "user_id": of.user_id, "status": status,
           "amount": of.amount, "refunded_amount": payment.refunded, "refunding_amount": payment.pending(),
           "currency": of.currency, "live": payment.live, "dispute": dispute})
}

/// The payments of a hold; or every payment that changed within a time, a page at a time.
async fn list(State(gateways): State<Gateways>, Query(asked): Query<Parameters>, headers: HeaderMap) -> Response {
    if !authorised(&gateways, &headers) {
        return error(401, "unauthenticated").into_response_json();
    }
    let fault = gateways.faults.strike(NAME, if asked.contains_key("hold_id") { "ask" } else { "list" });
    if let Some(answer) = faults::before(fault).await {
        return answer;
    }
    let text = |name: &str| asked.get(name).map_or("", String::as_str);
    if let Some(hold_id) = asked.get("hold_id") {
        let found = gateways.books.payments(None, Some(hold_id), 100).into_iter();
        let payments: Vec<Value> =
            found.filter(|one| one.gateway == Dialect::Standard).map(|one| shown(&one)).collect();
        return faults::after(fault, (StatusCode::OK, json!({"payments": payments})).into_response_json());
    }
    let (from, until, limit) = (moment(text("from")), moment(text("until")), number(text("limit"), 100));
    let wanted = |one: &Payment| one.gateway == Dialect::Standard && within(&one.changed_at, from, until);
    let page = gateways.books.listed(wanted, text("cursor"), false, limit);
    let next = page.last().filter(|_| page.len() == limit).map(|last| last.payment_id.clone());
    let payments: Vec<Value> = page.iter().map(shown).collect();
    faults::after(fault, (StatusCode::OK, json!({"payments": payments, "next": next})).into_response_json())
}

async fn show(State(gateways): State<Gateways>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if !authorised(&gateways, &headers) {
        return error(401, "unauthenticated").into_response_json();
    }
    let fault = gateways.faults.strike(NAME, "ask");
    if let Some(answer) = faults::before(fault).await {
        return answer;
    }
    let answer =
        gateways.books.payment(&id).map_or(error(404, "not_found"), |payment| (StatusCode::OK, shown(&payment)));
    faults::after(fault, answer.into_response_json())
}

async fn refund(
    State(gateways): State<Gateways>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !authorised(&gateways, &headers) {
        return error(401, "unauthenticated").into_response_json();
    }
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        return error(400, "idempotency_key_missing").into_response_json();
    };
    let (key, asked) = (format!("standard {key}"), format!("{id} {body}"));
    match gateways.keys.begin(&key, &asked) {
        Begun::New => {}
        Begun::InFlight => return error(409, "request_in_progress").into_response_json(),
        Begun::Different => return error(422, "idempotency_key_reused").into_response_json(),
        Begun::Again(status, body) => return (status, body).into_response_json(),
    }
    payments::carried_out(&gateways, (NAME, "refund"), (&key, &asked), move |gateways| {
        let Some(found) = gateways.books.payment(&id) else { return error(404, "not_found") };
        if found.state == Taken::Captured && found.refunded == found.captured {
            return error(409, "already_refunded");
        }
        match gateways.refund(&id, body["amount"].as_i64().unwrap_or(0)) {
            Ok(refund) if refund.pending => {
                (StatusCode::ACCEPTED, json!({"refund_id": refund.id, "status": "pending"}))
            }
            Ok(refund) => (StatusCode::CREATED, json!({"refund_id": refund.id, "status": "succeeded"})),
            Err(Refusal::TooMuch) => error(422, "amount_too_large"),
            Err(_) => error(422, "not_paid"),
        }
    })
    .await
}
