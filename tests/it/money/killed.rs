//! A `refund` that is killed again and again, at a gateway of its own: it executes every refund once.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::{Value, json};
use stack::migrate;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_postgres::types::Json;

use support::client::until;
use support::database::{self, Database, Paid};
use support::gateways::{GATEWAYS, OwnGateways, by_the_shop};

/// A runtime API that always has a tick: what the function does between two of them is up to the kill.
async fn runtime(polls: Arc<AtomicU64>) -> String {
    async fn next(State(polls): State<Arc<AtomicU64>>) -> impl IntoResponse {
        let n = polls.fetch_add(1, Ordering::Relaxed);
        let headers = [
            ("lambda-runtime-aws-request-id", n.to_string()),
            ("lambda-runtime-deadline-ms", "4102444800000".to_owned()),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:local:0:function:refund".to_owned()),
        ];
        (headers, json!({"job": "refund"}).to_string())
    }
    async fn answered() -> StatusCode {
        StatusCode::ACCEPTED
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let app = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/{what}", post(answered))
        .with_state(polls);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

struct Killed {
    database: Database,
    gateways: OwnGateways,
    env: Vec<(String, String)>,
    polls: Arc<AtomicU64>,
    payments: Vec<String>,
}

impl Killed {
    async fn new() -> Self {
        let database = Database::new().await;
        let gateways = OwnGateways::start().await;
        let polls = Arc::new(AtomicU64::new(0));
        let state = std::path::PathBuf::from(std::env::var("HOLDFAST_STACK").unwrap());
        let secrets = std::fs::read(state.parent().unwrap().join("secrets.json")).unwrap();
        let secrets: Value = serde_json::from_slice(&secrets).unwrap();
        let password = secrets["functions_password"].as_str().unwrap();
        let mut env = gateways.functions_env();
        for (name, value) in [
            ("DATABASE_URL", migrate::url_for_role(&database.url(), "holdfast_refund", password).unwrap()),
            ("AWS_LAMBDA_RUNTIME_API", runtime(Arc::clone(&polls)).await),
            ("AWS_LAMBDA_FUNCTION_NAME", "refund".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("REFUND_FOR_S", "0".to_owned()),
            ("REFUND_LEASE_S", "1".to_owned()),
            // None is to be given up: what is tested is that none is lost and none is executed twice.
            ("REFUND_RETRY_S", vec!["0.05"; 200].join(",")),
        ] {
            env.push((name.to_owned(), value));
        }
        Self { database, gateways, env, polls, payments: Vec::new() }
    }

    /// Captured money for no hold of ours, one payment a gateway. Where others may share the account an operator has to
    /// decide that it is refunded.
    async fn add(&mut self) {
        let (client, admin) = (self.database.as_role("confirm").await, self.database.as_role("admin").await);
        for gateway in GATEWAYS {
            let hold = uuid::Uuid::new_v4().to_string();
            let webhooks = json!({"webhooks": {"delay_ms": 3_600_000}});
            let made = self.gateways.pay(gateway, &hold, "ann", 1_000, webhooks).await;
            let payment = made["payment_id"].as_str().unwrap().to_owned();
            let paid =
                Paid { payment: payment.clone(), hold, user: "ann".into(), amount: 1_000, currency: "KRW".into() };
            let told = database::confirm_at(&client, gateway, &paid).await.unwrap();
            if gateway == "standard" {
                assert_eq!(told["reason"], "hold_unknown");
            } else {
                assert_eq!(told["result"], "parked", "{gateway}");
                let hex = hex::encode(format!("{gateway} {payment}"));
                let by = r#"{"actor": "minji", "reason": "it is ours", "request_id": "r"}"#;
                let replay = format!("select holdfast.replay_dead_letter('{by}', null, null, 'parked-{hex}')");
                let decided: Json<Value> = admin.query_one(&replay, &[]).await.unwrap().get(0);
                assert_eq!(decided.0["letter"]["status"], "pending", "{gateway}");
            }
            self.payments.push(payment);
        }
    }

    fn start(&self) -> Child {
        let program = stack::workspace::target_dir().join("debug").join("refund");
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.kill_on_drop(true).spawn().unwrap()
    }

    /// It has begun to work.
    async fn until_polled(&self, before: u64) {
        until("the function asks for work", 20, || async {
            (self.polls.load(Ordering::Relaxed) > before).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_killed_a_hundred_times_pays_every_refund_once() {
    let mut world = Killed::new().await;
    for gateway in GATEWAYS {
        world.gateways.fault(gateway, "refund", 3, "cut").await;
        // A function that is killed meanwhile leaves a key in flight.
        world.gateways.fault(gateway, "refund", 5, "slow").await;
        world.gateways.fault(gateway, "ask", 7, "cut").await;
    }
    for _ in 0..10 {
        world.add().await;
    }
    for _ in 0..100 {
        world.add().await;
        let before = world.polls.load(Ordering::Relaxed);
        let mut child = world.start();
        world.until_polled(before).await;
        // The moment is what is at random here; there is nothing to wait for.
        let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
        tokio::time::sleep(Duration::from_micros(random % 60_000)).await;
        child.kill().await.unwrap();
    }
    let child = world.start();
    let left = "select count(*) from holdfast.refund where status <> 'COMPLETED'";
    until("every refund is completed", 60, || async {
        (world.database.owner.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0).then_some(())
    })
    .await;
    drop(child);
    assert_eq!(world.payments.len(), 440);
    for payment in &world.payments {
        let theirs = world.gateways.payment(payment).await;
        assert_eq!((&theirs["refunded"], by_the_shop(&theirs)), (&json!(1_000), vec![1_000]), "{theirs}");
    }
    let told = "select json_build_array(count(*), count(distinct data ->> 'payment_id')) from holdfast.event_outbox
                where event_type = 'RefundCompleted'";
    let told: Json<Value> = world.database.owner.query_one(told, &[]).await.unwrap().get(0);
    assert_eq!(told.0, json!([440, 440]));
}
