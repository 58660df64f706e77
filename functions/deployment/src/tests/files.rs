//! Files that are made from the table, and files that repeat a part of it.

use std::fmt::Write as _;

use serde_json::Value;

use super::{path, read, wrangler};
use crate::edge::{LOCATIONS, OBJECTS, SECRETS, location_near};
use crate::function::{Function, Kind};
use crate::table::{FUNCTIONS, NAMES, RETENTION};
use crate::template::{Ordered, template};
use crate::{checks, documents};

const WRITE: &str = "HOLDFAST_WRITE_DEPLOYMENT";
const TEMPLATE: &str = "functions/template.yaml";
const DOCUMENT: &str = "docs/deploying.md";

/// Compares, or writes where that is wished.
fn compare(file: &str, text: &str) {
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path(file), text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(path(file)).unwrap_or_default();
    let differing: Vec<(&str, &str)> = kept.lines().zip(text.lines()).filter(|(a, b)| a != b).take(5).collect();
    assert!(
        kept == text,
        "if this is meant, write it down: {WRITE}=1 cargo test -p deployment\n{file}: {differing:#?}"
    );
}

#[test]
fn the_template_is_the_tables() {
    let template = template();
    let mut text = String::from(
        "# Made from functions/deployment by `HOLDFAST_WRITE_DEPLOYMENT=1 cargo test -p deployment`. Change the table there.\n",
    );
    write!(text, "{}", serde_saphyr::to_string(&Ordered(&template)).unwrap()).unwrap();
    let back: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(back, template, "YAML says what was meant");
    compare(TEMPLATE, &text);
}

#[test]
fn the_template_that_is_kept_breaks_no_rule() {
    let kept: Value = serde_saphyr::from_str(&read(TEMPLATE)).unwrap();
    assert_eq!(checks::template(&kept), Vec::<String>::new());
}

#[test]
fn the_document_has_the_tables() {
    compare(DOCUMENT, &documents::renewed(&read(DOCUMENT)).unwrap());
    assert!(documents::renewed("# Deploying").is_err(), "a document without a place for a part");
}

#[test]
fn wrangler_toml_breaks_no_rule() {
    assert_eq!(checks::wrangler(&wrangler()), Vec::<String>::new());
}

#[test]
fn every_binary_has_a_row() {
    let files = std::fs::read_dir(path("functions/src/bin")).unwrap();
    let mut binaries: Vec<String> =
        files.map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let mut rows = NAMES;
    binaries.sort_unstable();
    rows.sort_unstable();
    assert_eq!(binaries, rows, "functions/src/bin, and FUNCTIONS of functions/deployment/src/table.rs");
}

#[test]
fn a_function_has_a_schedule_if_its_payload_is_a_tick() {
    for function in &FUNCTIONS {
        let takes_tick = read(&format!("functions/src/bin/{}.rs", function.name)).contains("Tick");
        assert_eq!(function.schedule().is_some(), takes_tick, "the caller of {}", function.name);
    }
}

#[test]
fn every_role_may_connect_as_often_as_the_table_says() {
    let roles = read("schema/roles.sql");
    for function in &FUNCTIONS {
        let row = format!("('{}', {}, ", function.role(), function.connections_max);
        assert_eq!(roles.matches(&row).count(), 1, "schema/roles.sql: {row}");
    }
}

/// Every Rust file of a folder without its tests, as one text.
fn rust_files(folder: &std::path::Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |entry: std::path::PathBuf| match entry.extension() {
        _ if entry.is_dir() => rust_files(&entry),
        Some(extension) if extension == "rs" => {
            let text = std::fs::read_to_string(&entry).unwrap();
            text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
        }
        _ => String::new(),
    };
    entries.map(of).collect()
}

/// The names that stand in quotes after any of `starts`.
fn names_after<'a>(text: &'a str, starts: &[&str]) -> Vec<&'a str> {
    let is_name =
        |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b"_0123456789".contains(&b));
    let after = |start: &&str| text.split(*start).skip(1).filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>();
    starts.iter().flat_map(after).filter(is_name).filter(|name| name.len() > 2).collect()
}

