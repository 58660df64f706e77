//! wrangler.toml against the table: where the Gates are made, what is called, secrets, limits, and the addresses.

use serde_json::Value;

use crate::edge::{
    COMPATIBILITY_DATE_MIN, LIMITS, LIMITS_PERIOD_S, LOCATIONS, OBJECTS, SECRETS, location_near, reserved_for_gates,
};
use crate::table::{ALIAS, CONFIRM, PREFIX, RESERVE};

/// What is wrong with wrangler.toml, read as a value.
#[must_use]
pub fn wrangler(toml: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |what: String| found.push(format!("wrangler.toml: {what}"));
    functions(&toml["vars"], &mut add);
    objects(toml, &mut add);
    concurrency(&toml["vars"], &mut add);
    secrets(toml, &mut add);
    limits(&toml["ratelimits"], &mut add);
    addresses(toml, &mut add);
    let date = toml["compatibility_date"].as_str().unwrap_or_default();
    // Dates of this form are in the order of their texts.
    if date < COMPATIBILITY_DATE_MIN {
        add(format!(
            "compatibility_date {date:?}: before {COMPATIBILITY_DATE_MIN} a Gate may end with calls under way"
        ));
    }
    if toml["observability"]["enabled"] != true {
        add("observability is not enabled: to switch it on is a deployment, which must not be needed in a sale".into());
    }
    found
}

fn var<'a>(vars: &'a Value, name: &str) -> &'a str {
    vars[name].as_str().unwrap_or_default()
}

fn number(vars: &Value, name: &str) -> u64 {
    var(vars, name).parse().unwrap_or_default()
}

/// What the Worker calls, and how.
fn functions(vars: &Value, add: &mut impl FnMut(String)) {
    if var(vars, "ENVIRONMENT") != "production" {
        add("ENVIRONMENT is not production".into());
    }
    if var(vars, "FUNCTION_QUALIFIER") != ALIAS {
        add(format!(
            "FUNCTION_QUALIFIER is not {ALIAS}: the key pairs may invoke nothing else, and $LATEST has no rollback"
        ));
    }
    if var(vars, "FUNCTION_PREFIX") != PREFIX {
        add(format!("FUNCTION_PREFIX is not {PREFIX}, the Prefix of functions/template.yaml"));
    }
    let region = var(vars, "AWS_REGION");
    if var(vars, "LAMBDA_URL") != format!("https://lambda.{region}.amazonaws.com") {
        add(format!("LAMBDA_URL is not the one of AWS_REGION, {region}"));
    }
}

/// Each Durable Object near the functions and the database.
fn objects(toml: &Value, add: &mut impl FnMut(String)) {
    let region = var(&toml["vars"], "AWS_REGION");
    for object in OBJECTS {
        let variable = object.location_variable;
        let location = var(&toml["vars"], variable);
        if location.is_empty() {
            add(format!("no {variable}: whoever calls a {} first would decide where it stays", object.binding));
        } else if !LOCATIONS.contains(&location) {
            add(format!("{variable} {location:?} is no hint of Cloudflare's: {}", LOCATIONS.join(", ")));
        } else if location_near(region) != Some(location) {
            add(format!("{variable} {location:?} is not where the functions are, {region}"));
        }
    }
    for binding in toml["durable_objects"]["bindings"].as_array().into_iter().flatten() {
        let name = binding["name"].as_str().unwrap_or_default();
        if !OBJECTS.iter().any(|object| object.binding == name) {
            add(format!("the table does not say where a {name} is made"));
        }
    }
}

/// What isolates and Gates may have in flight, against the instances that there are for it.
fn concurrency(vars: &Value, add: &mut impl FnMut(String)) {
    let gates = number(vars, "GATE_SHARDS");
    let needed = reserved_for_gates(gates);
    if gates == 0 || needed > RESERVE.reserved {
        add(format!("GATE_SHARDS is {gates}, which needs {needed} instances of reserve; it has {}", RESERVE.reserved));
    }
    let questions = number(vars, "UNSIGNED_AT_ONCE") + number(vars, "BUYERS_AT_ONCE");
    if questions == 0 || questions >= CONFIRM.reserved {
        let instances = CONFIRM.reserved;
        add(format!("UNSIGNED_AT_ONCE and BUYERS_AT_ONCE are {questions}, and confirm has {instances} instances"));
    }
}

fn secrets(toml: &Value, add: &mut impl FnMut(String)) {
    let required: Vec<&str> =
        toml["secrets"]["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for secret in SECRETS.iter().filter(|secret| secret.required && !required.contains(&secret.name)) {
        add(format!("{} is not required: a Worker without it would be deployed", secret.name));
    }
    let of_gateways = payments::GATEWAYS.iter().map(|gateway| gateway.webhook_secret_variable);
    for name in SECRETS.iter().map(|secret| secret.name).chain(of_gateways) {
        if !toml["vars"][name].is_null() {
            add(format!("{name} is a secret, and stands in [vars]"));
        }
    }
}

fn limits(ratelimits: &Value, add: &mut impl FnMut(String)) {
    let given: Vec<&Value> = ratelimits.as_array().into_iter().flatten().collect();
    for (name, limit) in LIMITS {
        let simple = given.iter().find(|one| one["name"] == name).map(|one| &one["simple"]);
        let fits = |simple: &Value| simple["limit"] == limit && simple["period"] == LIMITS_PERIOD_S;
        if !simple.is_some_and(fits) {
            add(format!("{name} is not {limit} in {LIMITS_PERIOD_S} s"));
        }
    }
    // Cloudflare counts by this id: two limits of one would count together.
    let mut ids: Vec<&str> = given.iter().filter_map(|one| one["namespace_id"].as_str()).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) || ids.len() != given.len() {
        add("two of [[ratelimits]] have one namespace_id".into());
    }
}

/// The shop has its own domain: its cookie reaches no other, and only a zone has rules against floods.
fn addresses(toml: &Value, add: &mut impl FnMut(String)) {
    if toml["workers_dev"] != false {
        add("workers_dev is not false: the Worker would have an address without the zone's rules".into());
    }
    if toml["preview_urls"] != false {
        add("preview_urls is not false: each version would have an address of its own".into());
    }
}
