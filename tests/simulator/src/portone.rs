//! PortOne V2, played from its published API: thin webhooks by Standard Webhooks, the payment as a union by its status,
//! cancellations that compare what is left, quoted idempotency keys.

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use uuid::Uuid;

use super::books::{Payment, State as Taken};
use super::dialect::{Dialect, Event};
use super::gateways::{Gateways, Refusal};
use super::keys::Begun;
use super::lists::{Parameters, moment, within};
use super::{faults, payments};

pub const NAME: &str = "portone";

/// Some of PortOne's gateways take letters and digits only: the hold's id without hyphens, and two digits.
pub fn id(hold_id: &str) -> String {
    let bare = hold_id.replace('-', "");
    let (random, _) = Uuid::new_v4().as_u64_pair();
    format!("{bare}{:02}", random % 100)
}

pub fn event(payment: &Payment, event: Event) -> Option<Bytes> {
    let name = match event {
        Event::ApprovalRequested => "Transaction.Confirm",
        Event::Authorised => "Transaction.Ready",
        Event::Captured => "Transaction.Paid",
        Event::Waiting => "Transaction.VirtualAccountIssued",
        Event::DepositCallback => return None,
        Event::Refunded if payment.refunded < payment.captured => "Transaction.PartialCancelled",
        Event::Refunded => "Transaction.Cancelled",
        Event::Disputed => "Transaction.DisputeCreated",
        Event::DisputeResolved => "Transaction.DisputeResolved",
        // It does not report these.
        Event::RefundFailed | Event::Reversed => return None,
    };
    let mut data = json!({"storeId": "store-1", "paymentId": payment.payment_id, "transactionId": "tx-1"});
    if event == Event::ApprovalRequested {
        data["totalAmount"] = payment.charge.amount.into();
    }
    let opened = payment.dispute.as_ref().filter(|_| event == Event::Disputed).map(|dispute| &dispute.made_at);
    let at = opened.unwrap_or(&payment.created_at);
    Some(json!({"type": name, "timestamp": at, "data": data}).to_string().into())
}

pub fn routes() -> Router<Gateways> {
    Router::new()
        .route("/payments", get(changed))
        .route("/payments-by-cursor", get(created))
        .route("/payments/{id}", get(show))
        .route("/payments/{id}/confirm", post(confirm))
        .route("/payments/{id}/cancel", post(cancel))
}

fn error(status: u16, kind: &str) -> (StatusCode, Value) {
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), json!({"type": kind, "message": kind}))
}

fn authorised(gateways: &Gateways, headers: &HeaderMap) -> bool {
    headers
        .get("authorization")
        .is_some_and(|value| value == &format!("PortOne {}", gateways.account(Dialect::PortOne)))
}

fn payment(payment: &Payment) -> Value {
    let status = match payment.state {
        _ if payment.reversed => "VIRTUAL_ACCOUNT_ISSUED",
        Taken::Authorised => "READY",
        Taken::Waiting => "VIRTUAL_ACCOUNT_ISSUED",
        Taken::Declined | Taken::Voided => "FAILED",
        Taken::Captured if payment.refunded == 0 => "PAID",
        Taken::Captured if payment.refunded < payment.captured => "PARTIAL_CANCELLED",
        Taken::Captured => "CANCELLED",
    };
    let charge = &payment.charge;
    let cancellations: Vec<Value> = payment
        .refunds
        .iter()
        .map(|refund| {
            let status = match refund {
                refund if refund.pending => "REQUESTED",
                refund if refund.failed => "FAILED",
                _ => "SUCCEEDED",
            };
            json!({"status": status, "id": refund.id, "totalAmount": refund.amount, "reason": "r"})
        })
        .collect();
    let custom = json!({"hold_id": charge.hold_id, "user_id": charge.user_id}).to_string();
    json!({
        "status": status, "id": payment.payment_id, "transactionId": "tx-1", "storeId": "store-1", "merchantId": "m-1",
        "channel": {"type": if payment.live { "LIVE" } else { "TEST" }, "id": "channel-1"},
        "amount": {"total": charge.amount, "paid": payment.captured - payment.refunded, "cancelled": payment.refunded},
        "currency": charge.currency, "customData": (!payment.foreign).then_some(custom), "cancellations": cancellations,
        "method": {"type": if payment.deposit { "PaymentMethodVirtualAccount" } else { "PaymentMethodCard" }},
    })
}

async fn show(State(gateways): State<Gateways>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if !authorised(&gateways, &headers) {
        return error(401, "UNAUTHORIZED").into_response_json();
    }
    let fault = gateways.faults.strike(NAME, "ask");
    if let Some(answer) = faults::before(fault).await {
        return answer;
    }
    let answer =
        gateways.books.payment(&id).map_or(error(404, "PAYMENT_NOT_FOUND"), |found| (StatusCode::OK, payment(&found)));
    faults::after(fault, answer.into_response_json())
}

/// `requestBody`, which both lists have in their query.
fn asked(asked: &Parameters) -> Value {
    asked.get("requestBody").and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default()
}

