//! The functions behind the Lambda runtime: what they answer, how they fail, what they log.

mod alone;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use support::client::{Client, until};
use support::invoke::{invoke, invoke_at};

/// Of a user who exists in this sale alone.
fn reservation(user: &str, sale: &str) -> Value {
    json!({"request_id": format!("req-{user}"), "user_id": format!("{user}-{sale}"), "idem_key": "k", "fingerprint": "00".repeat(32),
           "sale_id": sale, "items": [{"sku_id": "a", "qty": 1}]})
}

fn state_dir() -> PathBuf {
    PathBuf::from(std::env::var("HOLDFAST_STACK").unwrap()).parent().unwrap().to_owned()
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 1, 1)]).await;
    let batch = json!({"reservations": [reservation("ann", &sale), reservation("bob", &sale)]});
    let answers = invoke("reserve", &batch).await.unwrap();
    assert_eq!(answers["outcomes"][0]["outcome"], "granted");
    let mut refused = answers["outcomes"][1].clone();
    // A second less what has passed of it.
    let for_ms = refused.as_object_mut().and_then(|refused| refused.remove("for_ms")).unwrap();
    assert!((1..=1_000).contains(&for_ms.as_i64().unwrap()), "{for_ms}");
    assert_eq!(refused, json!({"outcome": "sold_out", "sku_id": "a", "available": 0, "max_per_user": 1}));
}

#[tokio::test]
async fn an_invalid_batch_is_a_non_retryable_error() {
    for batch in [
        json!({"reservations": []}),
        json!({"reservations": [reservation("ann", "one"), reservation("bob", "another")]}),
        json!({"reservations": vec![reservation("ann", "one"); 101]}),
    ] {
        assert_eq!(invoke("reserve", &batch).await, Err("NonRetryable".into()));
    }
    assert!(invoke("reserve", &json!({"nonsense": 1})).await.is_err());
}

#[tokio::test]
async fn a_lock_that_does_not_come_ends_the_call_within_its_bounds_and_writes_nothing() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 1, 1)]).await;
    let holder = stack::database::connect(client.setting("database_url")).await.unwrap();
    let lock = format!("begin; select from holdfast.inventory_counter where sale_id = '{sale}' for update");
    holder.batch_execute(&lock).await.unwrap();
    let began = Instant::now();
    let batch = json!({"reservations": [reservation("ann", &sale)]});
    assert_eq!(invoke("reserve", &batch).await, Err("Retryable".into()));
    assert!(began.elapsed() < Duration::from_millis(3_500), "the function's deadline");
    holder.batch_execute("commit").await.unwrap();
    assert_eq!(client.report(&sale).await["skus"][0]["held"], 0);
    assert_eq!(invoke("reserve", &batch).await.unwrap()["outcomes"][0]["outcome"], "granted");
}

/// Whose payment it is says the Worker alone, and it proves that: a made-up token ends the attempt of the buyer it is for.
#[tokio::test]
async fn a_caller_limited_to_confirm_cannot_supply_a_buyers_token() {
    let client = Client::new();
    let owner = stack::database::connect(client.setting("database_url")).await.unwrap();
    let payment = Uuid::now_v7().simple().to_string();
    let hint = |more: Value| {
        let mut hint = json!({"request_id": "r", "gateway": "portone", "payment_id": payment});
        hint.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hint
    };
    let request =
        json!({"request_id": "r", "user_id": "ann", "gateway": "portone", "payment_id": payment, "token": "x"});
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let guessed = json!({"proven": request.to_string(), "at_ms": now_ms, "mac": "00".repeat(32)});
    for payload in [
        hint(json!({"token": "x", "buyer": "ann"})),
        hint(json!({"token": "x"})),
        hint(json!({"buyer": "ann"})),
        hint(json!({"token": "x", "user_id": "ann"})),
        guessed,
    ] {
        assert_eq!(invoke("confirm", &payload).await, Err("NonRetryable".into()), "{payload}");
    }
    let written = "select count(*) from holdfast.payment_attempt where payment_id = $1";
    assert_eq!(owner.query_one(written, &[&payment]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_tick_of_the_scheduler_sweeps_until_nothing_is_left() {
    let tick = json!({"job": "expire", "scheduled_time": "2026-01-15T05:00:00Z", "execution_id": "x", "attempt": "1"});
    let swept = invoke("expire", &tick).await.unwrap();
    assert!(swept["transactions"].as_i64().unwrap() >= 1, "{swept}");
}

#[tokio::test]
async fn a_missing_or_wrong_variable_is_named_before_the_first_invocation() {
    for function in stack::migrate::FUNCTIONS {
        let binary = stack::workspace::target_dir().join("debug").join(function);
        let output = Command::new(&binary).env_clear().output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("DATABASE_URL is missing"), "{function}: {said}");
        let secret = "postgres//user:hunter2@nowhere";
        let output = Command::new(&binary).env_clear().env("DATABASE_URL", secret).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("DATABASE_URL") && !said.contains("hunter2"), "{function}: {said}");
    }
}

#[tokio::test]
async fn an_outcome_is_one_line_with_its_request_and_no_key_or_token() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 1, 1)]).await;
    let key = format!("secret-key-{}", Uuid::new_v4());
    let trace = Uuid::new_v4().simple().to_string();
    let reserving = client.reserving("ann", &key, &sale, json!([{"sku_id": "a", "qty": 1}]));
    let granted = client.send(reserving.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))).await;
    let request_id = granted.header("x-request-id").unwrap().to_owned();
    let logs = || {
        let entries = std::fs::read_dir(state_dir().join("logs")).unwrap();
        entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default()).collect::<String>()
    };
    let line = async |marked: &str| -> Value {
        let line = until("the line is written", 5, || async {
            let of_it = |line: &&str| line.contains(&request_id) && line.contains(marked);
            logs().lines().find(of_it).map(ToOwned::to_owned)
        });
        serde_json::from_str(&line.await).unwrap()
    };
    // The function passes the outcome on unread; the edge's line says what it was.
    let edge = line("\"route\"").await;
    assert_eq!((&edge["status"], &edge["code"]), (&json!(201), &json!(null)), "{edge}");
    let line = line("\"verb\":\"reserve\"").await;
    assert_eq!((&line["outcome"], &line["level"]), (&json!("answered"), &json!("INFO")));
    assert!(line["traceparent"].as_str().unwrap().contains(&trace), "{line}");
    let all = logs();
    assert!(!all.contains(&key) && !all.contains(&client.token("ann")[..40]), "a key or a token is in a log");
}

#[tokio::test]
async fn audit_goes_through_the_stacks_own_database_and_finds_nothing() {
    let tick = json!({"job": "audit", "scheduled_time": "2026-01-15T05:00:00Z", "execution_id": "x", "attempt": "1"});
    let audited = invoke("audit", &tick).await.unwrap();
    let parts = protocol::audit::PARTS.len();
    assert_eq!((&audited["new"], &audited["through"]), (&json!(0), &json!(parts)), "{audited}");
    assert!(audited["pieces"].as_u64().unwrap() >= parts as u64, "{audited}");
}
