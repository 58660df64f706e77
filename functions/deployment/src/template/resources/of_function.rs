//! One function: itself, its role, its log, its alarms.

use serde_json::{Map, Value, json};

use crate::environment::Entry;
use crate::function::{Caller, Function, Kind, Right};
use crate::table::LOG_KEEP_D;
use crate::template::parameters::{concurrency, condition_of_gateway, condition_of_parameter};
use crate::template::parts::{Resource, alarm, att, pascal, role_of_service, sub};

pub fn resources(function: &Function) -> Vec<Resource> {
    let name = pascal(function.name);
    let deployed = format!("${{Prefix}}{}", function.name);
    let logs = json!({
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"LogGroupName": sub(&format!("/aws/lambda/{deployed}")), "RetentionInDays": LOG_KEEP_D},
    });
    let reserved = concurrency(function).map_or_else(|| json!(function.reserved), |name| json!({"Ref": name}));
    let itself = json!({
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "FunctionName": sub(&deployed),
            "CodeUri": format!("../target/lambda/{}/bootstrap.zip", function.name),
            "Timeout": function.timeout_s,
            "MemorySize": function.memory_mb,
            "ReservedConcurrentExecutions": reserved,
            "Role": att(&format!("{name}Role"), "Arn"),
            "LoggingConfig": {"LogFormat": "JSON", "LogGroup": {"Ref": format!("{name}Logs")}},
            "Environment": {"Variables": environment(function)},
        },
    });
    let mut made = vec![
        (format!("{name}Function"), itself),
        (format!("{name}Logs"), logs),
        (format!("{name}Role"), role(function, &name)),
    ];
    // A failed run on schedule is in the queue of failed runs, which has an alarm of its own.
    if let Caller::Edge(_) = function.caller {
        let metric = |metric: &str| {
            json!({
                "Namespace": "AWS/Lambda",
                "MetricName": metric,
                "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": format!("{name}Function")}}],
            })
        };
        let throttled = "For three minutes calls found no free instance";
        made.push((format!("{name}Throttled"), alarm(metric("Throttles"), 1, 3, throttled)));
        let failing = "For three minutes calls failed";
        made.push((format!("{name}Failing"), alarm(metric("Errors"), 1, 3, failing)));
    }
    made
}

fn environment(function: &Function) -> Map<String, Value> {
    let nothing = json!({"Ref": "AWS::NoValue"});
    let value = |Entry { name, kind, gateway }: Entry| {
        let value = match kind {
            Kind::Tuning => return None,
            Kind::Parameter("") => json!({"Fn::If": [condition_of_parameter(&name), {"Ref": pascal(&name)}, nothing]}),
            Kind::Parameter(_) => json!({"Ref": pascal(&name)}),
            Kind::Secret => {
                let secret = format!("${{Secrets}}{}:SecretString:{name}", function.name);
                let resolved = sub(&format!("{{{{resolve:secretsmanager:{secret}}}}}"));
                match gateway {
                    Some(gateway) => json!({"Fn::If": [condition_of_gateway(gateway), resolved, nothing]}),
                    None => resolved,
                }
            }
        };
        Some((name, value))
    };
    function.environment().into_iter().filter_map(value).collect()
}

/// What Lambda runs it as: it may write its own log, and do what the table says.
fn role(function: &Function, name: &str) -> Value {
    let allow = |actions: &[&str], resource: Value| {
        json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resource}],
        })
    };
    let policy = |name: &str, document: Value| json!({"PolicyName": name, "PolicyDocument": document});
    let logs = allow(&["logs:CreateLogStream", "logs:PutLogEvents"], att(&format!("{name}Logs"), "Arn"));
    let mut policies = vec![policy("log", logs)];
    for right in function.rights {
        match right {
            Right::ReportFailedRuns => {
                policies.push(policy("report", allow(&["sqs:SendMessage"], att("FailedRuns", "Arn"))));
            }
            Right::DeliverToTargets => {
                for (condition, action, parameter) in [
                    ("HasRelayQueues", "sqs:SendMessage", "RelayQueues"),
                    ("HasRelayBuses", "events:PutEvents", "RelayBuses"),
                ] {
                    let named = policy(&parameter.to_ascii_lowercase(), allow(&[action], json!({"Ref": parameter})));
                    policies.push(json!({"Fn::If": [condition, named, {"Ref": "AWS::NoValue"}]}));
                }
            }
        }
    }
    role_of_service("lambda", Value::Null, policies.into())
}
