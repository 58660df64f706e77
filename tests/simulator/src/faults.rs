//! What goes wrong at a gateway, as a test orders it: answers that never come, connections cut after the work is done,
//! a gateway that is down, one that is slow.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::gateways::Gateways;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The work is done and the connection is cut before the answer.
    Cut,
    /// 503, and nothing is done.
    Down,
    /// No answer, ever; nothing is done.
    Hang,
    /// The work begins a second later: the key is in flight meanwhile.
    Slow,
    /// The connection is cut at once, and the work is done when its key comes again: it is in flight until then.
    Linger,
    /// The connection is cut at once, and the work is done when all is well again.
    Held,
    /// 429: it is asked too often, and says for how long not to.
    Busy,
    /// 403: it has the payment, and does not show it.
    Forbidden,
    /// 200, with an unreadable body.
    Garbled,
    /// The bank says no: that is kept under the key, and nothing is taken.
    Declined,
}

/// Every `every`th call of an operation (`ask`, `capture`, `refund`) goes wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    gateway: String,
    operation: String,
    every: u64,
    kind: Kind,
    #[serde(skip)]
    calls: u64,
}

#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Rule>>>);

impl Faults {
    pub fn strike(&self, gateway: &str, operation: &str) -> Option<Kind> {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut struck = None;
        for rule in rules.iter_mut().filter(|rule| rule.gateway == gateway && rule.operation == operation) {
            rule.calls += 1;
            if rule.calls.is_multiple_of(rule.every.max(1)) {
                struck = struck.or(Some(rule.kind));
            }
        }
        struck
    }
}

impl Faults {
    /// Once no fault is ordered any more.
    pub async fn until_well_again(&self) {
        while !self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Before the work: an answer instead of it, or nothing.
pub async fn before(fault: Option<Kind>) -> Option<Response> {
    match fault {
        Some(Kind::Down) => Some(StatusCode::SERVICE_UNAVAILABLE.into_response()),
        Some(Kind::Busy) => Some((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3")], "busy").into_response()),
        Some(Kind::Forbidden) => Some((StatusCode::FORBIDDEN, Json(json!({"code": "FORBIDDEN"}))).into_response()),
        Some(Kind::Garbled) => Some((StatusCode::OK, Json(json!({"status": "WHO_KNOWS"}))).into_response()),
        Some(Kind::Hang) => std::future::pending().await,
        Some(Kind::Slow) => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            None
        }
        Some(Kind::Cut | Kind::Linger | Kind::Held | Kind::Declined) | None => None,
    }
}

/// After the work: the answer, or a connection that breaks in the middle of it.
pub fn after(fault: Option<Kind>, answer: Response) -> Response {
    if fault == Some(Kind::Cut) { cut() } else { answer }
}

/// A decline of the bank, in the format of each gateway that captures on request.
pub fn declined() -> (StatusCode, Value) {
    let body = json!({"code": "REJECT_CARD_PAYMENT", "type": "PG_PROVIDER", "error": {"code": "card_declined"}});
    (StatusCode::FORBIDDEN, body)
}

pub fn cut() -> Response {
    let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
    (StatusCode::OK, Body::from_stream(broken)).into_response()
}

/// `POST /faults`.
pub async fn order(State(gateways): State<Gateways>, Json(rule): Json<Rule>) -> StatusCode {
    gateways.faults.0.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    StatusCode::NO_CONTENT
}

/// `DELETE /faults`: all is well again.
pub async fn clear(State(gateways): State<Gateways>) -> StatusCode {
    gateways.faults.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    StatusCode::NO_CONTENT
}
