//! The schedules: each with its target, its retries and its queue, and the role that they run with.

use serde_json::{Value, json};

use crate::function::{Function, Schedule};
use crate::policies;
use crate::table::ALIAS;
use crate::template::parts::{Resource, alarm, att, function_arn, pascal, role_of_service, sub};

/// Fourteen days, the longest that a queue keeps a message.
const KEPT_S: u64 = 1_209_600;
/// The two queues: of ticks that Lambda did not take, and of runs that failed.
const MISSED_TICKS: &str = "MissedTicks";
const FAILED_RUNS: &str = "FailedRuns";

pub fn resources() -> Vec<Resource> {
    let mut made = vec![("SchedulerRole".to_owned(), role())];
    for (queue, description) in
        [(MISSED_TICKS, "A scheduled function could not be invoked"), (FAILED_RUNS, "A scheduled function failed")]
    {
        let kept = json!({
            "Type": "AWS::SQS::Queue",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"MessageRetentionPeriod": KEPT_S, "SqsManagedSseEnabled": true},
        });
        made.push((queue.to_owned(), kept));
        let metric = json!({
            "Namespace": "AWS/SQS",
            "MetricName": "NumberOfMessagesSent",
            "Dimensions": [{"Name": "QueueName", "Value": att(queue, "QueueName")}],
        });
        made.push((format!("{queue}Alarm"), alarm(metric, 1, 1, description)));
    }
    for function in policies::scheduled() {
        let Some(schedule) = function.schedule() else { continue };
        let name = pascal(function.name);
        made.push((format!("{name}Schedule"), tick(function, schedule)));
        made.push((format!("{name}Runs"), runs(function, schedule)));
    }
    made
}

/// `rate(1 minute)`, `rate(10 minutes)`.
fn rate(every_min: u64) -> String {
    format!("rate({every_min} minute{})", if every_min == 1 { "" } else { "s" })
}

fn tick(function: &Function, schedule: Schedule) -> Value {
    // In the order in which docs/deploying.md has it: it is a text, and read as one.
    let input = format!(
        "{{\"job\":\"{}\",\"scheduled_time\":\"<aws.scheduler.scheduled-time>\",\
         \"execution_id\":\"<aws.scheduler.execution-id>\",\"attempt\":\"<aws.scheduler.attempt-number>\"}}",
        function.name
    );
    json!({
        "Type": "AWS::Scheduler::Schedule",
        "Condition": "IsLive",
        "Properties": {
            "Name": sub(&format!("${{Prefix}}{}", function.name)),
            "ScheduleExpression": rate(schedule.every_min),
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "ENABLED",
            "Target": {
                "Arn": function_arn(&format!("{}:{ALIAS}", function.name)),
                "RoleArn": att("SchedulerRole", "Arn"),
                "Input": input,
                "RetryPolicy": {
                    "MaximumRetryAttempts": schedule.delivery_retries,
                    "MaximumEventAgeInSeconds": schedule.delivery_age_max_s,
                },
                "DeadLetterConfig": {"Arn": att(MISSED_TICKS, "Arn")},
            },
        },
    })
}

/// What becomes of a run that fails or waits: Scheduler's invocations are asynchronous.
fn runs(function: &Function, schedule: Schedule) -> Value {
    json!({
        "Type": "AWS::Lambda::EventInvokeConfig",
        "Condition": "IsLive",
        "Properties": {
            "FunctionName": {"Ref": format!("{}Function", pascal(function.name))},
            "Qualifier": ALIAS,
            "MaximumRetryAttempts": schedule.run_retries,
            "MaximumEventAgeInSeconds": schedule.run_age_max_s,
            "DestinationConfig": {"OnFailure": {"Destination": att(FAILED_RUNS, "Arn")}},
        },
    })
}

fn role() -> Value {
    let invoke = json!({
        "PolicyName": "invoke",
        "PolicyDocument": policies::invoking(&policies::scheduled(), function_arn),
    });
    let report = json!({
        "PolicyName": "report",
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": att(MISSED_TICKS, "Arn")}],
        },
    });
    let ours = json!({"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}});
    role_of_service("scheduler", ours, json!([invoke, report]))
}
