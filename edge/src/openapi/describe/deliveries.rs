//! What the verbs of subscriptions and dead letters take and answer.

use serde_json::{Value, json};

use super::operation::Operation;
use super::parameters::{cursor, idempotency_key, idempotency_key_if_any, in_query, limit};
use super::schemas::{SLUG, Schemas, uuid};
use crate::http::problem::Code;
use crate::routes::route::Route;

const KEYED: [Code; 3] = [Code::IdempotencyKeyMissing, Code::IdempotencyKeyInvalid, Code::IdempotencyKeyReused];

pub fn subscription(route: &Route, new: impl Fn(&'static str) -> Operation, schemas: &mut Schemas) -> Operation {
    let one = schemas.answer::<protocol::operate::Subscription>();
    let shown = schemas.answer::<crate::api::admin::deliveries::Shown>();
    match route.name {
        "admin_subscribe" => new("Have an endpoint told; the only answer that shows its secret")
            .with([idempotency_key()])
            .reads(schemas.request::<protocol::operate::NewSubscription>())
            .answers(201, "It was made.", shown, &["Location", "Idempotent-Replayed"])
            .refuses(&[Code::InvalidRequest])
            .refuses(&KEYED),
        "admin_subscription" => new("A subscription").answers(200, "It.", one, &[]).refuses(&[Code::NotFound]),
        "admin_set_subscription" => new("Have one told, or not for a while")
            .reads(schemas.request::<protocol::operate::SubscriptionChange>())
            .answers(200, "It as it is now.", one, &[])
            .refuses(&[Code::NotFound, Code::InvalidRequest]),
        "admin_unsubscribe" => new("Have one told no more")
            .reads_if_any(schemas.request::<protocol::operate::Why>())
            .answers(200, "It as it is now.", one, &[])
            .refuses(&[Code::NotFound, Code::InvalidRequest]),
        "admin_rotate_secret" => new("Give one a new secret, good beside the old one for a while")
            .with([idempotency_key()])
            .reads_if_any(schemas.request::<protocol::operate::Rotation>())
            .answers(200, "It, with its new secret.", shown, &["Idempotent-Replayed"])
            .refuses(&[Code::NotFound, Code::InvalidRequest])
            .refuses(&KEYED),
        _ => {
            let all = json!({"type": "object", "required": ["subscriptions"],
                             "properties": {"subscriptions": {"type": "array", "items": one}}});
            new("Who is told").answers(200, "All of them.", all, &[])
        }
    }
    .asks()
}

pub fn dead_letter(route: &Route, new: impl Fn(&'static str) -> Operation, schemas: &mut Schemas) -> Operation {
    let keyed = &KEYED[1..];
    match route.name {
        "admin_replay_dead_letter" => new("Send one again")
            .with([idempotency_key_if_any()])
            .reads_if_any(schemas.request::<crate::api::admin::dead_letters::Again>())
            .answers(
                200,
                "How it stands; with an account, how far the refund is.",
                json!({"anyOf": [schemas.answer::<protocol::operate::Replayed>(), schemas.answer::<crate::api::payments::open::Tried>()]}),
                &["Idempotent-Replayed"],
            )
            .refuses(&[Code::NotFound, Code::InvalidRequest, Code::RequestInProgress])
            .refuses(keyed),
        "admin_dismiss_dead_letter" | "admin_settle_dead_letter" => new(if route.name == "admin_dismiss_dead_letter" {
            "Have nothing done about one"
        } else {
            "Say that one was paid back by hand"
        })
        .with([idempotency_key_if_any()])
        .reads(schemas.request::<protocol::operate::Because>())
        .answers(200, "How it stands.", schemas.answer::<protocol::operate::Replayed>(), &["Idempotent-Replayed"])
        .refuses(&[Code::NotFound, Code::InvalidRequest])
        .refuses(keyed),
        "admin_replay_dead_letters" => new("Send many again, by a filter")
            .with([idempotency_key_if_any()])
            .reads_if_any(schemas.request::<protocol::operate::Filter>())
            .answers(200, "How many.", schemas.answer::<protocol::operate::ReplayedMany>(), &["Idempotent-Replayed"])
            .refuses(&[Code::InvalidRequest])
            .refuses(keyed),
        _ => {
            let letter = schemas.answer::<protocol::operate::DeadLetter>();
            let page: Value = json!({"type": "object", "required": ["dead_letters"], "properties": {
                "dead_letters": {"type": "array", "items": letter}, "next": {"type": ["string", "null"]}}});
            new("What was given up")
                .with([
                    in_query("kind", false, json!({"enum": crate::api::admin::dead_letters::KINDS})),
                    in_query("event_type", false, event_types()),
                    in_query("subscription", false, uuid()),
                    in_query("sale_id", false, json!({"type": "string", "pattern": SLUG})),
                    cursor(),
                    limit(),
                ])
                .answers(200, "A page of them, and where the next begins.", page, &[])
                .refuses(&[Code::InvalidRequest])
        }
    }
    .asks()
}

/// The types of events there are.
pub fn event_types() -> Value {
    json!({"enum": protocol::event::EVENT_TYPES.map(|event| event.name)})
}

pub fn actions(operation: Operation, schemas: &mut Schemas) -> Operation {
    let action = schemas.answer::<protocol::operate::Action>();
    let page: Value = json!({"type": "object", "required": ["actions", "next"], "properties": {
        "actions": {"type": "array", "items": action}, "next": {"type": ["string", "null"]}}});
    operation
        .with([cursor(), limit()])
        .answers(200, "A page of them, and where the next begins.", page, &[])
        .refuses(&[Code::MalformedRequest, Code::InvalidRequest])
        .asks()
}

pub fn forget(operation: Operation, schemas: &mut Schemas) -> Operation {
    operation
        .reads_if_any(schemas.request::<protocol::operate::Why>())
        .answers(200, "How far it is; the rest goes by itself.", schemas.answer::<protocol::forget::Forgotten>(), &[])
        .refuses(&[Code::NotFound, Code::InvalidRequest])
        .asks()
}
