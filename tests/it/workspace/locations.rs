//! Where a Durable Object is made: the Worker says it with every call, because any of them may be the first.

use std::process::Command;

use serde_json::{Value, json};
use stack::{tools, workspace};

/// Calls `object` of edge/src/runtime/js.js with a namespace that writes down how its objects are asked for.
const CALLS: &str = r#"
const asked = [];
const stub = { ask: async () => "answer" };
const GATE = { idFromName: (name) => name, get: (...how) => (asked.push(how), stub) };
const { object } = await import(process.argv[1]);
for (const env of [{ GATE, GATE_LOCATION: "apac" }, { GATE, GATE_LOCATION: "" }, { GATE }]) {
  await object(env, "GATE", "0", "message", undefined, 4);
}
console.log(JSON.stringify(asked));
"#;

#[test]
fn a_gate_is_asked_for_where_its_variable_says() {
    let bridge = workspace::root().join("edge/src/runtime/js.js");
    let mut node = Command::new(tools::node().unwrap());
    node.args(["--input-type=module", "--eval", CALLS]).arg(bridge);
    let output = node.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let asked: Value = serde_json::from_slice(&output.stdout).unwrap();
    // An undefined hint is none.
    assert_eq!(asked, json!([["0", {"locationHint": "apac"}], ["0", {}], ["0", {}]]));
}

/// No other way leads to an object.
#[test]
fn nothing_else_in_the_worker_asks_for_an_object() {
    let (bridge, main) = ("edge/src/runtime/js.js", "edge/main.js");
    let read = |file: &str| std::fs::read_to_string(workspace::root().join(file)).unwrap();
    assert_eq!(read(bridge).matches(".get(id(").count(), 1, "{bridge}");
    for way in ["idFromName", "getByName", "newUniqueId"] {
        assert!(!read(main).contains(way), "{main}: {way}");
    }
}
