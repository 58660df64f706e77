//! What receivers are sent: the description's `webhooks` and docs/events.md, both made from the one list of event types.

use protocol::event::{EVENT_TYPES, EventType};
use serde_json::{Map, Value, json};

pub fn webhooks() -> Map<String, Value> {
    EVENT_TYPES.iter().map(|event| (event.name.to_owned(), json!({"post": webhook(event)}))).collect()
}

fn webhook(event: &EventType) -> Value {
    let body = body(event);
    json!({"operationId": format!("event_{}", event.name), "summary": event.when, "parameters": super::parameters::of_webhook(),
           "requestBody": {"required": true, "content": {"application/json": {
               "schema": {"type": "object", "required": ["type", "timestamp", "data"], "properties": {
                   "type": {"const": event.name}, "timestamp": {"type": "string", "format": "date-time"},
                   "data": schema(&body["data"])}},
               "example": body}}},
           "responses": {"2XX": {"description": "Accepted. Every other status is retried, except 410, which disables the subscription."}}})
}

fn body(event: &EventType) -> Value {
    let data: Value = serde_json::from_str(event.example).unwrap_or_else(|error| panic!("{}: {error}", event.name));
    json!({"type": event.name, "timestamp": "2026-01-15T05:00:00.000Z", "data": data})
}

/// Of what looks like this: what is null here may be anything.
fn schema(example: &Value) -> Value {
    match example {
        Value::Null => json!({}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(_) => json!({"type": "integer"}),
        // An id or a name may be missing: the user of a payment that names no hold of ours, for example.
        Value::String(_) => json!({"type": ["string", "null"]}),
        Value::Array(all) => json!({"type": "array", "items": all.first().map_or_else(|| json!({}), schema)}),
        Value::Object(members) => {
            let properties: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), schema(value))).collect();
            json!({"type": "object", "properties": properties})
        }
    }
}

fn document() -> String {
    let mut text = String::from(
        "# Events\n\n<!-- Made from functions/protocol/src/event.rs by `HOLDFAST_WRITE_OPENAPI=1 cargo test -p edge openapi`. -->\n\n\
         An event is a row of the outbox, written in the transaction that causes it. It is sent at least once to every\n\
         subscription for its type (`POST /v1/admin/subscriptions`). A message is `{\"type\",\"timestamp\",\"data\"}`, signed by\n\
         [Standard Webhooks](https://www.standardwebhooks.com); `webhook-id` is the event's id: ignore an id that you have\n\
         processed. The events of one hold come in the order in which the database wrote them. A delivery that was given up\n\
         is a dead letter, which an operator replays.\n\n\
         A subscription that an operator disables misses nothing: its events wait for as long as sent events are kept\n\
         (`EVENTS_KEEP_H`, 168 hours), and are sent when it is enabled again. One whose receiver answered 410 is disabled,\n\
         and its events become dead letters: replay them after it is enabled. Members may be added to `data`.\n\n\
         | type | sent when |\n|---|---|\n",
    );
    for event in &EVENT_TYPES {
        text += &format!("| [`{}`](#{}) | {} |\n", event.name, event.name.to_lowercase(), event.when);
    }
    for event in &EVENT_TYPES {
        text += &format!("\n## {}\n\n{}\n\n```json\n{}\n```\n", event.name, event.when, event.example);
    }
    text
}

#[test]
fn the_document_of_events_is_what_the_list_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events.md");
    let text = document();
    if std::env::var_os("HOLDFAST_WRITE_OPENAPI").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == text, "if this is meant, write it down: HOLDFAST_WRITE_OPENAPI=1 cargo test -p edge openapi");
}

#[test]
fn every_type_has_a_name_of_its_own_and_an_example_that_is_an_object() {
    let mut names: Vec<&str> = EVENT_TYPES.iter().map(|event| event.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), EVENT_TYPES.len());
    assert!(EVENT_TYPES.iter().all(|event| body(event)["data"].is_object()));
}
