//! The gateway's own HTTP API, for tests and tools: take a payment without a browser, and read the books.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::books::Charge;
use super::dialect::{Dialect, Event};
use super::faults;
use super::gateways::{Busy, Gateways, Manner, Plan};
use super::portone::IntoJson as _;

/// How many times one payment may be reported.
pub const TIMES_MAX: u32 = 1_000;
/// How late the first webhook may be: a day.
pub const DELAY_MAX_MS: u64 = 86_400_000;
const TEXT_MAX_CHARS: usize = 256;
const LIST_MAX: usize = 1_000;
const LIST_DEFAULT: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    hold_id: String,
    user_id: String,
    amount: i64,
    currency: String,
    #[serde(default)]
    gateway: Dialect,
    /// Set aside only, and taken on the shop's word.
    #[serde(default)]
    authorise: bool,
    /// The shop's approval is requested before the capture.
    #[serde(default)]
    asks: bool,
    #[serde(default = "yes")]
    live: bool,
    /// Another product's on the same account: nothing of it says what Holdfast would say.
    #[serde(default)]
    foreign: bool,
    /// The shop's own id of it, where the page was opened with one.
    #[serde(default)]
    reference: Option<String>,
    /// The buyer is given an account, and the money comes with the deposit.
    #[serde(default)]
    deposit: bool,
    #[serde(default)]
    webhooks: Webhooks,
}

fn yes() -> bool {
    true
}

/// How it is reported to the shop. Of `delay_ms` and `at` the later counts.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    delay_ms: u64,
    times: Option<u32>,
    fresh_ids: bool,
    spread_ms: u64,
    at: Option<String>,
    forged: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    hold_id: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

pub async fn create(State(gateways): State<Gateways>, order: Result<Json<Order>, JsonRejection>) -> Response {
    let Json(order) = match order {
        Ok(order) => order,
        Err(JsonRejection::JsonDataError(why)) => {
            return problem(StatusCode::BAD_REQUEST, "malformed_request", &why.body_text());
        }
        Err(why) => return problem(why.status(), "malformed_request", &why.body_text()),
    };
    let plan = match order.webhooks.plan() {
        Ok(plan) => plan,
        Err(detail) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail),
    };
    let Order { gateway, authorise, asks, live, foreign, deposit, reference, .. } = order;
    let Order { hold_id, user_id, amount, currency, .. } = order;
    let charge = Charge { hold_id, user_id, amount, currency };
    if let Err(detail) = check(&charge) {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail);
    }
    let manner = Manner { gateway, authorise, asks, live, foreign, deposit };
    match gateways.capture_as(&[charge], manner, &plan, None, reference.as_deref()) {
        Ok(payment_id) => {
            let made = gateways.books.payment(&payment_id);
            let (state, order_ref) = made.map(|payment| (payment.state, payment.order_ref)).unzip();
            let made = json!({"payment_id": payment_id, "state": state, "order_ref": order_ref});
            (StatusCode::CREATED, Json(made)).into_response()
        }
        Err(Busy) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "too many webhooks are unanswered"),
    }
}

pub async fn list(State(gateways): State<Gateways>, page: Result<Query<Page>, QueryRejection>) -> Response {
    let Query(page) = match page {
        Ok(page) => page,
        Err(rejection) => return problem(rejection.status(), "malformed_request", &rejection.body_text()),
    };
    let limit = page.limit.unwrap_or(LIST_DEFAULT).clamp(1, LIST_MAX);
    let payments = gateways.books.payments(page.after.as_deref(), page.hold_id.as_deref(), limit);
    // A full page may be the last one; then the next is empty. A short one surely is.
    let next = if payments.len() == limit { payments.last().map(|p| p.payment_id.clone()) } else { None };
    let (totals, open_deliveries) = gateways.books.totals();
    Json(json!({"payments": payments, "next": next, "totals": totals, "open_deliveries": open_deliveries}))
        .into_response()
}

pub async fn show(State(gateways): State<Gateways>, Path(payment_id): Path<String>) -> Response {
    match gateways.books.payment(&payment_id) {
        Some(payment) => Json(payment).into_response(),
        None => problem(StatusCode::NOT_FOUND, "not_found", "no such payment"),
    }
}

/// How a deposit is reported: `none`, `changed`, or by the gateway's own `callback`.
fn told(how: &str, event: Event) -> Option<Event> {
    match how {
        "none" => None,
        "callback" => Some(Event::DepositCallback),
        _ => Some(event),
    }
}

/// `POST /payments/{id}/deposit/{told}`: a deposit into the account.
pub async fn deposit(State(gateways): State<Gateways>, Path((id, how)): Path<(String, String)>) -> StatusCode {
    match gateways.deposit(&id, told(&how, Event::Captured)) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::CONFLICT,
    }
}

