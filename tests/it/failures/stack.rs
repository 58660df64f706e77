//! The stack itself: a killed process is restarted, and a stopped one has ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use stack::children::Children;
use stack::postgres::{self, How};
use stack::state::{Secrets, State};
use stack::{Options, Stack};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn every_killed_process_is_started_again_and_none_outlives_the_stack() {
    let options = Options::for_tests("test-stack");
    let report_path = options.dir.join("stack.json");
    let mut stack = Stack::prepare(options).unwrap();
    let brought_up = stack.bring_up().await;
    let outcome = match &brought_up {
        Ok(report) => kill_each(&report_path, &report.edge_url).await,
        Err(error) => Err(format!("{error:#}")),
    };
    let last: Vec<i32> = pids(&report_path).into_values().flatten().collect();
    stack.stop().await;
    outcome.unwrap();

    assert!(!report_path.exists(), "stack.json stays only while it is true");
    let alive: Vec<_> = last.into_iter().filter(|pid| is_alive(*pid)).collect();
    assert!(alive.is_empty(), "still alive: {alive:?}");
}

async fn kill_each(report_path: &Path, edge_url: &str) -> Result<(), String> {
    let before = pids(report_path);
    for part in before.keys() {
        let killed = pids(report_path)[part][0];
        kill_process(Pid::from_raw(killed).ok_or("a pid")?, Signal::KILL).map_err(|error| error.to_string())?;
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let now = pids(report_path);
            let replaced = now.get(part).is_some_and(|pids| !pids.contains(&killed));
            let complete = before.iter().all(|(part, pids)| now.get(part).map(Vec::len) == Some(pids.len()));
            if replaced && complete && answers(edge_url).await {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("{part} was killed, and 10 s later the shop does not answer: {now:?}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// An answer that comes from the database: there is no such sale.
async fn answers(edge_url: &str) -> bool {
    let http = simulator::http::client().build().unwrap();
    let request = http.get(format!("{edge_url}/v1/sales/none-{}", uuid::Uuid::new_v4()));
    request.timeout(Duration::from_secs(3)).send().await.is_ok_and(|answer| answer.status() == 404)
}

fn pids(report_path: &Path) -> BTreeMap<String, Vec<i32>> {
    let report: Value =
        std::fs::read(report_path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let parts = report["pids"].as_object().cloned().unwrap_or_default();
    let number = |value: &Value| value.as_i64().and_then(|pid| i32::try_from(pid).ok());
    let numbers = |value: &Value| match value {
        Value::Array(many) => many.iter().filter_map(number).collect(),
        one => number(one).into_iter().collect(),
    };
    parts.iter().map(|(part, value)| (part.clone(), numbers(value))).collect()
}

fn is_alive(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// `cargo clean`, or a new clone where an old one was: as root the data is elsewhere, and stays.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn a_database_whose_state_was_removed_is_made_anew() {
    let dir = Options::for_tests("test-removed").dir;
    for _ in 0..2 {
        let state = State::open(&dir).unwrap();
        let (secrets, children) = (Secrets::of(&state).unwrap(), Children::new(&state));
        let url = postgres::start(&state, &secrets, How::default(), &children).await;
        children.stop(&[]).await;
        std::fs::remove_dir_all(&dir).unwrap();
        url.unwrap();
    }
}
