//! The gateway's own console, played by a test: what people do there after a payment was made, and how that is reported
//! to the shop. With `{"webhooks": {"times": 0}}` it is not.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::books::{Dispute, Payment, State as Taken};
use super::dialect::Event;
use super::gateways::{Gateways, Refusal, written};
use super::payments::{Webhooks, problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// None: all that is left.
    amount: Option<i64>,
    /// It is only taken on.
    #[serde(default)]
    later: bool,
    /// How a dispute ends.
    won: Option<bool>,
    #[serde(default)]
    webhooks: Webhooks,
}

fn left(payment: &Payment) -> i64 {
    payment.captured - payment.refunded - payment.pending()
}

/// `POST /payments/{id}/refund-by-hand`: a manual refund.
pub async fn refund(State(gateways): State<Gateways>, Path(id): Path<String>, Json(order): Json<Order>) -> Response {
    let plan = match order.webhooks.plan() {
        Ok(plan) => plan,
        Err(detail) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail),
    };
    let amount = order.amount.or_else(|| gateways.books.payment(&id).map(|payment| left(&payment))).unwrap_or_default();
    match gateways.refund_by_hand(&id, amount, order.later, &plan) {
        Ok(refund) => (StatusCode::CREATED, Json(refund)).into_response(),
        Err(why) => refused(&why),
    }
}

/// `POST /payments/{id}/fail-a-refund`: the newest refund that was done is not done after all.
pub async fn fail_refund(
    State(gateways): State<Gateways>,
    Path(id): Path<String>,
    Json(order): Json<Order>,
) -> Response {
    run(&gateways, &id, &order, Event::RefundFailed, |payment| {
        let done = payment.refunds.iter_mut().rev().find(|refund| !refund.pending && !refund.failed);
        let refund = done.ok_or(Refusal::NotPaid)?;
        refund.failed = true;
        payment.refunded -= refund.amount;
        Ok(())
    })
}

/// `POST /payments/{id}/dispute`: the buyer's bank wants the money, or a part of it, back.
pub async fn dispute(State(gateways): State<Gateways>, Path(id): Path<String>, Json(order): Json<Order>) -> Response {
    run(&gateways, &id, &order, Event::Disputed, |payment| {
        if payment.state != Taken::Captured {
            return Err(Refusal::NotPaid);
        }
        let amount = order.amount.unwrap_or(left(payment));
        let (id, made_at) = (format!("dp_{}", Uuid::now_v7().simple()), written(Timestamp::now()));
        payment.dispute = Some(Dispute { id, amount, won: None, made_at });
        Ok(())
    })
}

/// `POST /payments/{id}/resolve-dispute`: the bank has decided.
pub async fn resolve(State(gateways): State<Gateways>, Path(id): Path<String>, Json(order): Json<Order>) -> Response {
    run(&gateways, &id, &order, Event::DisputeResolved, |payment| {
        let dispute = payment.dispute.as_mut().ok_or(Refusal::NotFound)?;
        dispute.won = Some(order.won.unwrap_or(true));
        Ok(())
    })
}

/// `POST /payments/{id}/reverse`: the bank takes a deposit back.
pub async fn reverse(State(gateways): State<Gateways>, Path(id): Path<String>, Json(order): Json<Order>) -> Response {
    run(&gateways, &id, &order, Event::Reversed, |payment| {
        if payment.state != Taken::Captured || payment.reversed {
            return Err(Refusal::NotPaid);
        }
        payment.reversed = true;
        payment.captured = 0;
        Ok(())
    })
}

fn run(
    gateways: &Gateways,
    id: &str,
    order: &Order,
    event: Event,
    change: impl FnOnce(&mut Payment) -> Result<(), Refusal>,
) -> Response {
    let plan = match order.webhooks.plan() {
        Ok(plan) => plan,
        Err(detail) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail),
    };
    let changed = gateways.books.change(id, |payment| change(payment).map(|()| payment.clone()));
    match changed.unwrap_or(Err(Refusal::NotFound)) {
        Ok(payment) => {
            gateways.tell(&payment, event, &plan);
            (StatusCode::CREATED, Json(payment)).into_response()
        }
        Err(why) => refused(&why),
    }
}

fn refused(why: &Refusal) -> Response {
    match why {
        Refusal::NotFound => problem(StatusCode::NOT_FOUND, "not_found", "no such payment"),
        why => problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", &format!("{why:?}")),
    }
}
