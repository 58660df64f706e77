//! Reads a template: resources by type, what a value resolves to, what a policy allows.

use serde_json::Value;

/// The type of a function in a template of SAM.
pub const FUNCTION: &str = "AWS::Serverless::Function";

/// Resources of a type, by their names.
pub fn of_type<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources.filter(|(_, one)| one["Type"] == kind).map(|(name, one)| (name.as_str(), &one["Properties"])).collect()
}

/// A text, or the text of a `Fn::Sub`.
pub fn text(value: &Value) -> &str {
    value.as_str().or_else(|| value["Fn::Sub"].as_str()).unwrap_or_default()
}

/// A number, or the default of the parameter that is referred to.
pub fn number(template: &Value, value: &Value) -> Option<u64> {
    let default = || template["Parameters"][value["Ref"].as_str()?]["Default"].as_u64();
    value.as_u64().or_else(default)
}

/// The resource that a value names, by `Ref` or `Fn::GetAtt`.
pub fn named(value: &Value) -> &str {
    value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str()).unwrap_or_default()
}

/// The resource of a type whose name is this function's, as it is deployed.
pub fn of_function<'a>(template: &'a Value, kind: &str, member: &str, function: &str) -> Option<(&'a str, &'a Value)> {
    let deployed = format!("${{Prefix}}{function}");
    of_type(template, kind).into_iter().find(|(_, one)| text(&one[member]) == deployed)
}

/// One thing that a role or a user may do.
pub struct Allowed<'a> {
    pub action: &'a str,
    pub resource: &'a Value,
}

/// Everything that the policies of a role or a user allow, those under a condition too.
pub fn allowed<'a>(properties: &'a Value) -> Vec<Allowed<'a>> {
    let policies = properties["Policies"].as_array().into_iter().flatten();
    let statements = policies.flat_map(|policy| {
        let policy = if policy["Fn::If"].is_array() { &policy["Fn::If"][1] } else { policy };
        each(&policy["PolicyDocument"]["Statement"])
    });
    let of = |statement: &'a Value| {
        let resources = each(&statement["Resource"]);
        each(&statement["Action"]).into_iter().flat_map(move |action| {
            let action = action.as_str().unwrap_or_default();
            resources.clone().into_iter().map(move |resource| Allowed { action, resource })
        })
    };
    statements.filter(|statement| statement["Effect"] == "Allow").flat_map(of).collect()
}

/// The items of a list, or the one value that stands in its place.
fn each(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// The qualified functions whose invocation is allowed: `reserve:live`.
pub fn invocable<'a>(allowed: &[Allowed<'a>]) -> Vec<&'a str> {
    let invoking = allowed.iter().filter(|one| one.action == "lambda:InvokeFunction");
    let name = |one: &Allowed<'a>| text(one.resource).rsplit_once(":function:${Prefix}").map_or("?", |(_, name)| name);
    let mut names: Vec<&str> = invoking.map(name).collect();
    names.sort_unstable();
    names
}
