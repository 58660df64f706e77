//! Requests and responses of the gateways' routes, and of the operator's routes about payments.

use serde_json::{Value, json};

use super::operation::Operation;
use super::parameters::{cursor, idempotency_key, in_query, limit, of_webhook};
use super::schemas::Schemas;
use crate::http::problem::Code;

/// A webhook in the gateway's own form and signed by its own rules; only the members below are required.
pub fn of_another_gateway(operation: Operation, gateway: &str, schemas: &mut Schemas) -> Operation {
    let text = || json!({"type": "string"});
    let named = |kind: &str| json!({"type": "object", "required": [kind], "properties": {kind: text()}});
    let body = if gateway == "toss" {
        // A deposit, which has no `eventType`.
        let some = || json!({"type": "string", "minLength": 1});
        let deposit = json!({"type": "object", "required": ["orderId", "secret", "status"],
            "properties": {"orderId": line(payments::TEXT_MAX_CHARS), "secret": some(), "status": some()}});
        json!({"anyOf": [named("eventType"), deposit]})
    } else {
        named("type")
    };
    let outcome = schemas.answer::<protocol::confirm::ConfirmOutcome>();
    operation
        .reads(body)
        .answers(200, "The payment's outcome; or `ignored`: it does not concern this shop.", outcome, &[])
        .refuses(&[Code::NotFound, Code::HoldNotActive])
        .asks()
}

/// Without a control character.
fn line(max_chars: usize) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": max_chars, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"})
}

pub fn toss_return(operation: Operation) -> Operation {
    let key = json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,200}$"});
    let amount = json!({"type": "string", "pattern": "^[0-9]{1,16}(?:\\.[0-9]{1,16})?$"});
    operation
        .with([
            in_query("paymentKey", true, key),
            in_query("orderId", true, line(payments::TEXT_MAX_CHARS)),
            in_query("amount", true, amount),
        ])
        .sends_on(303, "Redirects to the page of the hold or the order.")
        .refuses(&[Code::NotFound, Code::MalformedRequest])
        .asks()
}

pub fn portone_confirm(operation: Operation, schemas: &mut Schemas) -> Operation {
    let outcome = schemas.answer::<protocol::confirm::ConfirmOutcome>();
    operation
        .reads(schemas.request::<crate::api::payments::returns::ToConfirm>())
        .answers(200, "The payment's outcome.", outcome, &[])
        .refuses(&[Code::NotFound, Code::HoldNotActive])
        .asks()
}

pub fn open_payment(operation: Operation, schemas: &mut Schemas) -> Operation {
    operation
        .reads(schemas.request::<crate::api::payments::open::ToOpen>())
        .answers(
            200,
            "What the payment page is opened with.",
            schemas.answer::<crate::api::payments::open::Opened>(),
            &[],
        )
        .refuses(&[Code::NotFound, Code::InvalidRequest, Code::HoldNotActive])
        .asks()
}

pub fn refund_account(operation: Operation, schemas: &mut Schemas) -> Operation {
    operation
        .reads(schemas.request::<protocol::refund::RefundAccount>())
        .answers(200, "The refund's status.", schemas.answer::<crate::api::payments::open::Tried>(), &[])
        .refuses(&[Code::NotFound, Code::InvalidRequest, Code::RequestInProgress])
        .asks()
}

pub fn payments(operation: Operation, schemas: &mut Schemas) -> Operation {
    let row = schemas.answer::<protocol::payments::PaymentRow>();
    let page: Value = json!({"type": "object", "required": ["payments"], "properties": {
        "payments": {"type": "array", "items": row}, "next": {}}});
    operation
        .with([in_query("state", false, json!({"enum": protocol::payments::PAYMENT_STATES})), cursor(), limit()])
        .answers(200, "A page, and the cursor of the next one.", page, &[])
        .refuses(&[Code::InvalidRequest])
        .asks()
}

pub fn cancel(operation: Operation, schemas: &mut Schemas) -> Operation {
    operation
        .with([idempotency_key()])
        .reads(schemas.request::<protocol::payments::Cancellation>())
        .answers(
            200,
            "The order after the change.",
            schemas.answer::<protocol::shop::Order>(),
            &["ETag", "Idempotent-Replayed"],
        )
        .refuses(&[Code::NotFound, Code::InvalidRequest])
        .refuses(&[Code::IdempotencyKeyMissing, Code::IdempotencyKeyInvalid, Code::IdempotencyKeyReused])
        .asks()
}

/// Holdfast's own message, as `payments::standard` reads it.
const PAID: &str = "payment.paid";

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Data {
    payment_id: String,
    hold_id: String,
    user_id: String,
    #[serde(deserialize_with = "protocol::whole::number")]
    amount: i64,
    currency: String,
    /// `false`: a payment in the gateway's test mode, which buys nothing.
    #[serde(default = "yes")]
    live: bool,
}

fn yes() -> bool {
    true
}

pub fn of_standard(operation: Operation, schemas: &mut Schemas) -> Operation {
    let data = schemas.request::<Data>();
    let text = json!({"type": "string"});
    let body = json!({"type": "object", "required": ["type"], "properties": {"type": text}, "anyOf": [
        {"properties": {"type": {"const": PAID}, "data": data}, "required": ["data"]},
        {"properties": {"type": {"not": {"const": PAID}}}},
    ]});
    let outcome = schemas.answer::<protocol::confirm::ConfirmOutcome>();
    operation
        .with(of_webhook())
        .reads(body)
        .answers(200, "The payment's outcome; or `ignored`: another event type.", outcome, &[])
        .asks()
}
