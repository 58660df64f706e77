//! Who may invoke which function: the Worker calls those that its keys may invoke, and no others.

use std::collections::BTreeSet;

use deployment::function::Caller;
use stack::workspace;

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
    let of_edge = deployment::FUNCTIONS.iter().filter(|function| matches!(function.caller, Caller::Edge(_)));
    assert_eq!(called, of_edge.map(|function| function.name.to_owned()).collect());
}
