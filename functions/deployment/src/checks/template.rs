//! The functions in a template: limits, environment, log, alarms; then their schedules, and who may do what.

use serde_json::Value;

use super::reading::{FUNCTION, named, number, of_function, of_type, text};
use super::{access, on_schedule};
use crate::function::{Caller, Function, Kind};
use crate::table::{ACCOUNT_CONCURRENCY, FUNCTIONS, LOG_KEEP_D, UNRESERVED_MIN};

/// What Lambda gives where nothing is said.
const DEFAULT_TIMEOUT_S: u64 = 3;
const DEFAULT_MEMORY_MB: u64 = 128;

/// What is wrong with a template of the functions.
#[must_use]
pub fn template(template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for function in &FUNCTIONS {
        match of_function(template, FUNCTION, "FunctionName", function.name) {
            None => found.push(format!("{}: the template has no such function", function.name)),
            Some((resource, properties)) => {
                let mut add = |what: String| found.push(format!("{}: {what}", function.name));
                limits(template, function, properties, &mut add);
                code(template, properties, &mut add);
                environment(function, &properties["Environment"]["Variables"], &mut add);
                log(template, properties, &mut add);
                alarms(template, function, resource, &mut add);
            }
        }
    }
    for (resource, properties) in of_type(template, FUNCTION) {
        let name = text(&properties["FunctionName"]);
        if !FUNCTIONS.iter().any(|function| name == format!("${{Prefix}}{}", function.name)) {
            found.push(format!("{resource}: the table has no function {name}"));
        }
    }
    account(template, &mut found);
    on_schedule::check(template, &mut found);
    access::check(template, &mut found);
    found
}

/// What a function is given, or what all are given.
fn given<'a>(template: &'a Value, properties: &'a Value, member: &str) -> &'a Value {
    let own = &properties[member];
    if own.is_null() { &template["Globals"]["Function"][member] } else { own }
}

fn limits(template: &Value, function: &Function, properties: &Value, add: &mut impl FnMut(String)) {
    let timeout_s = number(template, given(template, properties, "Timeout")).unwrap_or(DEFAULT_TIMEOUT_S);
    if timeout_s < function.timeout_s {
        add(format!("Timeout is {timeout_s} s, and its own deadlines need {} s", function.timeout_s));
    }
    let memory_mb = number(template, given(template, properties, "MemorySize")).unwrap_or(DEFAULT_MEMORY_MB);
    if memory_mb < function.memory_mb {
        add(format!("MemorySize is {memory_mb} MB, and {} MB are meant", function.memory_mb));
    }
    match number(template, given(template, properties, "ReservedConcurrentExecutions")) {
        None => {
            add("no reserved concurrency: nothing bounds its connections, and others can take all instances".into())
        }
        Some(reserved) if reserved <= function.overlapping_runs() => {
            let runs = function.overlapping_runs();
            add(format!(
                "{reserved} instances for {runs} runs that may be under way: a tick that comes early is throttled"
            ));
        }
        Some(reserved) if reserved > function.connections_max => {
            let most = function.connections_max;
            add(format!("{reserved} instances, and its role may have {most} connections"));
        }
        Some(reserved) if reserved < function.reserved => {
            add(format!("{reserved} instances, and {} are meant", function.reserved));
        }
        Some(_) => {}
    }
}

fn code(template: &Value, properties: &Value, add: &mut impl FnMut(String)) {
    if given(template, properties, "Runtime") != "provided.al2023" {
        add("Runtime is not provided.al2023, the one that is still supported".into());
    }
    if given(template, properties, "Architectures") != &serde_json::json!(["arm64"]) {
        add("Architectures is not arm64, which it is built for".into());
    }
    for (member, why) in [
        ("SnapStart", "there is none for provided.al2023"),
        ("AutoPublishAlias", "the alias is moved by a deployment of code, and never by a stack that rolls back"),
        ("DeploymentPreference", "CodeDeploy does not move several functions at once"),
        ("ProvisionedConcurrencyConfig", "it belongs to a sale's day"),
    ] {
        if !given(template, properties, member).is_null() {
            add(format!("{member}: {why}"));
        }
    }
}

fn environment(function: &Function, variables: &Value, add: &mut impl FnMut(String)) {
    let known = function.environment();
    for entry in &known {
        let value = &variables[&entry.name];
        if value.is_null() {
            if entry.kind != Kind::Tuning {
                add(format!("its environment has no {}", entry.name));
            }
        } else if entry.kind == Kind::Tuning {
            add(format!("{} is set, and its time-out is computed with the default", entry.name));
        } else if entry.kind == Kind::Secret {
            let value = if value["Fn::If"].is_array() { &value["Fn::If"][1] } else { value };
            let own = format!("${{Secrets}}{}:SecretString:{}}}}}", function.name, entry.name);
            if !(text(value).starts_with("{{resolve:secretsmanager:") && text(value).ends_with(&own)) {
                add(format!("{} is not read from the function's own secret", entry.name));
            }
        }
    }
    for name in variables.as_object().into_iter().flatten().map(|(name, _)| name) {
        if !known.iter().any(|entry| entry.name == *name) {
            add(format!("the table gives it no {name}"));
        }
    }
}

fn log(template: &Value, properties: &Value, add: &mut impl FnMut(String)) {
    let group = named(&properties["LoggingConfig"]["LogGroup"]);
    let retention = template["Resources"][group]["Properties"]["RetentionInDays"].as_u64();
    if retention.is_none_or(|days| days > LOG_KEEP_D) {
        add(format!("its log is not removed after {LOG_KEEP_D} days"));
    }
}

/// Throttles and errors of what the Worker calls; failed runs on schedule have a queue.
fn alarms(template: &Value, function: &Function, resource: &str, add: &mut impl FnMut(String)) {
    let Caller::Edge(_) = function.caller else { return };
    let alarms = of_type(template, "AWS::CloudWatch::Alarm");
    for metric in ["Throttles", "Errors"] {
        let of_this = |one: &Value| one["MetricName"] == metric && named(&one["Dimensions"][0]["Value"]) == resource;
        if !alarms.iter().any(|(_, one)| of_this(one)) {
            add(format!("no alarm tells of its {metric}"));
        }
    }
}

/// The account's own limit, of which a part must stay unreserved.
fn account(template: &Value, found: &mut Vec<String>) {
    let reserved = |(_, one): (&str, &Value)| number(template, given(template, one, "ReservedConcurrentExecutions"));
    let sum: u64 = of_type(template, FUNCTION).into_iter().filter_map(reserved).sum();
    let most = ACCOUNT_CONCURRENCY - UNRESERVED_MIN;
    if sum > most {
        found.push(format!(
            "{sum} instances are reserved, and an account reserves {most} at most unless its limit is raised"
        ));
    }
}
