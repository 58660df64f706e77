//! Refunds: paid back once at the gateway's own books, whatever fails in between.

mod taken_on;

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
use simulator::{Config, Gateway};
use stack::migrate;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_postgres::types::Json;

use support::client::{Client, until};
use support::database::{self, Database, Paid};
use support::till::{GATEWAYS, Till, by_the_shop};

/// Money that bought nothing: a late payment at the stack's own gateway.
async fn late(client: &Client, till: &Till, gateway: &str) -> (Value, String) {
    let sale = client.sale(1, &[("pair", 1, 1)]).await;
    // A key is its user's, whatever the sale.
    let hold = client.reserve("ann", &sale, &sale, json!([{"sku_id": "pair", "qty": 1}])).await.ok(201);
    let webhooks = json!({"webhooks": {"at": hold["expire_at"]}});
    let made = till.pay(gateway, hold["hold_id"].as_str().unwrap(), &client.user("ann"), 1_000, webhooks).await;
    (hold, made["payment_id"].as_str().unwrap().to_owned())
}

async fn refund_seen(client: &Client, hold: &Value) -> Value {
    client.get("ann", &format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap())).await.ok(200)["refund"]
        .clone()
}

async fn until_seen(client: &Client, hold: &Value, status: &str) {
    until(&format!("the refund is {status}"), 40, || async {
        let seen = refund_seen(client, hold).await;
        let as_it_is = json!({"status": status, "amount": 1_000, "currency": "KRW", "reason": seen["reason"]});
        (seen == as_it_is).then_some(())
    })
    .await;
}

fn stack() -> (Client, Till) {
    let client = Client::new();
    let till = Till::at(client.setting("gateway_url"));
    (client, till)
}

#[tokio::test]
async fn a_buyer_sees_the_money_on_its_way_and_then_that_it_has_arrived() {
    let (client, till) = stack();
    till.well_again().await;
    till.later(true).await;
    let (hold, payment) = late(&client, &till, "portone").await;
    until_seen(&client, &hold, "pending").await;
    until("the gateway has taken it on", 40, || async {
        (!by_the_shop(&till.payment(&payment).await).is_empty()).then_some(())
    })
    .await;
    assert_eq!(till.payment(&payment).await["refunded"], 0, "not yet");
    until_seen(&client, &hold, "pending").await;
    till.finish_refunds(&payment).await;
    until_seen(&client, &hold, "completed").await;
    till.later(false).await;
    assert_eq!(by_the_shop(&till.payment(&payment).await), [1_000], "asked for once");
}

#[tokio::test]
async fn what_was_paid_back_by_hand_is_not_paid_back_again() {
    let (client, till) = stack();
    for gateway in GATEWAYS {
        till.well_again().await;
        // Nothing is paid back until somebody has been quicker.
        till.fault(gateway, "refund", 1, "down").await;
        let (hold, part) = late(&client, &till, gateway).await;
        let (other, whole) = late(&client, &till, gateway).await;
        until_seen(&client, &hold, "pending").await;
        until_seen(&client, &other, "pending").await;
        till.refund_by_hand(&part, 300).await;
        till.refund_by_hand(&whole, 1_000).await;
        till.well_again().await;
        until_seen(&client, &hold, "completed").await;
        until_seen(&client, &other, "completed").await;
        assert_eq!(by_the_shop(&till.until_paid_back(&part).await), [700], "{gateway}");
        assert_eq!(by_the_shop(&till.payment(&whole).await), [0; 0], "{gateway}");
    }
}

#[tokio::test]
async fn answers_that_never_come_delay_a_refund_and_no_more() {
    let (client, till) = stack();
    till.well_again().await;
    till.fault("toss", "refund", 1, "down").await;
    let (hold, payment) = late(&client, &till, "toss").await;
    until_seen(&client, &hold, "pending").await;
    till.well_again().await;
    till.fault("toss", "ask", 2, "hang").await;
    until_seen(&client, &hold, "completed").await;
    till.well_again().await;
    assert_eq!(by_the_shop(&till.payment(&payment).await), [1_000]);
}

