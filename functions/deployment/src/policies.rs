//! Who may invoke what: a policy for each key of the Worker, and one for EventBridge Scheduler. None allows anything else.

use serde_json::{Value, json};

use crate::function::{Caller, Function};
use crate::table::{ALIAS, FUNCTIONS};

/// The functions that a key pair of the Worker may invoke.
#[must_use]
pub fn of_key(key: &str) -> Vec<&'static Function> {
    FUNCTIONS.iter().filter(|function| matches!(function.caller, Caller::Edge(one) if one == key)).collect()
}

/// The functions that EventBridge Scheduler may invoke.
#[must_use]
pub fn scheduled() -> Vec<&'static Function> {
    FUNCTIONS.iter().filter(|function| function.schedule().is_some()).collect()
}

/// A policy that allows these functions to be invoked by the alias, and by nothing else: a call that names no alias is
/// refused, and so is found in a test. `arn`: what stands before a function's name.
#[must_use]
pub fn invoking(functions: &[&Function], arn: impl Fn(&str) -> Value) -> Value {
    let resources: Vec<Value> = functions.iter().map(|one| arn(&format!("{}:{ALIAS}", one.name))).collect();
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": resources}],
    })
}
