//! Requests and responses of the gateways' routes, and of the operator's routes about payments.

use payments::{Gateway, Member, ReturnPage, ReturnQuery};
use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::parameters::{cursor, idempotency_key, if_match, in_query, limit, of_webhook};
use super::schemas::Schemas;
use crate::http::problem::Code;
use crate::routes::WEBHOOK;
use crate::routes::route::Route;

/// A route that a gateway needs.
pub fn of_gateway(route: &Route, gateway: &Gateway, schemas: &mut Schemas) -> Operation {
    let title = gateway.title;
    let new = |summary: String| Operation::new(route, summary);
    match (route.name == WEBHOOK, gateway.return_page, gateway.details) {
        (true, _, Some(paid)) => {
            webhook_with_details(new("Receive a gateway's webhook: a payment was captured".into()), paid, schemas)
        }
        (true, _, None) => webhook(new(format!("Receive {title}'s webhook: a payment changed")), gateway, schemas),
        (false, ReturnPage::Redirect(query), _) => {
            comeback(new(format!("Return from {title}'s payment window")), query)
        }
        (false, ReturnPage::Token, _) => {
            token(new(format!("Confirm a {title} payment with the token of its SDK")), schemas)
        }
        (false, ReturnPage::None, _) => panic!("{title} has no return page"),
    }
}

/// A webhook in the gateway's own form and signed by its own rules; only the members below are required.
fn webhook(operation: Operation, gateway: &Gateway, schemas: &mut Schemas) -> Operation {
    let forms: Vec<Value> = gateway.messages.iter().map(|members| message(members)).collect();
    let body = if let [only] = forms.as_slice() { only.clone() } else { json!({"anyOf": forms}) };
    let outcome = schemas.answer::<protocol::confirm::ConfirmOutcome>();
    operation
        .reads(body)
        .answers(200, "The payment's outcome; or `ignored`: it does not concern this shop.", outcome, &[])
        .refuses(&[Code::NotFound, Code::HoldNotActive])
        .asks()
}

fn message(members: &[Member]) -> Value {
    let member = |member: &Member| match *member {
        Member::Text(name) => (name, json!({"type": "string"})),
        Member::Filled(name) => (name, json!({"type": "string", "minLength": 1})),
        Member::Line(name) => (name, line(payments::TEXT_MAX_CHARS)),
    };
    let members: Vec<_> = members.iter().map(member).collect();
    let required: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> = members.into_iter().map(|(name, form)| (name.to_owned(), form)).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// Without a control character.
fn line(max_chars: usize) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": max_chars, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"})
}

fn comeback(operation: Operation, query: ReturnQuery) -> Operation {
    let key = json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,200}$"});
    let amount = json!({"type": "string", "pattern": "^[0-9]{1,16}(?:\\.[0-9]{1,16})?$"});
    operation
        .with([
            in_query(query.payment_id, true, key),
            in_query(query.order_ref, true, line(payments::TEXT_MAX_CHARS)),
            in_query(query.amount, true, amount),
        ])
        .sends_on(303, "Redirects to the page of the hold or the order.")
        .refuses(&[Code::NotFound, Code::MalformedRequest])
        .asks()
}

fn token(operation: Operation, schemas: &mut Schemas) -> Operation {
    let outcome = schemas.answer::<protocol::confirm::ConfirmOutcome>();
    operation
        .reads(schemas.request::<crate::api::payments::returns::ToConfirm>())
        .answers(200, "The payment's outcome.", outcome, &[])
        .refuses(&[Code::InvalidRequest, Code::NotFound, Code::HoldNotActive])
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

pub fn change_order(operation: Operation, schemas: &mut Schemas) -> Operation {
    operation
        .with([if_match()])
        .reads(schemas.request::<protocol::orders::OrderChange>())
        .answers(200, "The order after the change.", schemas.answer::<protocol::shop::Order>(), &["ETag"])
        .refuses(&[Code::NotFound, Code::InvalidRequest, Code::TransitionNotAllowed])
        .refuses(&[Code::PreconditionRequired, Code::PreconditionFailed])
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
        .refuses(&[Code::NotFound, Code::InvalidRequest, Code::TransitionNotAllowed])
        .refuses(&[Code::IdempotencyKeyMissing, Code::IdempotencyKeyInvalid, Code::IdempotencyKeyReused])
        .asks()
}

// The data of Holdfast's own message, as `payments::standard` reads it.
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

fn webhook_with_details(operation: Operation, paid: &str, schemas: &mut Schemas) -> Operation {
    let data = schemas.request::<Data>();
    let text = json!({"type": "string"});
    let body = json!({"type": "object", "required": ["type"], "properties": {"type": text}, "anyOf": [
        {"properties": {"type": {"const": paid}, "data": data}, "required": ["data"]},
        {"properties": {"type": {"not": {"const": paid}}}},
    ]});
    let outcome = schemas.answer::<protocol::confirm::ConfirmOutcome>();
    operation
        .with(of_webhook())
        .reads(body)
        .answers(200, "The payment's outcome; or `ignored`: another event type.", outcome, &[])
        .asks()
}
