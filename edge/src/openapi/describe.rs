//! The API in OpenAPI 3.1, made from what answers it: the table of paths, the types that are read and written, the table
//! of refusals, the bounds.

mod answers;
mod buyers;
mod deliveries;
mod events;
mod money;
mod operation;
mod operations;
mod parameters;
mod problems;
mod schemas;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::auth::rate_limit::Charge;
use crate::gate::answer::{Verdict, answer};
use crate::http::code::Code;
use crate::routes::route::{Caller, Exists, Route};
use crate::routes::{TABLE, find};
use schemas::Schemas;

/// The routes of the product: what exists in development only is not described.
fn described() -> impl Iterator<Item = &'static Route> {
    TABLE.iter().filter(|route| route.exists != Exists::InDevelopment)
}

/// A path of this template.
fn example(path: &str) -> String {
    let id = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";
    let path = path
        .replace("{hold_id}", id)
        .replace("{order_id}", id)
        .replace("{subscription_id}", id)
        .replace("{dead_letter_id}", "event-7")
        .replace("{sale_id}", "spring-drop")
        .replace("{sku_id}", "sneaker-270")
        .replace("{user_id}", "buyer-1")
        .replace("{name}", "shop-en-.js");
    assert!(!path.contains('{'), "openapi/describe.rs: an example of {path}");
    path
}

fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for route in described() {
        let path = paths.entry(route.path).or_insert_with(|| {
            let parameters = parameters::of_path(route.path);
            if parameters.is_empty() { json!({}) } else { json!({"parameters": parameters}) }
        });
        let operation = operations::of(route, &mut schemas);
        let with_role = |mut operation: Value| {
            if let Caller::Operator(role) = route.caller {
                operation["x-role"] = role.name().into();
            }
            operation
        };
        if route.method.has_head {
            path["head"] = with_role(operation.without_bodies());
        }
        path[route.method.name.to_lowercase()] = with_role(operation.into_value());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Sells limited editions without overselling.",
            "description": "Times are RFC 3339 in UTC; money is a whole number of the currency's minor unit. A refusal is a \
                            problem document (RFC 9457) with a `code`. Responses may get further members.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "buyer", "description": "Requires a session token."},
            {"name": "public", "description": "Requires no credentials."},
            {"name": "gateway", "description": "Requires the gateway's signature. A gateway that signs nothing only triggers a lookup of the payment."},
            {"name": "operator", "description": "Requires an operator's token whose role is at least `x-role`: viewer, operator, owner."},
        ],
        "paths": paths,
        "webhooks": events::webhooks(),
        "components": {
            "securitySchemes": {
                "session": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                            "description": "HS256 with the session secret; `sub` is the user, `exp` is required."},
                "cookie": {"type": "apiKey", "in": "cookie", "name": crate::auth::session::COOKIE,
                           "description": "The same token, as the hosted page sends it."},
                "operator": {"type": "http", "scheme": "bearer"},
                "signature": {"type": "apiKey", "in": "header", "name": "webhook-signature",
                              "description": "`v1,` and the HMAC-SHA256 of id, timestamp and body, in base64."},
            },
            "headers": answers::headers(),
            "schemas": schemas.finish(),
        },
    })
}

#[test]
fn the_description_is_what_the_code_says() {
    let text = format!("{:#}\n", document());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/openapi.json");
    if std::env::var_os("HOLDFAST_WRITE_OPENAPI").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let differing: Vec<&str> = text.lines().filter(|line| !kept.lines().any(|known| known == *line)).collect();
    assert!(text == kept, "if this is meant, write it down: HOLDFAST_WRITE_OPENAPI=1\n{differing:#?}");
}

#[test]
fn no_verb_is_left_out() {
    let document = document();
    let items = document["paths"].as_object().into_iter().flatten();
    let described: BTreeSet<(String, String)> = items
        .flat_map(|(path, item)| {
            item.as_object().into_iter().flat_map(Map::keys).map(|key| (path.clone(), key.clone()))
        })
        .filter(|(_, key)| !matches!(key.as_str(), "parameters" | "head"))
        .collect();
    let of_table = |route: &Route| (route.path.to_owned(), route.method.name.to_lowercase());
    let left_out: Vec<_> = TABLE.iter().filter(|route| !described.contains(&of_table(route))).collect();
    assert!(described.len() > 10, "{described:?}");
    let left_out: Vec<&str> = left_out.into_iter().map(|route| route.name).collect();
    assert_eq!(
        left_out,
        ["dev_session"],
        "the session maker exists in development only, and everything else is described"
    );
}

