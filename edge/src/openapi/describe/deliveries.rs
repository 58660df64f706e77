//! Requests and responses of the routes of subscriptions and dead letters.

use serde_json::{Value, json};

use super::operation::Operation;
use super::parameters::{cursor, idempotency_key, idempotency_key_if_any, in_query, limit};
use super::schemas::{SLUG, Schemas, uuid};
use crate::http::problem::Code;
use crate::routes::route::Route;

const KEYED: [Code; 3] = [Code::IdempotencyKeyMissing, Code::IdempotencyKeyInvalid, Code::IdempotencyKeyReused];

pub fn subscription(route: &Route, new: impl Fn(&'static str) -> Operation, schemas: &mut Schemas) -> Operation {
    let one = schemas.answer::<protocol::deliveries::Subscription>();
    let shown = schemas.answer::<crate::api::admin::deliveries::Shown>();
    match route.name {
        "admin_subscribe" => new("Create a subscription; only this response shows its secret")
            .with([idempotency_key()])
            .reads(schemas.request::<protocol::deliveries::NewSubscription>())
            .answers(201, "The new subscription, with its secret.", shown, &["Location", "Idempotent-Replayed"])
            .refuses(&[Code::InvalidRequest])
            .refuses(&KEYED),
        "admin_subscription" => {
            new("Get a subscription").answers(200, "The subscription.", one, &[]).refuses(&[Code::NotFound])
        }
        "admin_set_subscription" => new("Enable or disable a subscription")
            .reads(schemas.request::<protocol::deliveries::SubscriptionChange>())
            .answers(200, "The subscription after the change.", one, &[])
            .refuses(&[Code::NotFound, Code::InvalidRequest]),
        "admin_unsubscribe" => new("Delete a subscription")
            .reads_if_any(schemas.request::<protocol::deliveries::Why>())
            .answers(200, "The subscription after the change.", one, &[])
            .refuses(&[Code::NotFound, Code::InvalidRequest]),
        "admin_rotate_secret" => new("Rotate a subscription's secret; the old one stays valid for `overlap_s`")
            .with([idempotency_key()])
            .reads_if_any(schemas.request::<protocol::deliveries::Rotation>())
            .answers(200, "The subscription, with its new secret.", shown, &["Idempotent-Replayed"])
            .refuses(&[Code::NotFound, Code::InvalidRequest])
            .refuses(&KEYED),
        _ => {
            let page = json!({"type": "object", "required": ["subscriptions", "next"], "properties": {
                "subscriptions": {"type": "array", "items": one}, "next": {"type": ["string", "null"]}}});
            new("List subscriptions, newest first")
                .with([cursor(), limit()])
                .answers(200, "A page, and the cursor of the next one.", page, &[])
                .refuses(&[Code::MalformedRequest, Code::InvalidRequest])
        }
    }
    .asks()
}

pub fn dead_letter(route: &Route, new: impl Fn(&'static str) -> Operation, schemas: &mut Schemas) -> Operation {
    let keyed = &KEYED[1..];
    match route.name {
        "admin_replay_dead_letter" => new("Replay a dead letter")
            .with([idempotency_key_if_any()])
            .reads_if_any(schemas.request::<crate::api::admin::dead_letters::Again>())
            .answers(
                200,
                "The dead letter's status; with `refund_account`, the refund's status.",
                json!({"anyOf": [schemas.answer::<protocol::deliveries::Replayed>(), schemas.answer::<crate::api::payments::open::Tried>()]}),
                &["Idempotent-Replayed"],
            )
            .refuses(&[Code::NotFound, Code::InvalidRequest, Code::RequestInProgress])
            .refuses(keyed),
        "admin_dismiss_dead_letter" | "admin_settle_dead_letter" => new(if route.name == "admin_dismiss_dead_letter" {
            "Dismiss a dead letter: nothing is to be done"
        } else {
            "Settle a dead letter: the payment was refunded by hand"
        })
        .with([idempotency_key_if_any()])
        .reads(schemas.request::<protocol::deliveries::Because>())
        .answers(200, "The dead letter's status.", schemas.answer::<protocol::deliveries::Replayed>(), &["Idempotent-Replayed"])
        .refuses(&[Code::NotFound, Code::InvalidRequest])
        .refuses(keyed),
        "admin_replay_dead_letters" => new("Replay the dead letters that match a filter")
            .with([idempotency_key_if_any()])
            .reads_if_any(schemas.request::<protocol::deliveries::Filter>())
            .answers(200, "The number of dead letters that were replayed.", schemas.answer::<protocol::deliveries::ReplayedMany>(), &["Idempotent-Replayed"])
            .refuses(&[Code::InvalidRequest])
            .refuses(keyed),
        _ => {
            let letter = schemas.answer::<protocol::deliveries::DeadLetter>();
            let page: Value = json!({"type": "object", "required": ["dead_letters"], "properties": {
                "dead_letters": {"type": "array", "items": letter}, "next": {"type": ["string", "null"]}}});
            new("List dead letters")
                .with([
                    in_query("kind", false, json!({"enum": crate::api::admin::dead_letters::KINDS})),
                    in_query("event_type", false, event_types()),
                    in_query("subscription", false, uuid()),
                    in_query("sale_id", false, json!({"type": "string", "pattern": SLUG})),
                    cursor(),
                    limit(),
                ])
                .answers(200, "A page, and the cursor of the next one.", page, &[])
                .refuses(&[Code::InvalidRequest])
        }
    }
    .asks()
}

/// The event types.
pub fn event_types() -> Value {
    json!({"enum": protocol::event::EVENT_TYPES.map(|event| event.name)})
}

pub fn actions(operation: Operation, schemas: &mut Schemas) -> Operation {
    let action = schemas.answer::<protocol::deliveries::Action>();
    let page: Value = json!({"type": "object", "required": ["actions", "next"], "properties": {
        "actions": {"type": "array", "items": action}, "next": {"type": ["string", "null"]}}});
    operation
        .with([cursor(), limit()])
        .answers(200, "A page, and the cursor of the next one.", page, &[])
        .refuses(&[Code::MalformedRequest, Code::InvalidRequest])
        .asks()
}

pub fn forget(operation: Operation, schemas: &mut Schemas) -> Operation {
    operation
        .reads_if_any(schemas.request::<protocol::deliveries::Why>())
        .answers(
            200,
            "What was pseudonymised, and what waits; the rest follows without another request.",
            schemas.answer::<protocol::forget::Forgotten>(),
            &[],
        )
        .refuses(&[Code::NotFound, Code::InvalidRequest])
        .asks()
}
