//! Mistakes that are made in a template, each of which a rule must find: what is changed, and words of the finding.

use serde_json::{Value, json};

use crate::checks;
use crate::template::{parts, template};

/// Where in the template, what stands there instead, and words of what is found. `null` removes.
type Mistake = (&'static str, Value, &'static str);

const POLICY: &str = "Policies/0/PolicyDocument/Statement/0";

fn mistakes() -> Vec<Mistake> {
    let arn = parts::function_arn;
    let to_queues = json!({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": {"Ref": "RelayQueues"}});
    vec![
        // Lambda's defaults, and time-outs shorter than the deadlines inside.
        ("ConfirmFunction/Properties/Timeout", Value::Null, "confirm: Timeout is 3 s"),
        ("ConfirmFunction/Properties/Timeout", json!(20), "confirm: Timeout is 20 s"),
        ("RelayFunction/Properties/Timeout", json!(60), "relay: Timeout is 60 s"),
        ("ExpireFunction/Properties/Timeout", json!(60), "expire: Timeout is 60 s"),
        ("ReserveFunction/Properties/MemorySize", Value::Null, "reserve: MemorySize is 128 MB"),
        // Concurrency.
        ("ReleaseFunction/Properties/ReservedConcurrentExecutions", Value::Null, "release: no reserved concurrency"),
        ("RefundFunction/Properties/ReservedConcurrentExecutions", json!(3), "refund: 3 instances for 3 runs"),
        (
            "AdminFunction/Properties/ReservedConcurrentExecutions",
            json!(21),
            "admin: 21 instances, and its role may have 20",
        ),
        ("Parameters/ReserveConcurrency/Default", json!(12), "reserve: 12 instances, and 24 are meant"),
        ("Parameters/ReserveConcurrency/Default", json!(1_000), "an account reserves 900 at most"),
        ("ReserveThrottled", Value::Null, "reserve: no alarm tells of its Throttles"),
        ("ConfirmFailing", Value::Null, "confirm: no alarm tells of its Errors"),
        // Code, versions, the alias.
        ("Globals/Function/Runtime", json!("provided.al2"), "reserve: Runtime is not provided.al2023"),
        ("Globals/Function/Architectures", Value::Null, "reserve: Architectures is not arm64"),
        ("ReserveFunction/Properties/SnapStart", json!({"ApplyOn": "PublishedVersions"}), "reserve: SnapStart"),
        ("Globals/Function/AutoPublishAlias", json!("live"), "reserve: AutoPublishAlias"),
        (
            "Live",
            json!({"Type": "AWS::Lambda::Alias", "Properties": {}}),
            "Live: no AWS::Lambda::Alias in the template",
        ),
        // Schedules.
        ("ExpireSchedule", Value::Null, "expire: nothing invokes it"),
        ("ExpireSchedule/Properties/ScheduleExpression", json!("rate(1 minutes)"), "expire: ScheduleExpression"),
        ("ReconcileSchedule/Properties/ScheduleExpression", json!("rate(1 minute)"), "reconcile: ScheduleExpression"),
        ("AuditSchedule/Properties/ScheduleExpressionTimezone", Value::Null, "audit: ScheduleExpressionTimezone"),
        ("ExpireSchedule/Properties/FlexibleTimeWindow/Mode", json!("FLEXIBLE"), "expire: FlexibleTimeWindow"),
        ("ExpireSchedule/Properties/State", json!("DISABLED"), "expire: its schedule is not ENABLED"),
        ("ExpireSchedule/Properties/Target/Arn", arn("expire"), "expire: its schedule does not invoke the alias"),
        ("ExpireSchedule/Properties/Target/Input", Value::Null, "expire: the Input of its schedule does not name it"),
        (
            "ExpireSchedule/Properties/Target/Input",
            json!("{\"job\":\"expire\"}"),
            "expire: the Input of its schedule has no scheduled_time",
        ),
        // What fails.
        ("ExpireSchedule/Properties/Target/RetryPolicy", Value::Null, "expire: a tick is tried 185 times more"),
        (
            "ExpireSchedule/Properties/Target/RetryPolicy/MaximumEventAgeInSeconds",
            Value::Null,
            "expire: a tick is tried 2 times more, for 86400 s",
        ),
        (
            "ExpireSchedule/Properties/Target/DeadLetterConfig",
            Value::Null,
            "expire: a tick that cannot be delivered is lost",
        ),
        ("RefundRuns", Value::Null, "refund: a failed run of live is repeated 2 times"),
        ("RefundRuns/Properties/Qualifier", json!("$LATEST"), "refund: a tick of live may wait 21600 s"),
        ("RelayRuns/Properties/MaximumRetryAttempts", json!(1), "relay: a failed run of live is repeated 1 times"),
        ("RelayRuns/Properties/DestinationConfig", Value::Null, "relay: a failed run of live is told to nobody"),
        // Rights that are missing.
        (
            &*format!("SchedulerRole/Properties/{POLICY}/Resource/0").leak(),
            arn("expire"),
            "expire: its schedule's role may not invoke expire:live",
        ),
        (
            "SchedulerRole/Properties/Policies/1",
            Value::Null,
            "expire: its schedule's role may not write to MissedTicks",
        ),
        ("AuditRole/Properties/Policies/1", Value::Null, "audit: its role may not write to FailedRuns"),
        ("ReserveRole/Properties/Policies/0", Value::Null, "reserve: its role lacks logs:PutLogEvents"),
        ("ReserveFunction/Properties/Role", Value::Null, "reserve: it has no role of its own"),
        (
            &*format!("EdgeUser/Properties/{POLICY}/Action").leak(),
            json!("lambda:InvokeFunctionn"),
            "the user edge may not invoke reserve:live",
        ),
        (
            &*format!("EdgeUser/Properties/{POLICY}/Resource/0").leak(),
            arn("reserve"),
            "the user edge may not invoke reserve:live",
        ),
        // Rights that are too many.
        (
            &*format!("EdgeUser/Properties/{POLICY}/Resource/4").leak(),
            arn("refund:live"),
            "the user edge may invoke refund:live",
        ),
        (
            &*format!("EdgeUser/Properties/{POLICY}/Resource/0").leak(),
            arn("*"),
            "EdgeUser: a permission with a wildcard",
        ),
        (
            "AuditRole/Properties/Policies/2",
            json!({"PolicyDocument": {"Statement": [to_queues]}}),
            "audit: its role may sqs:SendMessage on",
        ),
        ("EdgeKey", json!({"Type": "AWS::IAM::AccessKey", "Properties": {}}), "EdgeKey: no AWS::IAM::AccessKey"),
        // Environment and log.
        (
            "AdminFunction/Properties/Environment/Variables/SEAL_KEY",
            json!("c2VjcmV0"),
            "admin: SEAL_KEY is not read from the function's own secret",
        ),
        (
            "AuditFunction/Properties/Environment/Variables/DATABASE_URL",
            json!({"Fn::Sub": "{{resolve:secretsmanager:${Secrets}admin:SecretString:DATABASE_URL}}"}),
            "audit: DATABASE_URL is not read from the function's own secret",
        ),
        (
            "ConfirmFunction/Properties/Environment/Variables/CONFIRM_KEY",
            Value::Null,
            "confirm: its environment has no CONFIRM_KEY",
        ),
        ("ExpireFunction/Properties/Environment/Variables/SWEEP_FOR_S", json!("59"), "expire: SWEEP_FOR_S is set"),
        ("AuditFunction/Properties/Environment/Variables/SEAL_KEY", json!(""), "audit: the table gives it no SEAL_KEY"),
        ("LookupLogs/Properties/RetentionInDays", Value::Null, "lookup: its log is not removed"),
        ("LookupFunction", Value::Null, "lookup: the template has no such function"),
        (
            "ReserveFunction/Properties/FunctionName",
            json!("reserve"),
            "ReserveFunction: the table has no function reserve",
        ),
    ]
}

/// The template with one thing changed. What is not said to be elsewhere is among the resources.
fn changed(template: &Value, place: &str, to: Value) -> Value {
    let mut changed = template.clone();
    let elsewhere = place.starts_with("Globals/") || place.starts_with("Parameters/");
    let pointer = if elsewhere { format!("/{place}") } else { format!("/Resources/{place}") };
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match changed.pointer_mut(parent).unwrap_or_else(|| panic!("the template has no {parent}")) {
        Value::Object(members) if to.is_null() => drop(members.remove(last).unwrap_or_else(|| panic!("no {place}"))),
        Value::Object(members) => drop(members.insert(last.to_owned(), to)),
        Value::Array(items) if to.is_null() => drop(items.remove(last.parse().unwrap())),
        Value::Array(items) => {
            let at: usize = last.parse().unwrap();
            items.splice(at..(at + 1).min(items.len()), [to]);
        }
        other => panic!("{parent} is {other}"),
    }
    changed
}

#[test]
fn each_mistake_in_the_template_is_found() {
    let right = template();
    assert_eq!(checks::template(&right), Vec::<String>::new());
    for (place, to, words) in mistakes() {
        let wrong = changed(&right, place, to.clone());
        assert_ne!(wrong, right, "{place} = {to} changes nothing");
        let found = checks::template(&wrong);
        assert!(found.iter().any(|one| one.contains(words)), "{place} = {to}: {words:?} is not in {found:#?}");
    }
}

/// Everything that a rule reads is at its place in a template of somebody else, or the rule says so.
#[test]
fn an_empty_template_lacks_everything() {
    let found = checks::template(&json!({}));
    for function in crate::NAMES {
        assert!(found.contains(&format!("{function}: the template has no such function")), "{found:#?}");
    }
    assert!(found.iter().any(|one| one == "the user edge-admin may not invoke admin:live"), "{found:#?}");
}