#[test]
fn a_path_of_the_table_is_found_as_itself_and_as_no_other() {
    for route in described() {
        let offers = find::offers(&example(route.path), false)
            .unwrap_or_else(|_| panic!("routes/find.rs: the form of what stands in {}", route.path));
        assert!(offers.routes.iter().all(|other| other.path == route.path), "{}", route.path);
        let names = route.path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
        for name in names {
            assert_ne!(offers.parameters.get(name), "", "{name} of {}", route.path);
        }
    }
}

#[test]
fn a_route_takes_the_parameters_that_are_described() {
    let mut schemas = Schemas::new();
    for route in described() {
        let Some(known) = route.query else { continue };
        let operation = operations::of(route, &mut schemas).into_value();
        let all = operation["parameters"].as_array().into_iter().flatten();
        let mut described: Vec<_> =
            all.filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str()).collect();
        let mut known = known.to_vec();
        known.sort_unstable();
        described.sort_unstable();
        assert_eq!(known, described, "{} {}", route.method.name, route.name);
    }
}

/// The schemas that a value refers to, in alphabetical order.
fn references(value: &Value) -> String {
    let text = value.to_string();
    let named = text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
    named.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_route_reads_and_answers_the_schemas_that_are_described() {
    let mut schemas = Schemas::new();
    for route in described() {
        let operation = operations::of(route, &mut schemas).into_value();
        assert_eq!(references(&operation["requestBody"]), route.request, "what {} reads", route.path);
        let successes = operation["responses"].as_object().into_iter().flatten();
        let successes: Vec<&Value> =
            successes.filter(|(status, _)| status.starts_with('2')).map(|(_, one)| &one["content"]).collect();
        assert_eq!(references(&json!(successes)), route.response, "what {} {} answers", route.method.name, route.path);
    }
}

#[test]
fn every_refusal_of_a_reservation_is_described_with_its_members() {
    let mut schemas = Schemas::new();
    let reserve = TABLE.iter().find(|route| route.name == "reserve").expect("the route");
    let described = operations::of(reserve, &mut schemas).refusals;
    let schemas = schemas.finish();
    let charge = Charge { admitted: true, remaining: 1, reset_s: 1 };
    let mut codes = Vec::new();
    for outcome in protocol::reserve::examples() {
        let name = outcome.name();
        let answer = answer(charge, Verdict::Outcome(outcome));
        let code = answer.code.expect(name);
        assert!(described.contains(&code), "describe/buyers.rs: reserving is not refused by {name}");

        let body: Map<String, Value> = serde_json::from_slice(&answer.body).expect(name);
        let schema = &schemas[&format!("problem_{}", code.name())];
        let undescribed: Vec<_> = body.keys().filter(|member| schema["properties"].get(member).is_none()).collect();
        assert!(undescribed.is_empty(), "describe/problems.rs: {name} has {undescribed:?}");
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let missing: Vec<_> = required.filter(|member| !body.contains_key(*member)).collect();
        assert!(missing.is_empty(), "describe/problems.rs: {name} does not have {missing:?}");
        codes.push(code);
    }
    // These two stand for more than what T1 refuses, and have a place of their own in the order.
    codes.retain(|code| !matches!(code, Code::NotFound | Code::Unavailable));
    assert!(codes.is_sorted_by_key(|code| *code as usize), "T1 refuses in another order than http/code.rs: {codes:?}");
}

#[test]
fn every_reference_is_there() {
    let document = document();
    let text = document.to_string();
    let references = text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next());
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn an_operation_has_a_name_of_its_own() {
    let document = document();
    let items = document["paths"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let mut names: Vec<&str> =
        items.flat_map(Map::values).filter_map(|operation| operation.get("operationId")?.as_str()).collect();
    let all = names.len();
    assert!(all >= described().count(), "{names:?}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "{names:?}");
}

#[test]
fn every_address_of_the_operators_needs_a_role_and_no_other_does() {
    let mut seen = 0;
    for route in TABLE.iter() {
        let is_operators = matches!(route.caller, Caller::Operator(_));
        assert_eq!(is_operators, route.path.starts_with("/v1/admin/"), "{} {}", route.method.name, route.path);
        seen += usize::from(is_operators);
    }
    assert!(seen > 10, "{seen}");
}
