//! Who may do what in a template: each role and user what the table says, and nothing else.

use serde_json::Value;

use super::reading::{FUNCTION, allowed, invocable, named, of_function, of_type, text};
use crate::function::{Function, Right};
use crate::policies;
use crate::table::{ALIAS, BUYERS_KEY, FUNCTIONS, OPERATORS_KEY};

/// What a deployment of code makes, and what must not be in a template.
const NOT_HERE: [(&str, &str); 4] = [
    ("AWS::IAM::AccessKey", "its secret would be in the stack's state"),
    ("AWS::Lambda::Alias", "a stack that rolls back would move it"),
    ("AWS::Lambda::Version", "a stack that rolls back would remove it"),
    ("AWS::Lambda::Url", "it would be open beside the Worker"),
];

pub fn check(template: &Value, found: &mut Vec<String>) {
    for key in [BUYERS_KEY, OPERATORS_KEY] {
        invoking(user(template, key), &policies::of_key(key), &format!("the user {key}"), found);
    }
    for (name, role) in of_type(template, "AWS::IAM::Role") {
        if role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"] == "scheduler.amazonaws.com" {
            invoking(role, &policies::scheduled(), name, found);
        }
    }
    for (name, one) in [of_type(template, "AWS::IAM::Role"), of_type(template, "AWS::IAM::User")].concat() {
        for permission in allowed(one) {
            if permission.action.contains('*') || text(permission.resource).contains('*') {
                found.push(format!("{name}: a permission with a wildcard, {}", permission.action));
            }
        }
    }
    for function in &FUNCTIONS {
        of_role(template, function, found);
    }
    for (kind, why) in NOT_HERE {
        found.extend(
            of_type(template, kind).iter().map(|(name, _)| format!("{name}: no {kind} in the template, {why}")),
        );
    }
}

/// Nothing, if the template has no such user.
fn user<'a>(template: &'a Value, key: &str) -> &'a Value {
    let name = format!("${{Prefix}}{key}");
    let users = of_type(template, "AWS::IAM::User");
    users.into_iter().find(|(_, one)| text(&one["UserName"]) == name).map_or(&Value::Null, |(_, one)| one)
}

/// Whether it may invoke these by the alias, and nothing else of Lambda.
fn invoking(properties: &Value, functions: &[&Function], whose: &str, found: &mut Vec<String>) {
    let permissions = allowed(properties);
    let may = invocable(&permissions);
    let mut meant: Vec<String> = functions.iter().map(|function| format!("{}:{ALIAS}", function.name)).collect();
    meant.sort_unstable();
    for name in meant.iter().filter(|name| !may.contains(&name.as_str())) {
        found.push(format!("{whose} may not invoke {name}"));
    }
    for name in may.iter().filter(|name| !meant.iter().any(|one| one == *name)) {
        found.push(format!("{whose} may invoke {name}, and should not"));
    }
    for permission in permissions {
        if permission.action != "lambda:InvokeFunction" && permission.action != "sqs:SendMessage" {
            found.push(format!("{whose} may {}, and should not", permission.action));
        }
    }
}

/// A function's role: its own log, and what the table says.
fn of_role(template: &Value, function: &Function, found: &mut Vec<String>) {
    let Some((_, properties)) = of_function(template, FUNCTION, "FunctionName", function.name) else { return };
    let mut add = |what: String| found.push(format!("{}: {what}", function.name));
    let role = named(&properties["Role"]);
    if role.is_empty() {
        return add("it has no role of its own: SAM would make one with more rights".into());
    }
    let log = named(&properties["LoggingConfig"]["LogGroup"]);
    let permissions = allowed(&template["Resources"][role]["Properties"]);
    for action in ["logs:CreateLogStream", "logs:PutLogEvents"] {
        if !permissions.iter().any(|one| one.action == action && named(one.resource) == log) {
            add(format!("its role lacks {action} on its log"));
        }
    }
    for permission in &permissions {
        let of_right = |right: &Right| match right {
            Right::ReportFailedRuns => {
                permission.action == "sqs:SendMessage" && named(permission.resource) == "FailedRuns"
            }
            Right::DeliverToTargets => matches!(
                (permission.action, named(permission.resource)),
                ("sqs:SendMessage", "RelayQueues") | ("events:PutEvents", "RelayBuses")
            ),
        };
        let own_log = permission.action.starts_with("logs:") && named(permission.resource) == log;
        if !own_log && !function.rights.iter().any(of_right) {
            add(format!("its role may {} on {}, and should not", permission.action, permission.resource));
        }
    }
}
