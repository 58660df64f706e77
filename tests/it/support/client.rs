//! The stack as its users see it: HTTP to the edge, and what every answer must have.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::Sha256;
use simulator::{Config, Dialect, sign};
use uuid::Uuid;

use crate::database;

pub struct Client {
    http: reqwest::Client,
    pub stack: Value,
    run: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The status and the problem's code, as the table of docs/refusals.md has them.
    pub fn refusal(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        assert!(self.body["title"].is_string() && self.body["type"].is_string(), "{self:?}");
        assert!(!self.body["detail"].as_str().unwrap().is_empty(), "{self:?}");
        (self.status, self.body["code"].as_str().unwrap().to_owned())
    }

    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    pub fn new() -> Self {
        let http = simulator::http::client().timeout(Duration::from_secs(20)).build().unwrap();
        Self { http, stack: database::stack(), run: Uuid::new_v4().simple().to_string() }
    }

    /// A `user_id` that exists in this test alone: a key belongs to its user, in any sale.
    pub fn user(&self, name: &str) -> String {
        format!("{name}-{}", self.run)
    }

    pub fn setting(&self, name: &str) -> &str {
        self.stack[name].as_str().unwrap()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.setting("edge_url")))
    }

    /// Sends, and looks at what every answer must have.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("the edge answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let answer = Answer { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text };
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
        let ms: u64 = answer.header("x-server-time").expect("x-server-time").parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        assert!(now.abs_diff(ms) < 60_000, "x-server-time is Unix time in milliseconds");
        answer
    }

    /// A token for `claims`, signed with the stack's secret.
    pub fn token_of(&self, header: &Value, claims: &Value) -> String {
        token(self.setting("session_secret"), header, claims)
    }

    pub fn token(&self, user: &str) -> String {
        let exp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600;
        self.token_of(&json!({"alg": "HS256", "typ": "JWT"}), &json!({"sub": user, "exp": exp}))
    }

    /// A buyer's request, from an address of its own, so that many buyers can be played from one machine.
    pub fn buyer(&self, user: &str, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(self.token(&self.user(user))).header("cf-connecting-ip", address())
    }

    pub fn reserving(&self, user: &str, key: &str, sale: &str, items: Value) -> RequestBuilder {
        let body = json!({"sale_id": sale, "items": items});
        self.buyer(user, Method::POST, "/v1/reservations").header("idempotency-key", key).json(&body)
    }

    pub async fn reserve(&self, user: &str, key: &str, sale: &str, items: Value) -> Answer {
        self.send(self.reserving(user, key, sale, items)).await
    }

    pub async fn get(&self, user: &str, path: &str) -> Answer {
        self.send(self.buyer(user, Method::GET, path)).await
    }

    pub async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path).bearer_auth(self.setting("admin_token"));
        self.send(match body {
            Some(body) => request.header("idempotency-key", Uuid::new_v4().to_string()).json(&body),
            None => request,
        })
        .await
    }

    /// A sale of its own for a test: `(sku, stock, max_per_user)` at 1 000 won a piece.
    pub async fn sale(&self, hold_ttl_s: i64, skus: &[(&str, i64, i64)]) -> String {
        let sale_id = format!("t-{}", Uuid::new_v4());
        let skus: Vec<Value> = skus
            .iter()
            .map(|(sku, stock, most)| {
                json!({"sku_id": sku, "name": sku, "unit_price": 1000, "stock": stock, "max_per_user": most})
            })
            .collect();
        let body =
            json!({"sale_id": sale_id, "name": "한정판 🌸", "currency": "KRW", "hold_ttl_s": hold_ttl_s, "skus": skus});
        self.admin(Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
        sale_id
    }

    /// The report, its sums held against each other.
    pub async fn report(&self, sale: &str) -> Value {
        let report = self.admin(Method::GET, &format!("/v1/admin/sales/{sale}/report"), None).await.ok(200);
        assert_eq!(report["audit"], json!({"ok": true, "mismatches": []}), "{report}");
        for sku in report["skus"].as_array().unwrap() {
            let n = |name: &str| sku[name].as_i64().unwrap();
            assert_eq!(n("total"), n("available") + n("held") + n("sold"), "{sku}");
        }
        report
    }

    /// A webhook signed by the stack's secret, `age_s` seconds ago.
    pub fn webhook(&self, id: &str, age_s: i64, body: &str) -> RequestBuilder {
        self.webhook_of(id, age_s, body.as_bytes())
    }

    /// The same of bytes that may be no text.
    pub fn webhook_of(&self, id: &str, age_s: i64, body: &[u8]) -> RequestBuilder {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let signature = sign::sign(self.setting("webhook_secret"), id, now - age_s, body);
        self.request(Method::POST, "/v1/webhooks/standard")
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", (now - age_s).to_string())
            .header("webhook-signature", signature)
            .body(body.to_vec())
    }

    /// A gateway's message, signed as that gateway signs.
    pub fn message_of(&self, gateway: Dialect, body: &[u8]) -> RequestBuilder {
        let mut request = self.request(Method::POST, &gateway.path()).body(body.to_vec());
        for (name, value) in self.headers_of(gateway, body) {
            request = request.header(name, value);
        }
        request
    }

    fn headers_of(&self, gateway: Dialect, body: &[u8]) -> Vec<(&'static str, String)> {
        let secret = Config::keys(self.setting("webhook_secret")).secret_of(gateway);
        gateway.headers(&secret, &format!("msg_{}", Uuid::new_v4()), jiff::Timestamp::now(), body)
    }

    /// The same as the edge hands it to `confirm`.
    pub fn signed(&self, gateway: Dialect, body: &str) -> Value {
        let headers: HashMap<_, _> = self.headers_of(gateway, body.as_bytes()).into_iter().collect();
        json!({"request_id": "r", "gateway": gateway.name(), "headers": headers, "body": body})
    }

    pub async fn pay(&self, payment: &str, hold: &Value, user: &str) -> Answer {
        self.pay_with(payment, hold, user, hold["total_amount"].as_i64().unwrap()).await
    }

    pub async fn pay_with(&self, payment: &str, hold: &Value, user: &str, amount: i64) -> Answer {
        let body = paid(payment, hold["hold_id"].as_str().unwrap(), &self.user(user), amount);
        self.send(self.webhook(&format!("msg_{}", Uuid::new_v4()), 0, &body.to_string())).await
    }
}

pub fn paid(payment: &str, hold_id: &str, user: &str, amount: i64) -> Value {
    json!({"type": "payment.paid", "timestamp": "2026-01-15T05:00:00Z", "data": {
        "payment_id": payment, "hold_id": hold_id, "user_id": user, "amount": amount, "currency": "KRW"}})
}

pub fn token(secret: &str, header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// An unused address.
pub fn address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("2001:db8:{:x}:{:x}::1", std::process::id() & 0xffff, n)
}

/// Retries until `done`, against a deadline.
pub async fn until<F, T>(what: &str, deadline_s: u64, ask: impl Fn() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = std::time::Instant::now() + Duration::from_secs(deadline_s);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "not within {deadline_s} s: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
