//! The tables and policies in docs/deploying.md that are made from the table, each between two comments that name it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::edge::{LIMITS, LIMITS_PERIOD_S, SECRETS};
use crate::environment::Entry;
use crate::function::{Caller, Function, Kind, Right};
use crate::policies;
use crate::table::{BUYERS_KEY, FUNCTIONS, OPERATORS_KEY, PREFIX, RESERVED, max_connections};
use crate::template::Ordered;

/// Every part by its name.
#[must_use]
pub fn parts() -> [(&'static str, String); 8] {
    [
        ("functions", functions()),
        ("connections", connections()),
        ("environment", environment()),
        ("schedules", schedules()),
        ("buyers' policy", policy(&policies::of_key(BUYERS_KEY))),
        ("operators' policy", policy(&policies::of_key(OPERATORS_KEY))),
        ("scheduler's policy", policy(&policies::scheduled())),
        ("edge", edge()),
    ]
}

/// Puts each part into its place in a document.
///
/// # Errors
/// The part that has no place, or that the document does not end.
pub fn renewed(document: &str) -> Result<String, String> {
    let mut text = document.to_owned();
    for (name, part) in parts() {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
        let (before, rest) = text.split_once(&begin).ok_or_else(|| format!("no {begin}"))?;
        let (_, after) = rest.split_once(&end).ok_or_else(|| format!("no {end}"))?;
        text = format!("{before}{begin}\n{}\n\n{end}{after}", part.trim_end());
    }
    Ok(text)
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        // Writing to a String does not fail.
        let _ = write!(text, "\n| {} |", row.join(" | "));
    }
    text
}

fn functions() -> String {
    let caller = |function: &Function| match function.caller {
        Caller::Edge(BUYERS_KEY) => "the Worker".to_owned(),
        Caller::Edge(_) => "the Worker, for operators".to_owned(),
        Caller::Schedule(_) => "a schedule".to_owned(),
    };
    let rights = |function: &Function| match function.rights {
        [] => String::new(),
        rights if rights.contains(&Right::DeliverToTargets) => {
            "report a failed run, deliver to queues and buses".to_owned()
        }
        _ => "report a failed run".to_owned(),
    };
    let row = |function: &Function| {
        vec![
            format!("`{}`", function.name),
            format!("{} s", function.timeout_s),
            format!("{} MB", function.memory_mb),
            function.reserved.to_string(),
            caller(function),
            format!("`{}`", function.role()),
            rights(function),
        ]
    };
    let head =
        ["function", "timeout", "memory", "reserved concurrency", "invoked by", "role in the database", "may also"];
    table(&head, FUNCTIONS.iter().map(row))
}

fn connections() -> String {
    let needed = max_connections(RESERVED);
    format!(
        "Together they have {RESERVED} instances, each with one connection, so the database needs `max_connections` of\n\
         {needed} at least; a fifth is left for a migration, an operator and a deployment."
    )
}

fn environment() -> String {
    let names = |function: &Function, fits: &dyn Fn(&Entry) -> bool| {
        let of_all = |entry: &Entry| crate::table::OF_ALL.iter().any(|one| one.name == entry.name);
        let named = function.environment().into_iter().filter(|entry| !of_all(entry) && fits(entry));
        named.map(|entry| format!("`{}`", entry.name)).collect::<Vec<_>>().join(", ")
    };
    let row = |function: &Function| {
        vec![
            format!("`{}`", function.name),
            names(function, &|entry| entry.kind == Kind::Secret),
            names(function, &|entry| matches!(entry.kind, Kind::Parameter(_))),
            names(function, &|entry| entry.kind == Kind::Tuning),
        ]
    };
    let head = ["function", "in its secret", "parameters of the template", "left as they are"];
    table(&head, FUNCTIONS.iter().map(row))
}

fn schedules() -> String {
    let row = |function: &&Function| {
        let schedule = function.schedule()?;
        Some(vec![
            format!("`{}`", function.name),
            if schedule.every_min == 1 { "minute".to_owned() } else { format!("{} minutes", schedule.every_min) },
            format!("{} times, {} s", schedule.delivery_retries, schedule.delivery_age_max_s),
            format!("{} times, {} s", schedule.run_retries, schedule.run_age_max_s),
            function.overlapping_runs().to_string(),
        ])
    };
    let head = [
        "function",
        "every",
        "a tick that Lambda does not take is tried again",
        "a run that failed or waits is tried again",
        "runs that may overlap",
    ];
    table(&head, policies::scheduled().iter().filter_map(row))
}

fn policy(functions: &[&Function]) -> String {
    let arn = |name: &str| Value::from(format!("arn:aws:lambda:ap-northeast-2:111122223333:function:{PREFIX}{name}"));
    let policy = policies::invoking(functions, arn);
    // What is made of texts alone can be printed.
    let text = serde_json::to_string_pretty(&Ordered(&policy)).unwrap_or_default();
    format!("```json\n{text}\n```")
}

fn edge() -> String {
    let secret = |secret: &crate::edge::Secret| {
        vec![
            format!("`{}`", secret.name),
            if secret.required { "yes" } else { "no" }.to_owned(),
            secret.also_at.map(|function| format!("`{function}`")).unwrap_or_default(),
        ]
    };
    let secrets = table(&["secret of the Worker", "required", "also at"], SECRETS.iter().map(secret));
    let limit = |(name, limit): &(&str, u64)| vec![format!("`{name}`"), format!("{limit} in {LIMITS_PERIOD_S} s")];
    let limits = table(&["limit of an address", "requests"], LIMITS.iter().map(limit));
    format!("{secrets}\n\n{limits}")
}
