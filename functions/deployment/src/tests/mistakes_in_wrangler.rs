//! Mistakes that are made in wrangler.toml, each of which a rule must find.

use serde_json::{Value, json};

use super::wrangler;
use crate::checks;

#[test]
fn each_mistake_in_wrangler_toml_is_found() {
    let right = wrangler();
    let mistakes: [(&str, Value, &str); 25] = [
        ("/vars/GATE_LOCATION", Value::Null, "no GATE_LOCATION"),
        ("/vars/GATE_LOCATION", json!("icn"), "\"icn\" is no hint of Cloudflare's"),
        ("/vars/GATE_LOCATION", json!("weur"), "\"weur\" is not where the functions are"),
        ("/vars/AWS_REGION", json!("us-east-1"), "GATE_LOCATION \"apac\" is not where the functions are, us-east-1"),
        ("/vars/FUNCTION_QUALIFIER", Value::Null, "FUNCTION_QUALIFIER is not live"),
        ("/vars/FUNCTION_QUALIFIER", json!("$LATEST"), "FUNCTION_QUALIFIER is not live"),
        ("/vars/FUNCTION_PREFIX", json!(""), "FUNCTION_PREFIX is not holdfast-"),
        (
            "/vars/LAMBDA_URL",
            json!("https://lambda.us-east-1.amazonaws.com"),
            "LAMBDA_URL is not the one of AWS_REGION",
        ),
        ("/vars/ENVIRONMENT", json!("development"), "ENVIRONMENT is not production"),
        ("/vars/GATE_SHARDS", json!("5"), "GATE_SHARDS is 5, which needs 30 instances of reserve; it has 24"),
        ("/vars/GATE_SHARDS", json!("four"), "GATE_SHARDS is 0"),
        ("/vars/BUYERS_AT_ONCE", json!("30"), "are 32, and confirm has 32 instances"),
        ("/vars/SESSION_SECRET", json!("x"), "SESSION_SECRET is a secret, and stands in [vars]"),
        ("/vars/STRIPE_WEBHOOK_SECRET", json!("x"), "STRIPE_WEBHOOK_SECRET is a secret, and stands in [vars]"),
        ("/secrets/required", json!(["SESSION_SECRET"]), "WEBHOOK_SECRET is not required"),
        ("/durable_objects/bindings/0/name", json!("LINE"), "the table does not say where a LINE is made"),
        ("/ratelimits/0/simple/limit", json!(1_000), "PER_ADDRESS is not 3000 in 10 s"),
        ("/ratelimits/0/simple/period", json!(60), "PER_ADDRESS is not 3000 in 10 s"),
        ("/ratelimits/3", Value::Null, "PER_HINT is not 30 in 10 s"),
        ("/ratelimits/1/namespace_id", json!("1001"), "two of [[ratelimits]] have one namespace_id"),
        ("/workers_dev", Value::Null, "workers_dev is not false"),
        ("/preview_urls", json!(true), "preview_urls is not false"),
        ("/compatibility_date", json!("2026-09-30"), "compatibility_date \"2026-09-30\""),
        ("/compatibility_date", Value::Null, "compatibility_date \"\""),
        ("/observability/enabled", json!(false), "observability is not enabled"),
    ];
    for (place, to, words) in mistakes {
        let mut wrong = right.clone();
        let (parent, last) = place.rsplit_once('/').unwrap();
        match wrong.pointer_mut(parent).unwrap_or_else(|| panic!("wrangler.toml has no {parent}")) {
            Value::Object(members) if to.is_null() => drop(members.remove(last)),
            Value::Object(members) => drop(members.insert(last.to_owned(), to.clone())),
            Value::Array(items) if to.is_null() => drop(items.remove(last.parse().unwrap())),
            other => panic!("{parent} is {other}"),
        }
        let found = checks::wrangler(&wrong);
        assert!(found.iter().any(|one| one.contains(words)), "{place} = {to}: {words:?} is not in {found:#?}");
    }
}
