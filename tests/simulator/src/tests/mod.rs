//! The gateway as a whole, against a small receiver that stands where the shop would. This file is that world; the rules
//! are in `delivery` (what is sent, how long it goes on) and `paying` (what the page lets a buyer do).

mod delivery;
mod paying;
mod visitors;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Config, Gateway, sign};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const HOLD: &str = "01950000-0000-7000-8000-000000000001";

/// One webhook as it came in.
#[derive(Clone)]
struct Received {
    at: Timestamp,
    id: String,
    timestamp: i64,
    signature: String,
    body: Bytes,
}

/// Answers with the queued statuses first and 200 from then on.
#[derive(Clone, Default)]
struct Shop {
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

async fn receive(State(shop): State<Shop>, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    let text = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(text("content-type"), "application/json");
    shop.received.lock().unwrap().push(Received {
        at: Timestamp::now(),
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp").parse().unwrap(),
        signature: text("webhook-signature"),
        body,
    });
    let status = shop.answers.lock().unwrap().pop_front().unwrap_or(200);
    (StatusCode::from_u16(status).unwrap(), r#"{"result":"confirmed"}"#)
}

struct World {
    shop: Shop,
    shop_url: String,
    gateway: Gateway,
    client: reqwest::Client,
}

impl World {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shop = Shop::default();
        let world = Self::before(listener.local_addr().unwrap().port(), shop.clone()).await;
        serve_shop(listener, shop);
        world
    }

    /// A gateway whose shop is not up yet.
    async fn before(port: u16, shop: Shop) -> Self {
        let shop_url = format!("http://127.0.0.1:{port}");
        let log = std::env::temp_dir().join(format!("gateway-{}.log", uuid::Uuid::new_v4()));
        let bind = "127.0.0.1:0".parse().unwrap();
        let config = Config { bind, edge_url: shop_url.clone(), webhook_secret: SECRET.to_owned(), log };
        let gateway = Gateway::start(config).await.unwrap();
        let none = reqwest::redirect::Policy::none();
        let client = crate::http::client().redirect(none).build().unwrap();
        Self { shop, shop_url, gateway, client }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.gateway.url)).send().await.unwrap()
    }

    async fn books(&self, payment_id: &str) -> Value {
        self.get(&format!("/payments/{payment_id}")).await.json().await.unwrap()
    }

    async fn try_pay(&self, body: &Value) -> (u16, Value) {
        let answer = self.client.post(format!("{}/payments", self.gateway.url)).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn pay(&self, webhooks: Value) -> String {
        let order =
            json!({"hold_id": HOLD, "user_id": "홍길동", "amount": 150_000, "currency": "KRW", "webhooks": webhooks});
        let (status, payment) = self.try_pay(&order).await;
        assert_eq!((status, &payment["state"]), (201, &json!("captured")));
        payment["payment_id"].as_str().unwrap().to_owned()
    }

    /// Presses a button of the page; the answer's status and where it sends the buyer.
    async fn press(&self, fields: &[(&str, &str)]) -> (u16, String) {
        self.press_from(&[], fields).await
    }

    /// The same with these headers.
    async fn press_from(&self, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> (u16, String) {
        let mut form = reqwest::Url::parse("http://form/").unwrap();
        let ended = (Timestamp::now() - Duration::from_millis(500)).to_string();
        let order =
            [("hold_id", HOLD), ("user_id", "홍길동"), ("amount", "150000"), ("currency", "KRW"), ("name", "<운동화>")];
        let rest = [("expire_at", &*ended), ("return_url", "/sales/spring?x=1")];
        for (name, value) in order.iter().chain(&rest) {
            if !fields.iter().any(|(given, _)| given == name) {
                form.query_pairs_mut().append_pair(name, value);
            }
        }
        form.query_pairs_mut().extend_pairs(fields);
        let request = self.client.post(format!("{}/pay", self.gateway.url));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.body(form.query().unwrap().to_owned()).send().await.unwrap();
        let location = answer.headers().get("location").map(|l| l.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location.unwrap_or_default())
    }

    /// What the shop got, once it is at least this much and the gateway has nothing more to send.
    async fn received(&self, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let received = self.shop.received.lock().unwrap().clone();
            let open = self.get("/payments").await.json::<Value>().await.unwrap()["open_deliveries"] == 0;
            if received.len() >= count && open {
                return received;
            }
            assert!(Instant::now() < deadline, "the shop got {} of {count} webhooks", received.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn serve_shop(listener: TcpListener, shop: Shop) {
    let app = Router::new().route("/v1/webhooks/standard", post(receive)).with_state(shop);
    tokio::spawn(async move { axum::serve(listener, app).await });
}

fn data(received: &Received) -> Value {
    serde_json::from_slice::<Value>(&received.body).unwrap()["data"].clone()
}

fn ids(received: &[Received]) -> HashSet<&str> {
    received.iter().map(|r| r.id.as_str()).collect()
}
