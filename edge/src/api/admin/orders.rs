//! An operator looks at an order, moves it on, cancels it, or takes it back.

use protocol::admin::{AdminOutcome, Command, FieldError};
use protocol::orders::{NextStatus, OrderChange, TRACKING_MAX_CHARS};
use protocol::payments::Cancellation;
use protocol::printable::is_printable;
use protocol::shop::OrderStatus;

use crate::api::admin;
use crate::api::admin::deliveries::{actor, reason_error};
use crate::gate::forget::forget;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{Problem, field_error};
use crate::http::{idempotency, if_match};

/// `GET /v1/admin/orders/{order_id}`.
pub async fn one(context: &RequestContext, order_id: String) -> HandlerResult {
    admin::run(context, Command::Order { order_id }).await
}

/// `POST /v1/admin/orders/{order_id}/cancel`.
pub async fn cancel(context: &mut RequestContext, order_id: String) -> HandlerResult {
    let Cancellation { reason } = context.json().await?;
    let by = actor(context, reason)?;
    let idem_key = idempotency::key(context.header("Idempotency-Key"))?;
    let outcome = admin::outcome(context, Command::CancelOrder { by, idem_key, order_id }).await?;
    answered(context, outcome).await
}

/// `PATCH /v1/admin/orders/{order_id}`.
pub async fn change(context: &mut RequestContext, order_id: String) -> HandlerResult {
    let change: OrderChange = context.json().await?;
    let version = if_match::version(context.header("If-Match"))?;
    let status = checked(&change).map_err(Problem::invalid)?;
    let OrderChange { tracking, restock, reason, .. } = change;
    let by = actor(context, reason)?;
    let version = if_match::required(version)?;
    let next = NextStatus { version, status, tracking, restock: restock.unwrap_or(true) };
    let outcome = admin::outcome(context, Command::ChangeOrder { by, order_id, next }).await?;
    answered(context, outcome).await
}

async fn answered(context: &RequestContext, outcome: AdminOutcome) -> HandlerResult {
    if let AdminOutcome::Order { order, replayed: false } = &outcome
        && matches!(order.status, OrderStatus::Cancelled | OrderStatus::Returned)
    {
        // Its stock is for sale again.
        forget(context, &order.sale_id).await;
    }
    admin::into_response(outcome)
}

/// The next status; whether the order may have it is for the database to say.
fn checked(change: &OrderChange) -> Result<OrderStatus, Vec<FieldError>> {
    let mut errors = Vec::new();
    let status = OrderStatus::named(&change.status);
    if status.is_none() {
        errors.push(field_error("/status", "Set it to PREPARING, SHIPPED, DELIVERED, CANCELLED or RETURNED."));
    }
    let is_sent = |status| matches!(status, OrderStatus::Shipped | OrderStatus::Delivered | OrderStatus::Returned);
    match change.tracking.as_deref() {
        Some(tracking) if !is_printable(tracking, TRACKING_MAX_CHARS) => {
            errors.push(field_error("/tracking", "Send 1 to 128 printable characters."));
        }
        Some(_) if status.is_some_and(|status| !is_sent(status)) => {
            errors.push(field_error("/tracking", "Send it with SHIPPED, or later."));
        }
        _ => {}
    }
    if change.restock.is_some() && status.is_some_and(|status| status != OrderStatus::Returned) {
        errors.push(field_error("/restock", "Send it with RETURNED only."));
    }
    errors.extend(reason_error(change.reason.as_deref()));
    status.filter(|_| errors.is_empty()).ok_or(errors)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn each_wrong_member_of_a_change_is_named() {
        let wrong = |change: Value| -> Vec<String> {
            let change = serde_json::from_value(change).expect("a change");
            checked(&change).err().into_iter().flatten().map(|error| error.pointer).collect()
        };
        let none: [&str; 0] = [];
        assert_eq!(wrong(json!({"status": "CONFIRMED"})), none, "which no order may become");
        assert_eq!(wrong(json!({"status": "SHIPPED", "tracking": "CJ 1234-5678", "reason": "송장 등록"})), none);
        assert_eq!(wrong(json!({"status": "DELIVERED", "tracking": "가".repeat(128)})), none);
        assert_eq!(wrong(json!({"status": "RETURNED", "restock": false, "tracking": null})), none);
        assert_eq!(wrong(json!({"status": "shipped"})), ["/status"]);
        assert_eq!(wrong(json!({"status": "SHIPPED", "tracking": ""})), ["/tracking"]);
        assert_eq!(wrong(json!({"status": "SHIPPED", "tracking": "a".repeat(129)})), ["/tracking"]);
        assert_eq!(wrong(json!({"status": "SHIPPED", "tracking": "a\u{202e}b"})), ["/tracking"]);
        assert_eq!(wrong(json!({"status": "PREPARING", "tracking": "CJ 1"})), ["/tracking"]);
        assert_eq!(wrong(json!({"status": "CANCELLED", "restock": true})), ["/restock"]);
        assert_eq!(wrong(json!({"status": "X", "tracking": "\n", "reason": ""})), ["/status", "/tracking", "/reason"]);
    }
}
