//! What comes with a request beside its body: parts of the path, the query, headers.

use serde_json::{Value, json};

use super::schemas::{SLUG, uuid};
use crate::runtime::limits;

pub fn of_path(path: &str) -> Vec<Value> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| in_path(name)).collect()
}

fn in_path(name: &str) -> Value {
    let schema = match name {
        "sale_id" | "sku_id" => json!({"type": "string", "pattern": SLUG}),
        "user_id" => {
            json!({"type": "string", "minLength": 1, "maxLength": limits::USER_ID_MAX_CHARS, "pattern": "^[ -.0-~]+$"})
        }
        "name" => json!({"type": "string", "minLength": 1}),
        "dead_letter_id" => {
            json!({"type": "string", "minLength": 1, "maxLength": limits::DEAD_LETTER_ID_MAX_CHARS, "pattern": "^[A-Za-z0-9][A-Za-z0-9.-]*$"})
        }
        "hold_id" | "order_id" | "subscription_id" => uuid(),
        other => panic!("openapi/describe/parameters.rs: the form of {other}, which stands in a path"),
    };
    json!({"name": name, "in": "path", "required": true, "schema": schema})
}

pub fn hold_id_in_query() -> Value {
    json!({"name": "hold_id", "in": "query", "description": "Returns the order of this paid hold instead of a list. Cannot be combined with other parameters.",
           "schema": uuid()})
}

pub fn sale_id_in_query() -> Value {
    in_query("sale_id", false, json!({"type": "string", "pattern": SLUG}))
}

/// Visible ASCII characters, bare or as a structured field's string.
pub fn idempotency_key() -> Value {
    let most = limits::IDEMPOTENCY_KEY_MAX_CHARS;
    let bare = format!("[!#-~][!-~]{{0,{}}}", most - 1);
    let quoted = format!(r#""(?:[!#-\[\]-~]|\\["\\]){{1,{most}}}""#);
    json!({"name": "Idempotency-Key", "in": "header", "required": true,
           "description": "New for each operation, and repeated when the same request is retried. \
                           `\"abc\"` and `abc` are the same key.",
           "schema": {"type": "string", "pattern": format!("^(?:{bare}|{quoted})$")}})
}

/// A replay may do without one.
pub fn idempotency_key_if_any() -> Value {
    let mut key = idempotency_key();
    key["required"] = false.into();
    key
}

pub fn in_query(name: &str, required: bool, schema: Value) -> Value {
    json!({"name": name, "in": "query", "required": required, "schema": schema})
}

/// `next` of the page before, with the same filters.
pub fn cursor() -> Value {
    in_query("cursor", false, json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}))
}

pub fn limit() -> Value {
    in_query("limit", false, json!({"type": "integer", "minimum": 1, "maximum": limits::PAGE_MAX}))
}

pub fn if_none_match() -> Value {
    json!({"name": "If-None-Match", "in": "header", "schema": {"type": "string"}})
}

/// One strong tag. Without it a change is refused by a status of its own, so a description cannot demand it.
pub fn if_match() -> Value {
    json!({"name": "If-Match", "in": "header", "required": false,
           "description": "Required: the `ETag` of what is to be changed, one strong tag.",
           "schema": {"type": "string", "pattern": "^\"[1-9][0-9]*\"$"}})
}

/// Standard Webhooks 1.0.0; the signature itself is the security scheme.
pub fn of_webhook() -> Vec<Value> {
    vec![
        json!({"name": "webhook-id", "in": "header", "required": true, "schema": {"type": "string", "minLength": 1}}),
        json!({"name": "webhook-timestamp", "in": "header", "required": true,
               "description": format!("Unix seconds, at most {} away from the server's clock.", payments::signature::TOLERANCE_S),
               "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,11}$"}}),
    ]
}
