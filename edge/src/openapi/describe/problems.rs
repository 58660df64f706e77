//! Every refusal as a schema: the common members and its own ones.

use serde_json::{Map, Value, json};

use super::schemas::{SLUG, Schemas, uuid};
use crate::http::code::{Code, TABLE};

/// Of a refusal by the Worker in the Gate's place.
fn as_of() -> Value {
    json!({"type": "string", "format": "date-time",
           "description": "When the database was asked that said so, less than a second ago; without it: now."})
}

/// A refusal's own members: name, schema, whether the member is required.
fn own(code: Code, schemas: &mut Schemas) -> Vec<(&'static str, Value, bool)> {
    let slug = || json!({"type": "string", "pattern": SLUG});
    let pieces = || json!({"type": "integer"});
    match code {
        Code::NotFound => vec![("sku_id", slug(), false)],
        Code::InvalidRequest => {
            vec![(
                "errors",
                json!({"type": "array", "minItems": 1, "items": schemas.answer::<protocol::admin::FieldError>()}),
                true,
            )]
        }
        Code::SaleNotOpen => vec![
            ("opens_at", json!({"type": "string", "format": "date-time"}), true),
            ("sale_status", schemas.answer::<protocol::shop::SaleStatus>(), true),
            ("as_of", as_of(), false),
        ],
        Code::AlreadyHolding => vec![("hold_id", uuid(), true), ("sku_id", slug(), true)],
        Code::LimitReached => vec![
            ("of", json!({"type": "string", "enum": ["sku", "sale", "coupon"]}), true),
            ("sku_id", slug(), true),
            ("max_per_user", pieces(), true),
            // A hold lapsed unpaid, in a sale with a cool-down: when that is over.
            ("retry_at", json!({"type": "string", "format": "date-time"}), false),
        ],
        Code::SoldOut => vec![("sku_id", slug(), true), ("available", pieces(), true), ("as_of", as_of(), false)],
        Code::InsufficientBalance => vec![("balance", pieces(), true), ("required", pieces(), true)],
        Code::TransitionNotAllowed => vec![("order_status", schemas.answer::<protocol::shop::OrderStatus>(), true)],
        Code::PreconditionFailed => vec![("version", json!({"type": "integer", "minimum": 1}), true)],
        Code::HoldNotActive => vec![
            ("hold_status", schemas.answer::<protocol::shop::HoldStatus>(), false),
            // Why a gateway is not to take the money.
            ("reason", json!({"type": "string"}), false),
            (
                "errorMessage",
                json!({"type": "string", "description": "The reason as text for the buyer; PortOne shows it."}),
                false,
            ),
        ],
        Code::Forbidden => {
            let role = || json!({"enum": ["viewer", "operator", "owner"]});
            vec![("role", role(), false), ("required", role(), false)]
        }
        Code::MethodNotAllowed
        | Code::RateLimited
        | Code::Unauthenticated
        | Code::PayloadTooLarge
        | Code::SignatureInvalid
        | Code::UnsupportedMediaType
        | Code::MalformedRequest
        | Code::IdempotencyKeyMissing
        | Code::IdempotencyKeyInvalid
        | Code::IdempotencyKeyReused
        | Code::RequestInProgress
        | Code::PreconditionRequired
        | Code::AlreadyExists
        | Code::Unavailable => vec![],
    }
}

pub fn status(code: Code) -> u16 {
    TABLE.iter().find(|(row, ..)| *row == code).map_or(0, |(_, _, status, _)| *status)
}

/// The schema of this code's problem document.
pub fn schema(code: Code, schemas: &mut Schemas) -> Value {
    let name = format!("problem_{}", code.name());
    let mut properties = Map::new();
    let mut required = vec!["type", "title", "status", "detail", "code"];
    for (member, value) in [
        ("type", json!({"const": format!("/problems/{}", code.name())})),
        ("title", json!({"type": "string"})),
        ("status", json!({"const": status(code)})),
        ("detail", json!({"type": "string", "minLength": 1, "description": "What the caller can do."})),
        ("code", json!({"const": code.name()})),
    ] {
        properties.insert(member.to_owned(), value);
    }
    for (member, value, always) in own(code, schemas) {
        properties.insert(member.to_owned(), value);
        if always {
            required.push(member);
        }
    }
    let schema =
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    schemas.put(&name, schema)
}
