//! Who may invoke which function: the policies that docs/deploying.md has operators write.

use std::collections::BTreeSet;

use serde_json::Value;
use stack::migrate::FUNCTIONS;
use stack::{Options, scheduler, workspace};

fn read(file: &str) -> String {
    std::fs::read_to_string(workspace::root().join(file)).unwrap()
}

/// The functions that a policy allows to be invoked; it allows nothing else.
fn allowed(policy: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(policy).unwrap();
    let [statement] = policy["Statement"].as_array().unwrap().as_slice() else { panic!("{policy}") };
    assert_eq!((&statement["Effect"], &statement["Action"]), (&"Allow".into(), &"lambda:InvokeFunction".into()));
    let of = |resource: &Value| {
        let resource = resource.as_str().unwrap();
        let (account, function) = resource.split_once(":function:").unwrap();
        assert!(account.starts_with("arn:aws:lambda:") && FUNCTIONS.contains(&function), "{resource}");
        function.to_owned()
    };
    statement["Resource"].as_array().unwrap().iter().map(of).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn the_edges_keys_may_invoke_what_the_edge_calls_and_neither_refund_nor_sweep() {
    let deploying = read("docs/deploying.md");
    let policies: Vec<&str> =
        deploying.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [buyers, operators, on_schedule] = policies.as_slice() else { panic!("{} policies", policies.len()) };
    assert_eq!(allowed(buyers), set(&["reserve", "release", "lookup", "confirm"]));
    assert_eq!(allowed(operators), set(&["admin"]));
    let beats = scheduler::beats(&Options::for_tests("policies")).map(|(function, _)| function);
    let scheduled: Vec<&str> = beats.into_iter().chain([scheduler::SWEEP]).collect();
    assert_eq!(allowed(on_schedule), set(&scheduled));
    let all: BTreeSet<String> = policies.iter().flat_map(|policy| allowed(policy)).collect();
    assert_eq!(all, set(&FUNCTIONS), "each function has its callers");
}

#[test]
fn the_edge_calls_no_function_that_its_keys_may_not_invoke() {
    let mut called = BTreeSet::new();
    let mut folders = vec![workspace::root().join("edge/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(entry).unwrap();
                let names = text.split("config.lambda, \"").skip(1).filter_map(|rest| rest.split('"').next());
                called.extend(names.map(ToOwned::to_owned));
            }
        }
    }
    assert_eq!(called, set(&["reserve", "release", "lookup", "confirm", "admin"]));
}
