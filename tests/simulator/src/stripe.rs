//! Stripe, played from its published API: events signed with the whole secret, payment intents with manual capture,
//! refunds, keys whose parameters are compared.

use axum::body::Bytes;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form, Router};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;

use super::books::{Payment, Refund, State as Taken};
use super::dialect::{Dialect, Event};
use super::gateways::{Gateways, Refusal};
use super::keys::Begun;
use super::lists::{Parameters, moment, number};
use super::portone::IntoJson as _;
use super::{faults, payments};

pub const NAME: &str = "stripe";

pub fn event(payment: &Payment, event: Event) -> Option<Bytes> {
    let (name, object) = match event {
        Event::ApprovalRequested | Event::Waiting | Event::DepositCallback => return None,
        Event::Authorised => ("payment_intent.amount_capturable_updated", intent(payment, json!("ch_1"))),
        Event::Captured => ("payment_intent.succeeded", intent(payment, json!("ch_1"))),
        Event::Refunded => ("charge.refunded", charge(payment)),
        Event::RefundFailed => {
            let failed = payment.refunds.iter().rev().find(|refund| refund.failed)?;
            ("refund.failed", refund_of(payment, failed))
        }
        Event::Disputed => ("charge.dispute.created", dispute(payment)?),
        Event::DisputeResolved => ("charge.dispute.closed", dispute(payment)?),
        // There are no deposits here.
        Event::Reversed => return None,
    };
    let id = format!("evt_{}", uuid::Uuid::now_v7().simple());
    let body = json!({"id": id, "object": "event", "type": name, "livemode": payment.live, "data": {"object": object}});
    Some(body.to_string().into())
}

pub fn headers(secret: &str, now: Timestamp, body: &[u8]) -> Vec<(&'static str, String)> {
    let signature = format!("t={},v1={},v0={}", now.as_second(), sign(secret, now.as_second(), body), "00".repeat(32));
    vec![("content-type", "application/json; charset=utf-8".to_owned()), ("stripe-signature", signature)]
}

fn sign(secret: &str, timestamp: i64, body: &[u8]) -> String {
    #[expect(clippy::expect_used, reason = "HMAC is defined for keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

pub fn routes() -> Router<Gateways> {
    Router::new()
        .route("/v1/payment_intents/search", get(search))
        .route("/v1/payment_intents", get(intents))
        .route("/v1/disputes", get(disputes))
        .route("/v1/payment_intents/{id}", get(show))
        .route("/v1/payment_intents/{id}/capture", post(capture))
        .route("/v1/payment_intents/{id}/cancel", post(cancel))
        .route("/v1/refunds", get(refunds).post(refund))
}

fn error(status: u16, code: &str) -> (StatusCode, Value) {
    let body = json!({"error": {"type": "invalid_request_error", "code": code, "message": code}});
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), body)
}

fn authorised(gateways: &Gateways, headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == &format!("Bearer {}", gateways.account(Dialect::Stripe)))
}

/// What Stripe calls so much money. It counts two currencies that have no cents in hundredths all the same, and one that
/// has them without.
fn theirs(amount: i64, currency: &str) -> i64 {
    match currency {
        "ISK" | "UGX" => amount * 100,
        "MGA" => amount / 100,
        _ => amount,
    }
}

fn ours(amount: i64, currency: &str) -> i64 {
    match currency {
        "ISK" | "UGX" => amount / 100,
        "MGA" => amount * 100,
        _ => amount,
    }
}

fn charge(payment: &Payment) -> Value {
    let of = |amount: i64| theirs(amount, &payment.charge.currency);
    // A refund counts from when it is made.
    let refunded = payment.refunded + payment.pending();
    json!({"id": "ch_1", "object": "charge", "payment_intent": payment.payment_id, "amount": of(payment.charge.amount),
           "amount_captured": of(payment.captured), "amount_refunded": of(refunded), "livemode": payment.live,
           "disputed": payment.dispute.is_some()})
}

/// With the list that is there when it is asked for.
fn charge_with_refunds(payment: &Payment) -> Value {
    let all = payment.refunds.iter().rev().map(|refund| shown(refund, &payment.charge.currency));
    let mut charge = charge(payment);
    charge["refunds"] = json!({"object": "list", "data": all.collect::<Vec<_>>(), "has_more": false});
    charge
}

fn shown(refund: &Refund, currency: &str) -> Value {
    let status = match refund {
        refund if refund.pending => "pending",
        refund if refund.failed => "failed",
        _ => "succeeded",
    };
    json!({"id": refund.id, "object": "refund", "amount": theirs(refund.amount, currency), "status": status})
}

fn refund_of(payment: &Payment, refund: &Refund) -> Value {
    let mut shown = shown(refund, &payment.charge.currency);
    shown["payment_intent"] = json!(payment.payment_id);
    shown["created"] = json!(moment(&refund.made_at).as_second());
    shown
}

