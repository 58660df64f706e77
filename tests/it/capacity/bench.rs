//! `cargo dev bench --quick` runs through: every way of reserving still sells what is there and no more, every part still
//! measures, and a crash loses nothing behind the barrier. Its numbers mean nothing: it is too short, and not alone.

use std::process::Command;

use serde_json::Value;

/// What one part says that it has found.
fn quick(part: &str) -> Value {
    let output = Command::new(std::env::var("HOLDFAST_DEV").expect("`cargo dev test` names itself"))
        .args(["bench", part, "--quick"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let file = stack::workspace::root().join("target/bench-quick/bench.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// Every row of a table has been measured.
fn measured(found: &Value, table: &str, column: &str) -> usize {
    let rows = found[table].as_array().unwrap();
    for row in rows {
        assert!(row[column].as_f64().unwrap() > 0.0, "{table}: {row}");
    }
    rows.len()
}

#[test]
#[ignore = "long"]
fn every_way_of_reserving_sells_what_is_there_and_no_more() {
    let found = quick("t1");
    let safety = found["safety"].as_array().unwrap();
    assert_eq!(safety.len(), 13, "every way that sells");
    for way in safety {
        assert_eq!(way["granted"], way["stock"], "{way}");
        assert!(way["asked"].as_i64() >= way["stock"].as_i64().map(|stock| 5 * stock), "{way}");
    }
    assert_eq!(measured(&found, "cells", "reservations_per_s"), 14);
    assert_eq!(measured(&found, "waiting", "p99_ms"), 6, "at two commits, with one, two and four calls in flight");
}

#[test]
#[ignore = "long"]
fn confirms_sweeps_and_growth_are_measured() {
    let found = quick("t2-t3");
    assert_eq!((measured(&found, "confirms", "confirms_per_s"), measured(&found, "swept", "holds_per_s")), (2, 2));
    assert_eq!(measured(&quick("growth"), "growth", "grown_per_s"), 9);
}

#[test]
#[ignore = "long"]
fn a_crash_loses_nothing_behind_the_barrier_and_something_without_it() {
    let found = quick("crash");
    assert_eq!(found["crashes"][0]["lost"], 0);
    assert_eq!(measured(&found, "crashes", "acknowledged"), 2);
    assert!(found["crashes"][1]["lost"].as_i64() > Some(0));
}
