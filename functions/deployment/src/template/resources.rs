//! The resources: for each function itself, its role, its log and its alarms; the schedules; the Worker's users.

mod of_function;
mod on_schedule;

use serde_json::{Map, Value, json};

use super::parts::{Resource, function_arn, pascal, sub};
use crate::policies;
use crate::table::{BUYERS_KEY, FUNCTIONS, OPERATORS_KEY};

pub fn resources() -> Map<String, Value> {
    let of_functions = FUNCTIONS.iter().flat_map(of_function::resources);
    let users = [BUYERS_KEY, OPERATORS_KEY].map(user);
    of_functions.chain(on_schedule::resources()).chain(users).collect()
}

/// A user of the Worker. Its access key is made by hand, or by a deployment, and stands in no template.
fn user(key: &str) -> Resource {
    let policy = json!({
        "PolicyName": "invoke",
        "PolicyDocument": policies::invoking(&policies::of_key(key), function_arn),
    });
    let properties = json!({"UserName": sub(&format!("${{Prefix}}{key}")), "Policies": [policy]});
    (format!("{}User", pascal(key)), json!({"Type": "AWS::IAM::User", "Properties": properties}))
}
