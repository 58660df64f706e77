//! Toss Payments, played from its published API: unsigned webhooks with the whole payment, confirm within ten minutes,
//! idempotency keys that are one with the address and whose bodies are not compared.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::books::{Payment, State as Taken};
use super::dialect::{Dialect, Event};
use super::gateways::{Gateways, Refusal};
use super::keys::Begun;
use super::lists::{Parameters, number, seoul, within};
use super::portone::IntoJson as _;
use super::{faults, payments};

pub const NAME: &str = "toss";

pub fn event(payment: &Payment, event: Event) -> Option<Bytes> {
    if event == Event::DepositCallback {
        let status = shown(payment)["status"].clone();
        let body = json!({"createdAt": "2026-01-15T05:00:00.000000", "secret": secret(payment), "status": status,
            "transactionKey": "9FF15E1A29D0E77C218F57262BFA4986", "orderId": payment.order_ref});
        return Some(body.to_string().into());
    }
    let name = match event {
        // Nor of disputes.
        Event::ApprovalRequested | Event::Disputed | Event::DisputeResolved | Event::DepositCallback => return None,
        Event::RefundFailed => "CANCEL_STATUS_CHANGED",
        Event::Authorised | Event::Captured | Event::Refunded | Event::Reversed | Event::Waiting => {
            "PAYMENT_STATUS_CHANGED"
        }
    };
    // No zone: that is how Toss writes it.
    let created_at = payment.created_at.trim_end_matches('Z');
    Some(json!({"eventType": name, "createdAt": created_at, "data": shown(payment)}).to_string().into())
}

pub fn headers() -> Vec<(&'static str, String)> {
    vec![("content-type", "application/json".to_owned())]
}

pub fn routes() -> Router<Gateways> {
    Router::new()
        .route("/v1/transactions", get(transactions))
        .route("/v1/payments/confirm", post(confirm))
        .route("/v1/payments/orders/{order}", get(of_order))
        .route("/v1/payments/{key}", get(show))
        .route("/v1/payments/{key}/cancel", post(cancel))
}

fn error(status: u16, code: &str) -> (StatusCode, Value) {
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), json!({"code": code, "message": code}))
}

fn authorised(gateways: &Gateways, headers: &HeaderMap) -> bool {
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:", gateways.account(Dialect::Toss))));
    headers.get("authorization").is_some_and(|value| value == &basic)
}

/// Only the shop gets it, in the payment; a message about its deposit must know it.
fn secret(payment: &Payment) -> Option<String> {
    payment.deposit.then(|| format!("ps_{}", payment.payment_id))
}

/// As Toss writes it: won are whole, dollars have cents.
fn theirs(amount: i64, currency: &str) -> Value {
    if currency == "USD" { json!(amount as f64 / 100.0) } else { json!(amount) }
}

fn ours(amount: &Value, currency: &str) -> Option<i64> {
    if currency == "USD" { amount.as_f64().map(|dollars| (dollars * 100.0).round() as i64) } else { amount.as_i64() }
}

fn shown(payment: &Payment) -> Value {
    let status = match payment.state {
        _ if payment.reversed => "WAITING_FOR_DEPOSIT",
        Taken::Authorised => "IN_PROGRESS",
        Taken::Waiting => "WAITING_FOR_DEPOSIT",
        Taken::Declined => "ABORTED",
        Taken::Voided => "EXPIRED",
        Taken::Captured if payment.refunded == 0 => "DONE",
        Taken::Captured if payment.refunded < payment.captured => "PARTIAL_CANCELED",
        Taken::Captured => "CANCELED",
    };
    let charge = &payment.charge;
    let cancels: Vec<Value> = payment
        .refunds
        .iter()
        .map(|refund| {
            let status = if refund.failed { "ABORTED" } else { "DONE" };
            json!({"cancelAmount": theirs(refund.amount, &charge.currency), "cancelStatus": status, "transactionKey": refund.id})
        })
        .collect();
    json!({
        "paymentKey": payment.payment_id, "orderId": payment.order_ref, "status": status, "totalAmount": theirs(charge.amount, &charge.currency),
        "balanceAmount": theirs(charge.amount - payment.refunded, &charge.currency), "currency": charge.currency, "method": "카드",
        "metadata": metadata(payment), "cancels": cancels, "secret": secret(payment),
        "virtualAccount": payment.deposit.then(|| json!({"accountNumber": "X1", "refundReceiveAccount": null})),
    })
}