#[test]
fn every_variable_that_a_function_reads_is_in_the_table() {
    let code = rust_files(&path("functions/src"));
    let reads = [
        "config::seconds(\"",
        "config::number(\"",
        "config::hours(\"",
        "config::days(\"",
        "config::switch(\"",
        "config::moment(\"",
        "config::schedule(\"",
        "config::list_of_seconds(\"",
        "config::comma_separated(\"",
        "config::required(\"",
        "required(\"",
        "switch(\"",
        "seconds(\"",
        "hours(\"",
        "trusting(\"",
        "env::var(\"",
        "const CA: &str = \"",
        "number(\"",
    ];
    let known: Vec<String> = FUNCTIONS.iter().flat_map(Function::environment).map(|entry| entry.name).collect();
    let found = names_after(&code, &reads);
    assert!(found.len() > 25, "{found:?}");
    for name in &found {
        assert!(known.iter().any(|one| one == name), "functions/deployment/src/table.rs: no function has {name}");
    }
    let own = FUNCTIONS.iter().flat_map(|function| function.variables).chain(crate::table::OF_ALL);
    for variable in own {
        assert!(found.contains(&variable.name), "no function reads {}", variable.name);
    }
}

#[test]
fn a_parameter_for_retention_has_the_default_of_the_code() {
    let limits = read("functions/src/runtime/limits.rs");
    for variable in RETENTION {
        let line = format!("pub const {}: u64 = ", variable.name);
        let value = limits.split_once(&line).and_then(|(_, rest)| rest.split(';').next()).unwrap().replace('_', "");
        assert!(matches!(variable.kind, Kind::Parameter(default) if default == value), "{}: {value}", variable.name);
    }
}

#[test]
fn every_secret_of_the_worker_is_one_that_it_reads() {
    let config = read("edge/src/runtime/config.rs") + &read("edge/src/auth/operator.rs");
    for secret in SECRETS {
        let read = config.contains(&format!("\"{}\"", secret.name));
        // The key pairs are read by their ends, and the gateways' secrets by the registry.
        let by_parts = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].iter().any(|end| secret.name.ends_with(end));
        let of_gateway = payments::GATEWAYS.iter().any(|gateway| gateway.webhook_secret_variable == secret.name);
        assert!(read || by_parts || of_gateway, "the Worker reads no {}", secret.name);
    }
}

#[test]
fn every_region_of_aws_has_a_location_and_every_binding_a_variable_of_its_name() {
    for (region, near) in [
        ("ap-northeast-2", "apac"),
        ("ap-southeast-1", "apac"),
        ("ap-southeast-2", "oc"),
        ("us-east-1", "enam"),
        ("us-west-2", "wnam"),
        ("eu-central-1", "weur"),
        ("sa-east-1", "sam"),
        ("me-central-1", "me"),
        ("af-south-1", "afr"),
    ] {
        assert_eq!(location_near(region), Some(near), "{region}");
        assert!(LOCATIONS.contains(&near));
    }
    assert_eq!(location_near("atlantis-1"), None);
    // edge/src/runtime/js.js finds it so.
    assert!(OBJECTS.iter().all(|one| one.location_variable == format!("{}_LOCATION", one.binding)));
}

/// A table that a person reads, beside the ones that are made.
#[test]
fn every_function_is_in_the_documents() {
    let (readme, roles, guard) =
        (read("functions/README.md"), read("schema/roles.sql"), read("schema/routines/guard.sql"));
    let durable = guard.split_once("grant execute on function holdfast.assert_durable()").unwrap().1;
    let durable = durable.split(';').next().unwrap();
    let is_there =
        |text: &str, word: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|one| one == word);
    for function in &FUNCTIONS {
        assert!(
            readme.contains(&format!("\n| `{}` | ", function.name)),
            "functions/README.md: a row for {}",
            function.name
        );
        assert!(is_there(&roles, &function.role()), "schema/roles.sql: {}", function.role());
        assert!(
            is_there(durable, &function.role()),
            "schema/routines/guard.sql: assert_durable for {}",
            function.role()
        );
    }
}
