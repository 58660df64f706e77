//! The types of requests and answers as JSON Schema, with the bounds and formats that a type cannot say.

use std::collections::BTreeMap;

use iso_currency::IntoEnumIterator;
use protocol::admin;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::runtime::limits;

pub const SLUG: &str = "^[a-z0-9][a-z0-9-]{0,63}$";
/// No control character anywhere, and not white space alone.
const LINE: &str = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$";

/// What is in these a gateway has said, in its own form.
const OF_A_GATEWAY: [&str; 2] = ["Data", "DeadLetter"];

/// As a pattern, of the first plane alone: how to write the others is where the dialects part.
fn printable() -> String {
    let hidden = |code: &u32| char::from_u32(*code).is_some_and(protocol::printable::is_hidden);
    let mut class = String::new();
    let mut codes = (0..=0xffff_u32).filter(hidden).peekable();
    while let Some(first) = codes.next() {
        let mut last = first;
        while let Some(next) = codes.next_if_eq(&(last + 1)) {
            last = next;
        }
        class += &if last == first { format!("\\u{first:04X}") } else { format!("\\u{first:04X}-\\u{last:04X}") };
    }
    format!("^[^{class}]*[^\\s{class}][^{class}]*$")
}

pub fn uuid() -> Value {
    json!({"type": "string", "format": "uuid"})
}

pub struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
    made: BTreeMap<String, Value>,
}

impl Schemas {
    pub fn new() -> Self {
        let settings = || SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
        Self {
            requests: settings().for_deserialize().into_generator(),
            answers: settings().for_serialize().into_generator(),
            made: BTreeMap::new(),
        }
    }

    /// A reference to the schema of what is read.
    pub fn request<T: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<T>().to_value()
    }

    /// A reference to the schema of what is written.
    pub fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().to_value()
    }

    /// A reference to a schema that no type says.
    pub fn put(&mut self, name: &str, schema: Value) -> Value {
        self.made.insert(name.to_owned(), schema);
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    pub fn finish(mut self) -> BTreeMap<String, Value> {
        let mut all = self.made;
        for (name, schema) in
            self.requests.take_definitions(true).into_iter().chain(self.answers.take_definitions(true))
        {
            let before = all.insert(name.clone(), schema.clone());
            assert!(before.is_none_or(|before| before == schema), "{name} is read in one way and written in another");
        }
        for (name, schema) in &mut all {
            // The formats of what has the same name everywhere.
            let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
            for (property, value) in properties.into_iter().flatten() {
                if !OF_A_GATEWAY.contains(&name.as_str()) {
                    form(property, value);
                }
            }
            for (of, property, bound) in bounds() {
                if of == name {
                    merge(&mut schema["properties"][property], &bound);
                }
            }
        }
        all
    }
}

fn form(property: &str, value: &mut Value) {
    let form = match property {
        "sale_id" | "sku_id" => json!({"pattern": SLUG}),
        "hold_id" | "order_id" | "finding_id" => json!({"format": "uuid"}),
        "opens_at" | "closes_at" | "expire_at" | "created_at" | "seen_at" | "as_of" => json!({"format": "date-time"}),
        _ => return,
    };
    let text = |kind: &Value| kind == "string" || kind.as_array().is_some_and(|kinds| kinds.contains(&"string".into()));
    if text(&value["type"]) {
        merge(value, &form);
    }
}

fn merge(into: &mut Value, more: &Value) {
    for (name, value) in more.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}

/// Of what is read: schema, member, bound.
fn bounds() -> Vec<(&'static str, &'static str, Value)> {
    let from = |min: i64, max: i64| json!({"minimum": min, "maximum": max});
    let chars = |max: usize| json!({"minLength": 1, "maxLength": max, "pattern": LINE});
    let named = json!({"minLength": 1, "maxLength": admin::NAME_MAX_CHARS, "pattern": printable()});
    let reason = json!({"minLength": 1, "maxLength": limits::REASON_MAX_CHARS, "pattern": printable()});
    let said = |max: usize| json!({"maxLength": max, "pattern": r"^[^\x00]*$"});
    let with_a_minor_unit = |currency: &iso_currency::Currency| currency.exponent().is_some();
    let currencies: Vec<&str> =
        iso_currency::Currency::iter().filter(with_a_minor_unit).map(|currency| currency.code()).collect();
    vec![
        ("Cart", "items", json!({"minItems": 1, "maxItems": limits::ITEMS_MAX})),
        ("Lines", "items", json!({"minItems": 1, "maxItems": limits::ITEMS_MAX})),
        ("Line", "qty", from(1, limits::QTY_MAX)),
        ("NewSale", "name", named.clone()),
        ("NewSale", "currency", json!({"enum": currencies})),
        ("NewSale", "hold_ttl_s", from(1, admin::HOLD_TTL_S_MAX)),
        ("NewSale", "lapse_cooldown_s", from(0, admin::LAPSE_COOLDOWN_S_MAX)),
        ("NewSale", "skus", json!({"minItems": 1, "maxItems": admin::SKUS_MAX})),
        ("NewSku", "name", named),
        ("NewSku", "unit_price", from(0, admin::UNIT_PRICE_MAX)),
        ("NewSku", "stock", from(0, admin::STOCK_MAX)),
        ("NewSku", "max_per_user", from(1, admin::PER_USER_MAX)),
        (
            "Adjustment",
            "delta",
            json!({"minimum": -limits::STOCK_DELTA_MAX, "maximum": limits::STOCK_DELTA_MAX,
                                       "not": {"const": 0}}),
        ),
        ("Because", "reason", reason.clone()),
        ("Adjustment", "reason", reason.clone()),
        ("NewSale", "reason", reason.clone()),
        ("StatusChange", "reason", reason.clone()),
        ("Cancellation", "reason", reason.clone()),
        ("OrderChange", "reason", reason),
        (
            "OrderChange",
            "tracking",
            json!({"minLength": 1, "maxLength": protocol::orders::TRACKING_MAX_CHARS, "pattern": printable()}),
        ),
        (
            "Data",
            "payment_id",
            json!({"minLength": 1, "maxLength": limits::GATEWAY_TEXT_MAX_CHARS,
                                      "pattern": r"^[^\x00-\x1F\x7F-\x9F]*$"}),
        ),
        // A hold that cannot be is not refused: its money becomes a refund.
        ("Data", "hold_id", said(limits::GATEWAY_TEXT_MAX_CHARS)),
        ("Data", "user_id", said(limits::GATEWAY_TEXT_MAX_CHARS)),
        ("Data", "amount", from(0, limits::AMOUNT_MAX)),
        ("ToConfirm", "payment_id", chars(limits::PAYMENT_TOKEN_MAX_CHARS)),
        ("ToConfirm", "payment_token", chars(limits::PAYMENT_TOKEN_MAX_CHARS)),
        ("RefundAccount", "bank", chars(limits::ACCOUNT_TEXT_MAX_CHARS)),
        ("RefundAccount", "number", json!({"pattern": "^[0-9-]{1,64}$"})),
        ("RefundAccount", "holder", chars(limits::ACCOUNT_TEXT_MAX_CHARS)),
        ("ToOpen", "gateway", json!({"anyOf": [{"enum": payments::NAMES}, {"type": "null"}]})),
        ("Data", "currency", json!({"pattern": "^[A-Z]{3}$"})),
    ]
}