/// What the shop's page gave with the payment. An order id of our form names the hold already; a shop's own id does not.
fn metadata(payment: &Payment) -> Value {
    let Payment { charge, order_ref, .. } = payment;
    if payment.foreign {
        return Value::Null;
    }
    let user_id = &charge.user_id;
    match ::payments::hold_id(order_ref) {
        Some(_) => json!({"user_id": user_id}),
        None => json!({"user_id": user_id, "hold_id": charge.hold_id}),
    }
}

/// A live key sees no test payment.
fn visible(gateways: &Gateways, key: &str) -> Option<Payment> {
    gateways.books.payment(key).filter(|payment| payment.live)
}

async fn show(State(gateways): State<Gateways>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    if !authorised(&gateways, &headers) {
        return error(401, "UNAUTHORIZED_KEY").into_response_json();
    }
    // What is no key at all is no question, and says nothing of how Toss is.
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte)) {
        return error(400, "INVALID_REQUEST").into_response_json();
    }
    let fault = gateways.faults.strike(NAME, "ask");
    if let Some(answer) = faults::before(fault).await {
        return answer;
    }
    let answer =
        visible(&gateways, &key).map_or(error(404, "NOT_FOUND_PAYMENT"), |found| (StatusCode::OK, shown(&found)));
    faults::after(fault, answer.into_response_json())
}

async fn of_order(state: State<Gateways>, Path(order): Path<String>, headers: HeaderMap) -> Response {
    let key = state.books.of_order(&order).map_or_else(|| "none".to_owned(), |payment| payment.payment_id);
    show(state, Path(key), headers).await
}

/// What a payment is in the list of transactions: its taking, and each cancellation, each at its own time.
fn transactions_of(payment: &Payment) -> Vec<(String, Value)> {
    let (charge, key) = (&payment.charge, &payment.payment_id);
    let one = |transaction: String, at: &str, amount: i64, status: &str| {
        let line = json!({"mId": "m", "transactionKey": transaction, "paymentKey": key, "orderId": payment.order_ref,
            "currency": charge.currency, "method": method(payment), "amount": amount, "status": status, "transactionAt": at});
        (at.to_owned(), line)
    };
    let taken = one(format!("tx_{key}"), &payment.created_at, charge.amount, "DONE");
    let cancels = payment.refunds.iter().filter(|refund| !refund.failed).map(|refund| {
        let status = if refund.amount == payment.captured { "CANCELED" } else { "PARTIAL_CANCELED" };
        one(format!("tx_{key}_{}", refund.id), &refund.made_at, refund.amount, status)
    });
    [taken].into_iter().chain(cancels).collect()
}

fn method(payment: &Payment) -> &'static str {
    if payment.deposit || payment.reversed { "가상계좌" } else { "카드" }
}