#[tokio::test]
async fn a_refund_that_fails_to_the_end_is_a_dead_letter_and_is_paid_after_one_replay() {
    let (client, till) = stack();
    till.well_again().await;
    till.fault("stripe", "refund", 1, "down").await;
    let (hold, payment) = late(&client, &till, "stripe").await;
    until_seen(&client, &hold, "failed").await;
    let owner = stack::database::connect(client.setting("database_url")).await.unwrap();
    let row = "select r.attempts, r.failure, (select count(*) from holdfast.event_outbox e
        where e.event_type = 'RefundFailed' and e.data ->> 'payment_id' = $1),
        (select count(*) from holdfast.refund_attempt a where a.payment_id = $1) from holdfast.refund r where r.payment_id = $1";
    let row = owner.query_one(row, &[&payment]).await.unwrap();
    let (attempts, failure, told, keys): (i32, String, i64, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!((attempts, told, keys), (6, 1, 1), "one key, for none of the six is known to have failed");
    assert!(failure.contains("503"), "{failure}");
    let listed =
        client.admin(reqwest::Method::GET, "/v1/admin/payments?state=refund_failed&limit=100", None).await.ok(200);
    let listed =
        listed["payments"].as_array().unwrap().iter().find(|row| row["payment_id"] == payment).cloned().unwrap();
    assert!(listed["refund_failure"].as_str().unwrap().contains("503"), "{listed}");

    let sale = hold["sale_id"].as_str().unwrap();
    let letters = format!("/v1/admin/dead-letters?kind=refund&sale_id={sale}");
    let letters = client.admin(reqwest::Method::GET, &letters, None).await.ok(200)["dead_letters"].clone();
    let [letter] = letters.as_array().unwrap().as_slice() else { panic!("{letters}") };
    assert_eq!((&letter["payment_id"], &letter["attempts"]), (&json!(payment), &json!(6)));
    assert_eq!(letter["refund_reason"], "hold_expired");
    assert!(letter["reason"].as_str().unwrap().contains("503"), "{letter}");

    till.well_again().await;
    let replay = format!("/v1/admin/dead-letters/{}/replay", letter["id"].as_str().unwrap());
    client.admin(reqwest::Method::POST, &replay, Some(json!({"reason": "stripe is back"}))).await.ok(200);
    until_seen(&client, &hold, "completed").await;
    assert_eq!(by_the_shop(&till.payment(&payment).await), [1_000]);
}

