//! What the resources are put together from: references, names, alarms.

use serde_json::{Value, json};

/// A resource of the template by its name there.
pub type Resource = (String, Value);

pub fn sub(text: &str) -> Value {
    json!({"Fn::Sub": text})
}

/// An attribute of another resource.
pub fn att(resource: &str, attribute: &str) -> Value {
    json!({"Fn::GetAtt": [resource, attribute]})
}

/// A function's ARN by the part that follows the prefix, which may have a qualifier.
pub fn function_arn(name: &str) -> Value {
    sub(&format!("arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:${{Prefix}}{name}"))
}

/// A role that this service of AWS takes on. `condition`: null, or when it may.
pub fn role_of_service(service: &str, condition: Value, policies: Value) -> Value {
    let mut statement = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": format!("{service}.amazonaws.com")}});
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    json!({
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "Policies": policies,
        },
    })
}

/// An alarm over sums of a minute.
pub fn alarm(metric: Value, threshold: u64, minutes: u64, description: &str) -> Value {
    let mut properties = json!({
        "AlarmDescription": format!("{description} (docs/operations.md#alarms)"),
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": threshold,
        "EvaluationPeriods": minutes,
        "Period": 60,
        "Statistic": "Sum",
        "TreatMissingData": "notBreaching",
        "AlarmActions": {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]},
    });
    if let (Value::Object(properties), Value::Object(metric)) = (&mut properties, metric) {
        properties.extend(metric);
    }
    json!({"Type": "AWS::CloudWatch::Alarm", "Properties": properties})
}

/// `DATABASE_CA_FILE` as a name in the template: `DatabaseCaFile`.
pub fn pascal(name: &str) -> String {
    let words = name.split(['_', '-']).filter(|word| !word.is_empty());
    let word = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    };
    words.map(word).collect()
}