/// All payments that were made within a time, after a cursor.
async fn created(State(gateways): State<Gateways>, Query(query): Query<Parameters>, headers: HeaderMap) -> Response {
    if !authorised(&gateways, &headers) {
        return error(401, "UNAUTHORIZED").into_response_json();
    }
    let fault = gateways.faults.strike(NAME, "list");
    if let Some(answer) = faults::before(fault).await {
        return answer;
    }
    let body = asked(&query);
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (from, until) = (moment(&text("from")), moment(&text("until")));
    let limit = body["size"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(10);
    let wanted = |one: &Payment| one.gateway == Dialect::PortOne && within(&one.created_at, from, until);
    let page = gateways.books.listed(wanted, &text("cursor"), false, limit);
    let items: Vec<Value> = page.iter().map(|one| json!({"payment": payment(one), "cursor": one.payment_id})).collect();
    faults::after(fault, (StatusCode::OK, json!({"items": items})).into_response_json())
}

/// Payments whose status changed within a time, by page numbers.
async fn changed(State(gateways): State<Gateways>, Query(query): Query<Parameters>, headers: HeaderMap) -> Response {
    if !authorised(&gateways, &headers) {
        return error(401, "UNAUTHORIZED").into_response_json();
    }
    let fault = gateways.faults.strike(NAME, "list");
    if let Some(answer) = faults::before(fault).await {
        return answer;
    }
    let body = asked(&query);
    let filter = &body["filter"];
    if filter["timestampType"] != "STATUS_CHANGED_AT" {
        return error(400, "INVALID_REQUEST").into_response_json();
    }
    let moment_of = |name: &str| moment(filter[name].as_str().unwrap_or_default());
    let (from, until) = (moment_of("from"), moment_of("until"));
    let page = |name: &str, usual: usize| {
        body["page"][name].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(usual)
    };
    let (number, size) = (page("number", 0), page("size", 10));
    let wanted = |one: &Payment| one.gateway == Dialect::PortOne && within(&one.changed_at, from, until);
    let all = gateways.books.listed(wanted, "", false, usize::MAX);
    let items: Vec<Value> = all.iter().skip(number * size).take(size).map(payment).collect();
    let page = json!({"number": number, "size": size, "totalCount": all.len()});
    faults::after(fault, (StatusCode::OK, json!({"items": items, "page": page})).into_response_json())
}

async fn confirm(
    State(gateways): State<Gateways>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let (of, asked) = (id.clone(), body.clone());
    run(&gateways, &headers, &of, "capture", &asked, move |gateways| {
        let Some(found) = gateways.books.payment(&id) else { return error(404, "PAYMENT_NOT_FOUND") };
        if body["paymentToken"] != format!("token-{id}") {
            return error(400, "INVALID_REQUEST");
        }
        if body["totalAmount"] != found.charge.amount || body["isTest"] != !found.live {
            return error(400, "INFORMATION_MISMATCH");
        }
        match gateways.capture_authorised(&id) {
            Ok(done) => (StatusCode::OK, json!({"payment": {"status": payment(&done)["status"], "pgTxId": "pg-1"}})),
            Err(Refusal::Already) => error(409, "ALREADY_PAID_OR_WAITING"),
            Err(_) => error(404, "PAYMENT_NOT_FOUND"),
        }
    })
    .await
}

async fn cancel(
    State(gateways): State<Gateways>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let (of, asked) = (id.clone(), body.clone());
    run(&gateways, &headers, &of, "refund", &asked, move |gateways| {
        if body["reason"].as_str().is_none_or(str::is_empty) {
            return error(400, "INVALID_REQUEST");
        }
        let Some(found) = gateways.books.payment(&id) else { return error(404, "PAYMENT_NOT_FOUND") };
        let left = found.captured - found.refunded - found.pending();
        if left == 0 {
            return error(409, "PAYMENT_ALREADY_CANCELLED");
        }
        // The guard is there to be used.
        if body["currentCancellableAmount"].as_i64().is_some_and(|said| said != left) {
            return error(409, "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN");
        }
        let account = body
            .get("refundAccount")
            .filter(|account| ::payments::BANKS.iter().any(|(name, _)| account["bank"] == *name));
        match gateways.refund_to(&id, body["amount"].as_i64().unwrap_or(left), account) {
            Ok(refund) => {
                let status = if refund.pending { "REQUESTED" } else { "SUCCEEDED" };
                let cancellation = json!({"status": status, "id": refund.id, "totalAmount": refund.amount});
                (StatusCode::OK, json!({"cancellation": cancellation}))
            }
            Err(Refusal::NoAccount) => error(400, "INVALID_REQUEST"),
            Err(Refusal::TooMuch) => error(409, "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT"),
            Err(_) => error(409, "PAYMENT_NOT_PAID"),
        }
    })
    .await
}

async fn run(
    gateways: &Gateways,
    headers: &HeaderMap,
    id: &str,
    operation: &str,
    asked: &Value,
    work: impl FnOnce(&Gateways) -> (StatusCode, Value) + Send + 'static,
) -> Response {
    if !authorised(gateways, headers) {
        return error(401, "UNAUTHORIZED").into_response_json();
    }
    // A structured field's string, 16 to 256 letters, digits, hyphens and underscores between its quotes.
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let bare = key.and_then(|key| key.strip_prefix('"')?.strip_suffix('"'));
    let plain = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let Some(bare) = bare.filter(|key| (16..=256).contains(&key.len()) && plain(key)) else {
        return error(400, "INVALID_REQUEST").into_response_json();
    };
    let (key, asked) = (format!("portone {operation} {bare}"), format!("{id} {asked}"));
    match gateways.keys.begin(&key, &asked) {
        Begun::New => {}
        Begun::InFlight => return error(409, "IDEMPOTENCY_OUTSTANDING_REQUEST").into_response_json(),
        // It must not be done, says PortOne, and not what comes of it.
        Begun::Different => return error(400, "IDEMPOTENCY_KEY_ALREADY_USED").into_response_json(),
        Begun::Again(status, body) => return (status, body).into_response_json(),
    }
    payments::carried_out(gateways, (NAME, operation), (&key, &asked), work).await
}

/// An answer of status and JSON.
pub trait IntoJson {
    fn into_response_json(self) -> Response;
}

impl IntoJson for (StatusCode, Value) {
    fn into_response_json(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}