#[tokio::test]
async fn an_operator_cancels_an_order_and_the_money_goes_back() {
    let (client, till) = stack();
    till.well_again().await;
    let sale = client.sale(300, &[("pair", 1, 1)]).await;
    let hold = client.reserve("ann", "k", &sale, json!([{"sku_id": "pair", "qty": 1}])).await.ok(201);
    let id = hold["hold_id"].as_str().unwrap();
    let made = till.pay("toss", id, &client.user("ann"), 1_000, json!({})).await;
    let order = until("the order", 20, || async {
        let answer = client.get("ann", &format!("/v1/orders?hold_id={id}")).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    let path = format!("/v1/admin/orders/{}/cancel", order["order_id"].as_str().unwrap());
    let cancelled = client.admin(reqwest::Method::POST, &path, Some(json!({"reason": "broken"}))).await.ok(200);
    assert_eq!((&cancelled["status"], &cancelled["items"]), (&json!("CANCELLED"), &order["items"]));
    until_seen(&client, &hold, "completed").await;
    assert_eq!(by_the_shop(&till.until_paid_back(made["payment_id"].as_str().unwrap()).await), [1_000]);
    let report = client.report(&sale).await;
    assert_eq!(report["skus"][0], json!({"sku_id": "pair", "total": 1, "available": 1, "held": 0, "sold": 0}));
    let nobodys = format!("/v1/admin/orders/{}/cancel", uuid::Uuid::now_v7());
    let nobody = client.admin(reqwest::Method::POST, &nobodys, Some(json!({"reason": "x"}))).await;
    assert_eq!(nobody.refusal(), (404, "not_found".into()));
    let silent = client.admin(reqwest::Method::POST, &path, Some(json!({"reason": " "}))).await;
    assert_eq!(silent.refusal(), (422, "invalid_request".into()));
}

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
    till: Till,
    env: Vec<(String, String)>,
    polls: Arc<AtomicU64>,
    payments: Vec<String>,
    _gateway: Gateway,
}

impl Killed {
    async fn new() -> Self {
        let database = Database::new().await;
        let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned();
        let log = std::env::temp_dir().join(format!("gateway-{}.log", uuid::Uuid::new_v4()));
        // No shop stands behind it: what the gateway tells is not what this is about.
        let bind = "127.0.0.1:0".parse().unwrap();
        let config = Config { bind, edge_url: "http://127.0.0.1:9".to_owned(), webhook_secret: secret, log };
        let gateway = Gateway::start(config.clone()).await.unwrap();
        let polls = Arc::new(AtomicU64::new(0));
        let state = std::path::PathBuf::from(std::env::var("HOLDFAST_STACK").unwrap());
        let secrets = std::fs::read(state.parent().unwrap().join("secrets.json")).unwrap();
        let secrets: Value = serde_json::from_slice(&secrets).unwrap();
        let password = secrets["functions_password"].as_str().unwrap();
        let mut env = config.functions_env(&gateway.url);
        for (name, value) in [
            ("DATABASE_URL", migrate::url_for_role(&database.url(), "holdfast_refund", password).unwrap()),
            ("AWS_LAMBDA_RUNTIME_API", runtime(Arc::clone(&polls)).await),
            ("AWS_LAMBDA_FUNCTION_NAME", "refund".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("REFUND_FOR_S", "0".to_owned()),
            ("REFUND_LEASE_S", "1".to_owned()),
            // None is to be given up: what is tested is that none is lost and none is paid back twice.
            ("REFUND_RETRY_S", vec!["0.05"; 200].join(",")),
        ] {
            env.push((name.to_owned(), value));
        }
        let till = Till::at(&gateway.url);
        Self { database, till, env, polls, payments: Vec::new(), _gateway: gateway }
    }

    /// Captured money for no hold of ours, one payment a gateway. Where others may share the account an operator has to
    /// decide that it is paid back.
    async fn add(&mut self) {
        let (client, admin) = (self.database.as_role("confirm").await, self.database.as_role("admin").await);
        for gateway in GATEWAYS {
            let hold = uuid::Uuid::new_v4().to_string();
            let webhooks = json!({"webhooks": {"delay_ms": 3_600_000}});
            let made = self.till.pay(gateway, &hold, "ann", 1_000, webhooks).await;
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
async fn killed_a_hundred_times_it_pays_back_everything_once() {
    let mut world = Killed::new().await;
    for gateway in GATEWAYS {
        world.till.fault(gateway, "refund", 3, "cut").await;
        // Who is killed meanwhile leaves a key that is in flight.
        world.till.fault(gateway, "refund", 5, "slow").await;
        world.till.fault(gateway, "ask", 7, "cut").await;
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
        let theirs = world.till.payment(payment).await;
        assert_eq!((&theirs["refunded"], by_the_shop(&theirs)), (&json!(1_000), vec![1_000]), "{theirs}");
    }
    let told = "select json_build_array(count(*), count(distinct data ->> 'payment_id')) from holdfast.event_outbox
                where event_type = 'RefundCompleted'";
    let told: Json<Value> = world.database.owner.query_one(told, &[]).await.unwrap().get(0);
    assert_eq!(told.0, json!([440, 440]));
}
