//! Deadlines nest from the page inward: the inner part gives up first and reports it, and no part retries while the
//! first question is still being answered.

use std::path::Path;

use stack::workspace;

fn read(file: &str) -> String {
    std::fs::read_to_string(workspace::root().join(file)).unwrap()
}

/// `NAME: u64 = 1_500;` or `NAME = 1500;`.
fn number(text: &str, name: &str) -> Option<u64> {
    let of_a_line = |line: &str| {
        let (before, after) = line.split_once(name)?;
        let (_, value) =
            after.split_once('=').filter(|(kind, _)| ["", ": u64", ": usize"].contains(&kind.trim_end()))?;
        let digits: String = value.trim().trim_end_matches(';').replace('_', "");
        (before.is_empty() || before.ends_with(' ')).then(|| digits.parse().ok()).flatten()
    };
    text.lines().find_map(of_a_line)
}

fn of(file: &str, name: &str) -> u64 {
    number(&read(file), name).unwrap_or_else(|| panic!("{file} has no {name}"))
}

/// The page's patience, in whichever of its files it stands.
fn page(name: &str) -> u64 {
    let files = std::fs::read_dir(workspace::root().join("edge/shop")).unwrap();
    let scripts = files.map(|file| file.unwrap().path()).filter(|file| file.extension().is_some_and(|ext| ext == "js"));
    let found: Vec<u64> = scripts
        .filter_map(|file: std::path::PathBuf| number(&std::fs::read_to_string(Path::new(&file)).unwrap(), name))
        .collect();
    assert_eq!(found.len(), 1, "the page has one {name}: {found:?}");
    found[0]
}

/// What every function's role has; `tests/it/transactions/stolen.rs` asks the database for it.
fn of_roles(setting: &str) -> u64 {
    let roles = read("schema/roles.sql");
    let needle = format!("'{setting}=");
    let found: Vec<u64> =
        roles.split(&needle).skip(1).map(|rest| rest.split_once("ms'").unwrap().0.parse().unwrap()).collect();
    assert_eq!(found.len(), 1, "{setting}: {found:?}");
    found[0]
}

#[test]
fn inner_deadlines_end_before_outer_ones() {
    let (edge, functions) = ("edge/src/runtime/limits.rs", "functions/src/runtime/limits.rs");
    let place_and_call = of(edge, "PLACE_WAIT_MS") + of(edge, "INVOKE_DEADLINE_MS");
    let nest = [
        ("the page's patience", page("DEADLINE_MS")),
        ("the Worker's with a Gate", of(edge, "GATE_DEADLINE_MS")),
        ("a place and a call", place_and_call),
        ("a call", of(edge, "INVOKE_DEADLINE_MS")),
        ("a function's call of the database", of(functions, "CALL_DEADLINE_MS")),
        ("a statement", of(functions, "STATEMENT_TIMEOUT_MS")),
        ("a lock", of(functions, "LOCK_TIMEOUT_MS")),
    ];
    for pair in nest.windows(2) {
        assert!(pair[0].1 > pair[1].1, "{pair:?}");
    }
}

/// Callers that wait during a gateway's lookup: the page, and a gateway that waits for its webhook's response.
#[test]
fn callers_wait_longer_than_the_functions_wait_for_a_gateway() {
    let (edge, functions) = ("edge/src/runtime/limits.rs", "functions/src/runtime/limits.rs");
    let call = of(edge, "PLACE_WAIT_MS") + of(edge, "GATEWAY_DEADLINE_MS");
    let turn = of(edge, "HINT_WAIT_MS");
    let account = page("ACCOUNT_DEADLINE_MS");
    assert!(account > turn + of(edge, "BUYER_PLACE_WAIT_MS") + call, "the refund's account: {account}");
    let api = read("edge/shop/api.js");
    let asks: Vec<&str> = api.lines().filter(|line| line.contains("ACCOUNT_DEADLINE_MS")).collect();
    assert!(asks.len() == 2 && asks[1].contains("/refund-account`"), "{asks:?}");
    assert!(page("DEADLINE_MS") < account);
    // Gateways wait 30 s for the answer to a webhook.
    assert!(turn + call < 30_000);
    let confirm =
        of(functions, "ASK_DEADLINE_MS") + of(functions, "CAPTURE_DEADLINE_MS") + 2 * of(functions, "CALL_DEADLINE_MS");
    assert!(of(edge, "GATEWAY_DEADLINE_MS") > confirm, "{confirm}");
}

/// cargo-lambda's emulator, which the tests call in Lambda's place, stops answering once a hundred calls of one
/// function wait for it.
#[test]
fn fewer_calls_wait_than_the_tests_emulator_allows() {
    assert!(of("edge/src/runtime/limits.rs", "CALLS_MAX") < 100);
}

#[test]
fn a_deadline_that_is_repeated_elsewhere_is_equal_there() {
    let (edge, functions) = ("edge/src/runtime/limits.rs", "functions/src/runtime/limits.rs");
    assert_eq!(of(edge, "FUNCTION_DEADLINE_MS"), of(functions, "CALL_DEADLINE_MS"));
    assert_eq!(of(edge, "STATEMENT_TIMEOUT_MS"), of_roles("statement_timeout"));
    assert_eq!(of(functions, "STATEMENT_TIMEOUT_MS"), of_roles("statement_timeout"));
    assert_eq!(of(functions, "LOCK_TIMEOUT_MS"), of_roles("lock_timeout"));
    assert_eq!(of(edge, "TICK_MS"), number(&read("edge/src/runtime/js.js"), "TICK_MS").unwrap());
}