/// `POST /payments/{id}/reverse/{told}`: the deposit is reversed.
pub async fn reverse(State(gateways): State<Gateways>, Path((id, how)): Path<(String, String)>) -> StatusCode {
    match gateways.reverse(&id, told(&how, Event::Waiting)) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::CONFLICT,
    }
}

/// `POST /later/{on}`: from now on refunds are only taken on (`on`), or done at once (`off`).
pub async fn later(State(gateways): State<Gateways>, Path(on): Path<String>) -> StatusCode {
    gateways.later.store(on == "on", std::sync::atomic::Ordering::Relaxed);
    StatusCode::NO_CONTENT
}

/// `POST /payments/{id}/finish-refunds`: what was taken on is done.
pub async fn finish_refunds(State(gateways): State<Gateways>, Path(id): Path<String>) -> StatusCode {
    gateways.finish_refunds(&id, true);
    StatusCode::NO_CONTENT
}

/// `POST /payments/{id}/fail-refunds`: what was taken on is not done after all.
pub async fn fail_refunds(State(gateways): State<Gateways>, Path(id): Path<String>) -> StatusCode {
    gateways.finish_refunds(&id, false);
    StatusCode::NO_CONTENT
}

/// `POST /payments/{id}/lapse`: an authorization that was not captured in time.
pub async fn lapse(State(gateways): State<Gateways>, Path(id): Path<String>) -> StatusCode {
    match gateways.void(&id) {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::CONFLICT,
    }
}

/// Work under a key that has begun, with what a test has ordered to go wrong. The work itself is one step: it is done
/// and kept under its key before anything is answered.
pub async fn carried_out(
    gateways: &Gateways,
    (gateway, operation): (&str, &str),
    (key, asked): (&str, &str),
    work: impl FnOnce(&Gateways) -> (StatusCode, Value) + Send + 'static,
) -> Response {
    let fault = gateways.faults.strike(gateway, operation);
    if let Some(later @ (faults::Kind::Linger | faults::Kind::Held)) = fault {
        let (gateways, key, asked) = (gateways.clone(), key.to_owned(), asked.to_owned());
        tokio::spawn(async move {
            match later {
                faults::Kind::Held => gateways.faults.until_well_again().await,
                _ => gateways.keys.until_it_comes_again(&key).await,
            }
            let (status, body) = work(&gateways);
            gateways.keys.done(&key, &asked, status, &body);
        });
        return faults::cut();
    }
    // Where nothing is done the key was never used.
    if matches!(fault, Some(faults::Kind::Down | faults::Kind::Hang | faults::Kind::Garbled)) {
        gateways.keys.unused(key);
    }
    if let Some(answer) = faults::before(fault).await {
        return answer;
    }
    let (status, body) = if fault == Some(faults::Kind::Declined) { faults::declined() } else { work(gateways) };
    gateways.keys.done(key, asked, status, &body);
    faults::after(fault, (status, body).into_response_json())
}

/// What both ways in ask of a payment. The shop's own rules are not repeated here: a gateway takes money for whatever
/// it is told, and a test wants just that.
pub fn check(charge: &Charge) -> Result<(), &'static str> {
    let named = |text: &str| !text.is_empty() && text.chars().count() <= TEXT_MAX_CHARS;
    let is_currency = charge.currency.len() == 3 && charge.currency.bytes().all(|b| b.is_ascii_uppercase());
    match charge {
        c if !named(&c.hold_id) => Err("hold_id: 1 to 256 characters"),
        c if !named(&c.user_id) => Err("user_id: 1 to 256 characters"),
        c if c.amount < 1 => Err("amount: at least 1, in the currency's minor unit"),
        _ if !is_currency => Err("currency: three capital letters"),
        _ => Ok(()),
    }
}

impl Webhooks {
    pub fn plan(&self) -> Result<Plan, &'static str> {
        let times = self.times.unwrap_or(1);
        // 0: it is never reported.
        if times > TIMES_MAX {
            return Err("webhooks.times: 0 to 1000");
        }
        if self.delay_ms > DELAY_MAX_MS {
            return Err("webhooks.delay_ms: at most 86400000, a day");
        }
        let now = Timestamp::now();
        let at = match self.at.as_deref().map(str::parse) {
            None => now,
            Some(Ok(at)) => at,
            Some(Err(_)) => return Err("webhooks.at: a time as RFC 3339 writes it"),
        };
        let delayed = now + std::time::Duration::from_millis(self.delay_ms);
        if self.spread_ms > DELAY_MAX_MS {
            return Err("webhooks.spread_ms: at most 86400000, a day");
        }
        let Self { spread_ms, fresh_ids, forged, .. } = *self;
        Ok(Plan { spread_ms, not_before: at.max(delayed), times, fresh_ids, forged })
    }
}

pub fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body: Value =
        json!({"type": "about:blank", "title": title, "status": status.as_u16(), "code": code, "detail": detail});
    (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