async fn transactions(
    State(gateways): State<Gateways>,
    Query(asked): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    if !authorised(&gateways, &headers) {
        return error(401, "UNAUTHORIZED_KEY").into_response_json();
    }
    let fault = gateways.faults.strike(NAME, "list");
    if let Some(answer) = faults::before(fault).await {
        return answer;
    }
    let text = |name: &str| asked.get(name).map_or("", String::as_str);
    // Its clock is Seoul's.
    let (from, until) = (seoul(text("startDate")), seoul(text("endDate")));
    let (after, limit) = (text("startingAfter"), number(text("limit"), 100));
    let wanted = |one: &Payment| one.gateway == Dialect::Toss && one.live && one.captured > 0 || one.reversed;
    let all = gateways.books.listed(|one| one.gateway == Dialect::Toss && wanted(one), "", false, usize::MAX);
    let all = all.iter().flat_map(transactions_of).filter(|(at, _)| within(at, from, until)).map(|(_, line)| line);
    let of_page = all.skip_while(|line| !after.is_empty() && line["transactionKey"] != after);
    let page: Vec<Value> = of_page.skip(usize::from(!after.is_empty())).take(limit).collect();
    faults::after(fault, (StatusCode::OK, Value::from(page)).into_response_json())
}

async fn confirm(State(gateways): State<Gateways>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    run(&gateways, &headers, "confirm", "capture", move |gateways| {
        let key = body["paymentKey"].as_str().unwrap_or_default();
        let Some(found) = visible(gateways, key) else { return error(404, "NOT_FOUND_PAYMENT_SESSION") };
        if body["orderId"] != found.order_ref
            || ours(&body["amount"], &found.charge.currency) != Some(found.charge.amount)
        {
            return error(400, "INVALID_REQUEST");
        }
        match gateways.capture_authorised(key) {
            Ok(payment) => (StatusCode::OK, shown(&payment)),
            Err(Refusal::Already) => error(400, "ALREADY_PROCESSED_PAYMENT"),
            Err(_) => error(403, "REJECT_CARD_PAYMENT"),
        }
    })
    .await
}

async fn cancel(
    State(gateways): State<Gateways>,
    Path(key): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    run(&gateways, &headers, &key.clone(), "refund", move |gateways| {
        if body["cancelReason"].as_str().is_none_or(str::is_empty) {
            return error(400, "INVALID_REQUEST");
        }
        let Some(found) = visible(gateways, &key) else { return error(404, "NOT_FOUND_PAYMENT") };
        let left = found.captured - found.refunded;
        if found.state == Taken::Captured && left == 0 {
            return error(400, "ALREADY_CANCELED_PAYMENT");
        }
        let account = body.get("refundReceiveAccount");
        let account = account.filter(|account| ::payments::BANKS.iter().any(|(_, code)| account["bank"] == *code));
        match gateways.refund_to(&key, ours(&body["cancelAmount"], &found.charge.currency).unwrap_or(left), account) {
            Ok(_) => {
                visible(gateways, &key).map_or(error(404, "NOT_FOUND_PAYMENT"), |found| (StatusCode::OK, shown(&found)))
            }
            Err(Refusal::NoAccount) => error(400, "INVALID_REFUND_ACCOUNT_INFO"),
            Err(Refusal::TooMuch) => error(403, "NOT_CANCELABLE_AMOUNT"),
            Err(_) => error(403, "NOT_CANCELABLE_PAYMENT"),
        }
    })
    .await
}

async fn run(
    gateways: &Gateways,
    headers: &HeaderMap,
    address: &str,
    operation: &str,
    work: impl FnOnce(&Gateways) -> (StatusCode, Value) + Send + 'static,
) -> Response {
    if !authorised(gateways, headers) {
        return error(401, "UNAUTHORIZED_KEY").into_response_json();
    }
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    if key.is_empty() || key.len() > 300 {
        return error(400, "INVALID_IDEMPOTENCY_KEY").into_response_json();
    }
    // The key and the address; not the body: a key that is used twice gets the first one's response.
    let (key, asked) = (format!("toss {address} {key}"), String::new());
    match gateways.keys.begin(&key, &asked) {
        Begun::New => {}
        Begun::InFlight | Begun::Different => return error(409, "IDEMPOTENT_REQUEST_PROCESSING").into_response_json(),
        Begun::Again(status, body) => return (status, body).into_response_json(),
    }
    payments::carried_out(gateways, (NAME, operation), (&key, &asked), work).await
}