fn dispute(payment: &Payment) -> Option<Value> {
    let dispute = payment.dispute.as_ref()?;
    let status = match dispute.won {
        None => "needs_response",
        Some(true) => "won",
        Some(false) => "lost",
    };
    Some(json!({"id": dispute.id, "object": "dispute", "amount": theirs(dispute.amount, &payment.charge.currency),
        "currency": payment.charge.currency.to_lowercase(), "payment_intent": payment.payment_id, "status": status,
        "created": moment(&dispute.made_at).as_second()}))
}

/// A list's page: newest first, after the object of an id.
async fn list(
    gateways: Gateways,
    asked: Parameters,
    headers: HeaderMap,
    objects: impl Fn(&Payment) -> Vec<Value>,
) -> Response {
    if !authorised(&gateways, &headers) {
        return error(401, "api_key_invalid").into_response_json();
    }
    let fault = gateways.faults.strike(NAME, "list");
    if let Some(answer) = faults::before(fault).await {
        return answer;
    }
    let text = |name: &str| asked.get(name).map_or("", String::as_str);
    let second = |name: &str| text(name).parse::<i64>().ok();
    let (from, until, of) = (second("created[gte]"), second("created[lt]"), text("payment_intent"));
    let (after, limit) = (text("starting_after"), number(text("limit"), 10));
    let wanted = |one: &Payment| one.gateway == Dialect::Stripe && (of.is_empty() || one.payment_id == of);
    let is_within = |object: &Value| {
        let created = object["created"].as_i64().unwrap_or_default();
        from.is_none_or(|from| created >= from) && until.is_none_or(|until| created < until)
    };
    let all = gateways.books.listed(wanted, "", true, usize::MAX);
    let all = all.iter().flat_map(objects).filter(is_within);
    let mut rest =
        all.skip_while(|object| !after.is_empty() && object["id"] != after).skip(usize::from(!after.is_empty()));
    let data: Vec<Value> = rest.by_ref().take(limit).collect();
    let body = json!({"object": "list", "data": data, "has_more": rest.next().is_some()});
    faults::after(fault, (StatusCode::OK, body).into_response_json())
}

async fn intents(State(gateways): State<Gateways>, Query(asked): Query<Parameters>, headers: HeaderMap) -> Response {
    let whole = asked.get("expand[]").is_some_and(|expand| expand == "data.latest_charge.refunds");
    list(gateways, asked, headers, move |one| {
        let mut object = intent(one, if whole { charge_with_refunds(one) } else { json!("ch_1") });
        object["created"] = json!(moment(&one.created_at).as_second());
        vec![object]
    })
    .await
}

async fn refunds(State(gateways): State<Gateways>, Query(asked): Query<Parameters>, headers: HeaderMap) -> Response {
    list(gateways, asked, headers, |one| one.refunds.iter().rev().map(|refund| refund_of(one, refund)).collect()).await
}

async fn disputes(State(gateways): State<Gateways>, Query(asked): Query<Parameters>, headers: HeaderMap) -> Response {
    list(gateways, asked, headers, |one| dispute(one).into_iter().collect()).await
}

fn intent(payment: &Payment, latest_charge: Value) -> Value {
    let status = match payment.state {
        Taken::Authorised => "requires_capture",
        Taken::Captured => "succeeded",
        Taken::Waiting => "processing",
        Taken::Declined => "requires_payment_method",
        Taken::Voided => "canceled",
    };
    let of = &payment.charge;
    let amount = theirs(of.amount, &of.currency);
    let ours = json!({"hold_id": of.hold_id, "user_id": of.user_id});
    json!({
        "id": payment.payment_id, "object": "payment_intent", "status": status, "amount": amount,
        "amount_capturable": if payment.state == Taken::Authorised { amount } else { 0 },
        "amount_received": theirs(payment.captured, &of.currency), "currency": of.currency.to_lowercase(),
        "livemode": payment.live, "metadata": if payment.foreign { json!({}) } else { ours },
        "latest_charge": latest_charge,
    })
}

async fn show(
    State(gateways): State<Gateways>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if !authorised(&gateways, &headers) {
        return error(401, "api_key_invalid").into_response_json();
    }
    let fault = gateways.faults.strike(NAME, "ask");
    if let Some(answer) = faults::before(fault).await {
        return answer;
    }
    let query = query.unwrap_or_default().replace("%5B", "[").replace("%5D", "]");
    let shown = |found: Payment| {
        let charge = match query.split('&').find_map(|pair| pair.strip_prefix("expand[]=")) {
            Some("latest_charge.refunds") => charge_with_refunds(&found),
            Some("latest_charge") => charge(&found),
            _ => json!("ch_1"),
        };
        (StatusCode::OK, intent(&found, charge))
    };
    let answer = gateways.books.payment(&id).map_or(error(404, "resource_missing"), shown);
    faults::after(fault, answer.into_response_json())
}

