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

use serde_json::{Map, Value, json};

use crate::routes;
use schemas::Schemas;

/// Every path, its parameters in braces. That no verb is missing is a test's business.
const PATHS: [&str; 39] = [
    "/",
    "/sales/{sale_id}",
    "/orders",
    "/orders/{order_id}",
    "/assets/{name}",
    "/healthz",
    "/openapi.json",
    "/v1/reservations",
    "/v1/reservations/{hold_id}",
    "/v1/reservations/{hold_id}/pay",
    "/v1/reservations/{hold_id}/payments",
    "/v1/reservations/{hold_id}/refund-account",
    "/v1/orders",
    "/v1/orders/{order_id}",
    "/v1/sales",
    "/v1/sales/{sale_id}",
    "/v1/webhooks/standard",
    "/v1/webhooks/portone",
    "/v1/webhooks/toss",
    "/v1/webhooks/stripe",
    "/v1/payments/toss/return",
    "/v1/payments/portone/confirm",
    "/v1/admin/sales",
    "/v1/admin/sales/{sale_id}",
    "/v1/admin/sales/{sale_id}/report",
    "/v1/admin/skus/{sku_id}/stock",
    "/v1/admin/orders/{order_id}",
    "/v1/admin/orders/{order_id}/cancel",
    "/v1/admin/payments",
    "/v1/admin/actions",
    "/v1/admin/users/{user_id}/forget",
    "/v1/admin/subscriptions",
    "/v1/admin/subscriptions/{subscription_id}",
    "/v1/admin/subscriptions/{subscription_id}/secret",
    "/v1/admin/dead-letters",
    "/v1/admin/dead-letters/replay",
    "/v1/admin/dead-letters/{dead_letter_id}/replay",
    "/v1/admin/dead-letters/{dead_letter_id}/dismiss",
    "/v1/admin/dead-letters/{dead_letter_id}/settle",
];

/// One that is there, so that the table of paths can be asked what a path offers.
fn example(path: &str) -> String {
    let id = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";
    path.replace("{hold_id}", id)
        .replace("{order_id}", id)
        .replace("{subscription_id}", id)
        .replace("{dead_letter_id}", id)
        .replace("{sale_id}", "spring-drop")
        .replace("{sku_id}", "sneaker-270")
        .replace("{user_id}", "buyer-1")
        .replace("{name}", "shop-en-.js")
}

fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for path in PATHS {
        let offers = routes::offers(&example(path), false).unwrap_or_else(|_| panic!("{path}"));
        let mut item = Map::new();
        let parameters = parameters::of_path(path);
        if !parameters.is_empty() {
            item.insert("parameters".to_owned(), parameters.into());
        }
        for (method, route) in offers {
            let operation = operations::of(&route, &mut schemas);
            let role = routes::required(&route, method);
            let with_role = |mut operation: Value| {
                if let Some(role) = role {
                    operation["x-role"] = role.name().into();
                }
                operation
            };
            if method == "GET" && !route.acts_on_get() {
                item.insert("head".to_owned(), with_role(operation.without_bodies()));
            }
            item.insert(method.to_lowercase(), with_role(operation.into_value()));
        }
        paths.insert(path.to_owned(), item.into());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Sells limited editions without overselling.",
            "description": "Times are RFC 3339 in UTC; money is a whole number of the currency's minor unit. A refusal is a \
                            problem document (RFC 9457) with a `code`. Answers may get further members.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "buyer", "description": "With a session token."},
            {"name": "public", "description": "Anybody."},
            {"name": "gateway", "description": "Signed as Standard Webhooks says."},
            {"name": "operator", "description": "With a token whose role is at least `x-role`: viewer, operator, owner."},
        ],
        "paths": paths,
        "webhooks": events::webhooks(),
        "components": {
            "securitySchemes": {
                "session": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                            "description": "HS256 with the session secret; `sub` is the user, `exp` is required."},
                "cookie": {"type": "apiKey", "in": "cookie", "name": crate::auth::session::COOKIE,
                           "description": "The same token, where the hosted page is used."},
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
    let described: std::collections::BTreeSet<String> = PATHS
        .iter()
        .flat_map(|path| routes::offers(&example(path), false).unwrap_or_default())
        .map(|(_, route)| route.name().to_owned())
        .collect();
    let (_, source) = include_str!("../routes.rs").split_once("pub fn name(").unwrap_or_default();
    let names = source.split("=> \"").skip(1).filter_map(|rest| rest.split_once("\",\n")).map(|(name, _)| name);
    let known: std::collections::BTreeSet<String> =
        names.chain([routes::WEBHOOK]).filter(|name| *name != "dev_session").map(ToOwned::to_owned).collect();
    assert!(known.len() > 10, "{known:?}");
    assert_eq!(described, known, "the session maker exists in development only, and everything else is described");
}

#[test]
fn a_route_takes_the_parameters_that_are_described() {
    let mut schemas = Schemas::new();
    for (method, route) in PATHS.iter().flat_map(|path| routes::offers(&example(path), false).unwrap_or_default()) {
        let Some(known) = route.parameters() else { continue };
        let operation = operations::of(&route, &mut schemas).into_value();
        let all = operation["parameters"].as_array().into_iter().flatten();
        let mut described: Vec<_> =
            all.filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str()).collect();
        let mut known = known.to_vec();
        known.sort_unstable();
        described.sort_unstable();
        assert_eq!(known, described, "{method} {}", route.name());
    }
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
    assert!(all > PATHS.len(), "{names:?}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "{names:?}");
}

#[test]
fn every_address_of_the_operators_needs_a_role_and_no_other_does() {
    let mut seen = 0;
    for path in PATHS {
        for (method, route) in routes::offers(&example(path), false).unwrap_or_default() {
            let role = routes::required(&route, method);
            assert_eq!(role.is_some(), path.starts_with("/v1/admin/"), "{method} {path}");
            seen += usize::from(role.is_some());
        }
    }
    assert!(seen > 10, "{seen}");
}
