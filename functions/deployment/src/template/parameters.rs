//! What differs from one deployment to another, and the conditions that follow from it.

use serde_json::{Map, Value, json};

use super::parts::pascal;
use crate::function::{Function, Kind};
use crate::table::{CONFIRM, FUNCTIONS, LOOKUP, PREFIX, RESERVE};

/// The functions whose concurrency follows from the day: `cargo dev plan` says it.
pub const PLANNED: [Function; 3] = [RESERVE, CONFIRM, LOOKUP];
const YES_OR_NO: [&str; 2] = ["no", "yes"];

pub fn concurrency(function: &Function) -> Option<String> {
    let planned = PLANNED.iter().any(|one| one.name == function.name);
    planned.then(|| format!("{}Concurrency", pascal(function.name)))
}

/// Whether a gateway is used, as a parameter; the condition is `Has` and the gateway's name.
fn uses(gateway: &str) -> String {
    format!("Uses{}", pascal(gateway))
}

pub fn condition_of_gateway(gateway: &str) -> String {
    format!("Has{}", pascal(gateway))
}

pub fn condition_of_parameter(variable: &str) -> String {
    format!("Has{}", pascal(variable))
}

/// The variables that are parameters, once each.
fn variables() -> Vec<(String, &'static str)> {
    let mut found: Vec<(String, &str)> = Vec::new();
    for entry in FUNCTIONS.iter().flat_map(Function::environment) {
        if let Kind::Parameter(default) = entry.kind
            && !found.iter().any(|(name, _)| *name == entry.name)
        {
            found.push((entry.name, default));
        }
    }
    found
}

pub fn parameters() -> Map<String, Value> {
    let text =
        |default: &str, description: &str| json!({"Type": "String", "Default": default, "Description": description});
    let list = |description: &str| json!({"Type": "CommaDelimitedList", "Default": "", "Description": description});
    let mut found = Map::new();
    let mut add = |name: String, value: Value| {
        found.insert(name, value);
    };
    add("Prefix".into(), text(PREFIX, "Before every function's name; FUNCTION_PREFIX in wrangler.toml"));
    add("Secrets".into(), text("holdfast/", "Before the function's name in the name of its secret in Secrets Manager"));
    add("AlarmTopic".into(), text("", "ARN of the topic that is told of alarms; empty: none"));
    add("RelayQueues".into(), list("ARNs of the queues that relay may deliver to"));
    add("RelayBuses".into(), list("ARNs of the event buses that relay may deliver to"));
    let mut live = text("no", "Whether each function has its alias: without it nothing can be scheduled");
    live["AllowedValues"] = json!(YES_OR_NO);
    add("Live".into(), live);
    for (n, gateway) in payments::NAMES.into_iter().enumerate() {
        let mut used =
            text(YES_OR_NO[usize::from(n == 0)], &format!("Whether GATEWAYS in wrangler.toml has {gateway}"));
        used["AllowedValues"] = json!(YES_OR_NO);
        add(uses(gateway), used);
    }
    for function in &PLANNED {
        let description = format!("Reserved concurrency of {}; `cargo dev plan` says it for a day", function.name);
        let of_a_number = json!({
            "Type": "Number", "Default": function.reserved, "MinValue": 1, "MaxValue": function.connections_max,
            "Description": description,
        });
        add(format!("{}Concurrency", pascal(function.name)), of_a_number);
    }
    for (name, default) in variables() {
        add(pascal(&name), text(default, &format!("{name} of the functions that have it")));
    }
    found
}

pub fn conditions() -> Map<String, Value> {
    let equals = |parameter: &str, value: &str| json!({"Fn::Equals": [{"Ref": parameter}, value]});
    let given = |parameter: &str| json!({"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]});
    let any = |parameter: &str| json!({"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": parameter}]}, ""]}]});
    let mut found = Map::new();
    found.insert("IsLive".into(), equals("Live", "yes"));
    found.insert("HasAlarmTopic".into(), given("AlarmTopic"));
    found.insert("HasRelayQueues".into(), any("RelayQueues"));
    found.insert("HasRelayBuses".into(), any("RelayBuses"));
    for gateway in payments::NAMES {
        found.insert(condition_of_gateway(gateway), equals(&uses(gateway), "yes"));
    }
    for (name, _) in variables().into_iter().filter(|(_, default)| default.is_empty()) {
        found.insert(condition_of_parameter(&name), given(&pascal(&name)));
    }
    found
}
