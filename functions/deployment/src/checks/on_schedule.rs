//! The schedules in a template, and what becomes of a tick or a run that fails.

use serde_json::Value;

use super::reading::{FUNCTION, allowed, invocable, named, number, of_function, of_type, text};
use crate::function::{Function, Schedule};
use crate::policies;
use crate::table::ALIAS;

const SCHEDULE: &str = "AWS::Scheduler::Schedule";
/// What Scheduler and Lambda do where nothing is said.
const DEFAULT_DELIVERY_RETRIES: u64 = 185;
const DEFAULT_DELIVERY_AGE_S: u64 = 86_400;
const DEFAULT_RUN_RETRIES: u64 = 2;
const DEFAULT_RUN_AGE_S: u64 = 21_600;

pub fn check(template: &Value, found: &mut Vec<String>) {
    for function in policies::scheduled() {
        let Some(schedule) = function.schedule() else { continue };
        let mut add = |what: String| found.push(format!("{}: {what}", function.name));
        match of_function(template, SCHEDULE, "Name", function.name) {
            None => add("nothing invokes it: the template has no schedule of its name".into()),
            Some((_, properties)) => {
                beat(schedule, properties, &mut add);
                target(template, function, schedule, &properties["Target"], &mut add);
            }
        }
        runs(template, function, schedule, &mut add);
        reporting(template, function, &mut add);
    }
    for (resource, properties) in of_type(template, SCHEDULE) {
        let name = text(&properties["Name"]);
        if !policies::scheduled().iter().any(|function| name == format!("${{Prefix}}{}", function.name)) {
            found.push(format!("{resource}: the table schedules no {name}"));
        }
    }
}

fn beat(schedule: Schedule, properties: &Value, add: &mut impl FnMut(String)) {
    let expression = text(&properties["ScheduleExpression"]);
    if minutes(expression) != Some(schedule.every_min) {
        add(format!("ScheduleExpression {expression:?} is not every {} min", schedule.every_min));
    }
    if text(&properties["ScheduleExpressionTimezone"]) != "UTC" {
        add("ScheduleExpressionTimezone is not UTC".into());
    }
    if properties["FlexibleTimeWindow"]["Mode"] != "OFF" {
        add("FlexibleTimeWindow is not OFF: its ticks may be a window late".into());
    }
    if properties["State"] != "ENABLED" {
        add("its schedule is not ENABLED".into());
    }
}

/// `rate(1 minute)` or `rate(10 minutes)`: Scheduler refuses `rate(1 minutes)`.
fn minutes(expression: &str) -> Option<u64> {
    let (number, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let number = number.parse().ok()?;
    ((number == 1) == (unit == "minute") && (number != 1) == (unit == "minutes")).then_some(number)
}

fn target(template: &Value, function: &Function, schedule: Schedule, target: &Value, add: &mut impl FnMut(String)) {
    let qualified = format!("{}:{ALIAS}", function.name);
    if !text(&target["Arn"]).ends_with(&format!(":function:${{Prefix}}{qualified}")) {
        add(format!("its schedule does not invoke the alias {ALIAS}"));
    }
    let role = allowed(&template["Resources"][named(&target["RoleArn"])]["Properties"]);
    if !invocable(&role).contains(&qualified.as_str()) {
        add(format!("its schedule's role may not invoke {qualified}"));
    }
    let queue = named(&target["DeadLetterConfig"]["Arn"]);
    if queue.is_empty() {
        add("a tick that cannot be delivered is lost: its schedule has no DeadLetterConfig".into());
    } else if !role.iter().any(|one| one.action == "sqs:SendMessage" && named(one.resource) == queue) {
        add(format!("its schedule's role may not write to {queue}"));
    }
    let policy = &target["RetryPolicy"];
    let retries = number(template, &policy["MaximumRetryAttempts"]).unwrap_or(DEFAULT_DELIVERY_RETRIES);
    let age_s = number(template, &policy["MaximumEventAgeInSeconds"]).unwrap_or(DEFAULT_DELIVERY_AGE_S);
    if retries > schedule.delivery_retries || age_s > schedule.delivery_age_max_s {
        add(format!("a tick is tried {retries} times more, for {age_s} s: ticks pile up while Lambda refuses them"));
    }
    let input: Value = serde_json::from_str(text(&target["Input"])).unwrap_or_default();
    if input["job"] != function.name {
        add("the Input of its schedule does not name it as the job".into());
    }
    for (member, attribute) in
        [("scheduled_time", "scheduled-time"), ("execution_id", "execution-id"), ("attempt", "attempt-number")]
    {
        if input[member] != format!("<aws.scheduler.{attribute}>") {
            add(format!("the Input of its schedule has no {member}"));
        }
    }
}

/// Scheduler's invocations are asynchronous: Lambda keeps them in a queue and runs failed ones again.
fn runs(template: &Value, function: &Function, schedule: Schedule, add: &mut impl FnMut(String)) {
    let Some((resource, _)) = of_function(template, FUNCTION, "FunctionName", function.name) else { return };
    let all = of_type(template, "AWS::Lambda::EventInvokeConfig");
    let of_this = |one: &Value| named(&one["FunctionName"]) == resource && one["Qualifier"] == ALIAS;
    let config = all.iter().find(|(_, one)| of_this(one)).map_or(&Value::Null, |(_, one)| *one);
    let retries = number(template, &config["MaximumRetryAttempts"]).unwrap_or(DEFAULT_RUN_RETRIES);
    let age_s = number(template, &config["MaximumEventAgeInSeconds"]).unwrap_or(DEFAULT_RUN_AGE_S);
    if retries > schedule.run_retries {
        add(format!("a failed run of {ALIAS} is repeated {retries} times, beside the next tick's"));
    }
    if age_s > schedule.run_age_max_s {
        add(format!("a tick of {ALIAS} may wait {age_s} s in Lambda's queue, and more ticks behind it"));
    }
    if config["DestinationConfig"]["OnFailure"]["Destination"].is_null() {
        add(format!("a failed run of {ALIAS} is told to nobody"));
    }
}

/// Lambda writes to the destination with the function's own rights.
fn reporting(template: &Value, function: &Function, add: &mut impl FnMut(String)) {
    let Some((resource, properties)) = of_function(template, FUNCTION, "FunctionName", function.name) else { return };
    let role = allowed(&template["Resources"][named(&properties["Role"])]["Properties"]);
    for (_, config) in of_type(template, "AWS::Lambda::EventInvokeConfig") {
        let queue = named(&config["DestinationConfig"]["OnFailure"]["Destination"]);
        let may = || role.iter().any(|one| one.action == "sqs:SendMessage" && named(one.resource) == queue);
        if named(&config["FunctionName"]) == resource && !queue.is_empty() && !may() {
            add(format!("its role may not write to {queue}"));
        }
    }
}