#[derive(serde::Deserialize)]
struct Search {
    query: String,
}

/// Of its language the one question that Holdfast asks: `metadata['hold_id']:'…'`.
async fn search(State(gateways): State<Gateways>, Query(search): Query<Search>, headers: HeaderMap) -> Response {
    if !authorised(&gateways, &headers) {
        return error(401, "api_key_invalid").into_response_json();
    }
    let fault = gateways.faults.strike(NAME, "ask");
    if let Some(answer) = faults::before(fault).await {
        return answer;
    }
    let asked = search.query.strip_prefix("metadata['hold_id']:'").and_then(|rest| rest.strip_suffix('\''));
    let Some(hold_id) = asked else { return error(400, "invalid_query").into_response_json() };
    let found = gateways.books.payments(None, Some(hold_id), 100).into_iter();
    let found = found.filter(|payment| payment.gateway == Dialect::Stripe && !payment.foreign);
    let data: Vec<Value> = found.map(|payment| intent(&payment, charge_with_refunds(&payment))).collect();
    faults::after(fault, (StatusCode::OK, json!({"object": "search_result", "data": data})).into_response_json())
}

type Fields = BTreeMap<String, String>;

async fn capture(
    State(gateways): State<Gateways>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Fields>,
) -> Response {
    let asked = format!("capture {id} {form:?}");
    run(&gateways, &headers, "capture", asked, move |gateways| {
        let Some(found) = gateways.books.payment(&id) else { return error(404, "resource_missing") };
        let all = theirs(found.charge.amount, &found.charge.currency);
        // A part could be captured, too; the shop never does that.
        if form.get("amount_to_capture").is_some_and(|amount| amount != &all.to_string()) {
            return error(400, "amount_too_large");
        }
        match gateways.capture_authorised(&id) {
            Ok(payment) => (StatusCode::OK, intent(&payment, json!("ch_1"))),
            Err(_) => error(400, "payment_intent_unexpected_state"),
        }
    })
    .await
}

async fn cancel(
    State(gateways): State<Gateways>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Fields>,
) -> Response {
    let asked = format!("cancel {id} {form:?}");
    run(&gateways, &headers, "void", asked, move |gateways| match gateways.void(&id) {
        Ok(payment) => (StatusCode::OK, intent(&payment, json!("ch_1"))),
        Err(_) => error(400, "payment_intent_unexpected_state"),
    })
    .await
}

async fn refund(State(gateways): State<Gateways>, headers: HeaderMap, Form(form): Form<Fields>) -> Response {
    let asked = format!("refund {form:?}");
    run(&gateways, &headers, "refund", asked, move |gateways| {
        let id = form.get("payment_intent").map(String::as_str).unwrap_or_default();
        let Some(found) = gateways.books.payment(id) else { return error(404, "resource_missing") };
        let currency = &found.charge.currency;
        let left = found.captured - found.refunded - found.pending();
        if found.state == Taken::Captured && left == 0 {
            return error(400, "charge_already_refunded");
        }
        let amount = form.get("amount").and_then(|amount| amount.parse().ok()).map(|amount| ours(amount, currency));
        match gateways.refund(id, amount.unwrap_or(left)) {
            Ok(refund) => (StatusCode::OK, shown(&refund, currency)),
            Err(Refusal::TooMuch) => error(400, "amount_too_large"),
            Err(_) => error(400, "payment_intent_unexpected_state"),
        }
    })
    .await
}

async fn run(
    gateways: &Gateways,
    headers: &HeaderMap,
    operation: &str,
    asked: String,
    work: impl FnOnce(&Gateways) -> (StatusCode, Value) + Send + 'static,
) -> Response {
    if !authorised(gateways, headers) {
        return error(401, "api_key_invalid").into_response_json();
    }
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    if key.is_empty() || key.len() > 255 {
        return error(400, "idempotency_key_invalid").into_response_json();
    }
    let key = format!("stripe {key}");
    match gateways.keys.begin(&key, &asked) {
        Begun::New => {}
        Begun::InFlight => return error(409, "idempotency_key_in_use").into_response_json(),
        Begun::Different => {
            let body = json!({"error": {"type": "idempotency_error", "message": "other parameters"}});
            return (StatusCode::BAD_REQUEST, body).into_response_json();
        }
        Begun::Again(status, body) => return (status, body).into_response_json(),
    }
    payments::carried_out(gateways, (NAME, operation), (&key, &asked), work).await
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn the_signature_is_that_of_a_computed_vector() {
        let hex = sign("whsec_test_secret", 1_492_774_577, br#"{"id":"evt_test_webhook","object":"event"}"#);
        assert_eq!(hex, "88a022085c6bdb887b02cb26ff76dd681234d9675c0f22844059f55552a8883a");
    }
}
