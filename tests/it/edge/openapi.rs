//! The description, held against the running stack: schemathesis sends what it allows and what it forbids, and no
//! answer may be one that it does not know. Once with a seed that stays, once with another each time.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use stack::tools;

use support::client::Client;

/// Requests of a kind an operation, at most.
const EXAMPLES: u32 = 25;
const KEPT_SEED: u64 = 20_260_115;

/// What schemathesis said at its end.
struct Attack {
    passed: bool,
    requests: u64,
    said: String,
}

fn attack(client: &Client, sale: &str, seed: u64) -> Attack {
    let folder = stack::workspace::root().join("tests/it/edge/openapi");
    let mut command = Command::new(tools::schemathesis().unwrap());
    command
        .args(["-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", "--no-color"])
        // A released hold can still be read: it is `RELEASED`.
        .args(["--exclude-checks", "use_after_free"])
        .args(["--checks", "all", "--continue-on-failure", "--max-examples", &EXAMPLES.to_string()])
        .args(["--seed", &seed.to_string(), "--generation-database", "none"])
        .arg(format!("{}/openapi.json", client.setting("edge_url")))
        .current_dir(folder)
        .env("PYTHONPATH", ".")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("HOLDFAST_STACK", Path::new(&std::env::var("HOLDFAST_STACK").unwrap()))
        .env("HOLDFAST_SALE", sale);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let requests = said.lines().find_map(|line| line.trim().split_once(" generated")?.0.replace(',', "").parse().ok());
    Attack { passed: output.status.success(), requests: requests.unwrap_or_default(), said }
}

/// A sale with as many SKUs as a cart may have.
async fn sale(client: &Client) -> String {
    let skus: Vec<(String, i64, i64)> = ('a'..='j').map(|sku| (sku.to_string(), 1_000, 3)).collect();
    let skus: Vec<(&str, i64, i64)> = skus.iter().map(|(sku, stock, most)| (sku.as_str(), *stock, *most)).collect();
    client.sale(300, &skus).await
}

async fn no_answer_is_unknown(seed: u64) {
    let client = Client::new();
    let sale = sale(&client).await;
    let attack = attack(&client, &sale, seed);
    assert!(attack.passed, "`cargo dev test edge --rest --seed {seed}` repeats it\n{}", attack.said);
    println!("| seed {seed}: {} requests, every answer as it is described", attack.requests);
    assert!(attack.requests > 500, "{}", attack.said);
    // It did come past the door: it has bought something.
    // By a connection of its own: the first one has been silent for so long that the Worker has closed it.
    let report = Client::new().report(&sale).await;
    let held: i64 = report["holds"].as_object().unwrap().values().filter_map(Value::as_i64).sum();
    assert!(held > 0, "{report}\n{}", attack.said);
}

#[tokio::test]
#[ignore = "long"]
async fn every_response_is_described() {
    no_answer_is_unknown(KEPT_SEED).await;
}

#[tokio::test]
#[ignore = "long"]
async fn every_response_is_described_with_another_seed() {
    let seed = std::env::var("HOLDFAST_SEED").ok().and_then(|seed| seed.parse().ok());
    no_answer_is_unknown(seed.unwrap_or_else(|| fastrand::u64(..1 << 32))).await;
}
