//! The gateway simulator from the outside: a test pays there, reads its books, and injects faults.

use std::ops::Deref;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Config, Gateway};

use crate::client::until;

/// A fifth does not compile here: the crowds in `tests/it/money` deal theirs out by four.
pub const GATEWAYS: [&str; 4] = payments::NAMES;

pub struct Gateways {
    pub url: String,
    http: reqwest::Client,
}

/// A simulator of a test's own: no other test injects faults into it. No shop is behind it, so its webhooks do not
/// matter.
pub struct OwnGateways {
    gateways: Gateways,
    pub config: Config,
    _running: Gateway,
}

impl OwnGateways {
    pub async fn start() -> Self {
        let config = Config {
            bind: "127.0.0.1:0".parse().unwrap(),
            edge_url: "http://127.0.0.1:9".to_owned(),
            webhook_secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned(),
            log: std::env::temp_dir().join(format!("gateway-{}.log", uuid::Uuid::new_v4())),
        };
        let running = Gateway::start(config.clone()).await.unwrap();
        Self { gateways: Gateways::at(&running.url), config, _running: running }
    }

    /// What a function needs to reach it.
    pub fn functions_env(&self) -> Vec<(String, String)> {
        self.config.functions_env(&self.url)
    }
}

impl Deref for OwnGateways {
    type Target = Gateways;

    fn deref(&self) -> &Gateways {
        &self.gateways
    }
}

impl Gateways {
    pub fn at(url: &str) -> Self {
        let http = simulator::http::client().timeout(Duration::from_secs(20)).build().unwrap();
        Self { url: url.to_owned(), http }
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.http.post(format!("{}{path}", self.url)).json(body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    /// Pays for a hold; `more` says how: `authorise`, `live`, `webhooks`. What the gateway calls it.
    pub async fn pay(&self, gateway: &str, hold_id: &str, user: &str, amount: i64, more: Value) -> Value {
        let mut order =
            json!({"gateway": gateway, "hold_id": hold_id, "user_id": user, "amount": amount, "currency": "KRW"});
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, made) = self.post("/payments", &order).await;
        assert_eq!(status, 201, "{made}");
        made
    }

    pub async fn payment(&self, payment_id: &str) -> Value {
        let answer = self.http.get(format!("{}/payments/{payment_id}", self.url)).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// A deposit into the account of a payment, reported to the shop by `changed`, `callback` or `none`.
    pub async fn deposit(&self, payment_id: &str, told: &str) {
        assert_eq!(self.post(&format!("/payments/{payment_id}/deposit/{told}"), &json!({})).await.0, 204);
    }

    /// The deposit is reversed.
    pub async fn reverse(&self, payment_id: &str, told: &str) {
        assert_eq!(self.post(&format!("/payments/{payment_id}/reverse/{told}"), &json!({})).await.0, 204);
    }

    /// Every `every`th call of an operation (`ask`, `capture`, `refund`) goes wrong: `cut`, `down`, `hang`, `slow`, `linger`,
    /// `held`, `busy`, `forbidden`, `garbled`, `declined`.
    pub async fn fault(&self, gateway: &str, operation: &str, every: u64, kind: &str) {
        let rule = json!({"gateway": gateway, "operation": operation, "every": every, "kind": kind});
        assert_eq!(self.post("/faults", &rule).await.0, 204);
    }

    pub async fn well_again(&self) {
        let answer = self.http.delete(format!("{}/faults", self.url)).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    /// Refunds are only taken on from now on, or done at once again.
    pub async fn later(&self, on: bool) {
        assert_eq!(self.post(&format!("/later/{}", if on { "on" } else { "off" }), &json!({})).await.0, 204);
    }

    pub async fn finish_refunds(&self, payment_id: &str) {
        assert_eq!(self.post(&format!("/payments/{payment_id}/finish-refunds"), &json!({})).await.0, 204);
    }

    /// What was taken on is not done after all.
    pub async fn fail_refunds(&self, payment_id: &str) {
        assert_eq!(self.post(&format!("/payments/{payment_id}/fail-refunds"), &json!({})).await.0, 204);
    }

    pub async fn refund_by_hand(&self, payment_id: &str, amount: i64) {
        self.by_hand(payment_id, &json!({"amount": amount})).await;
    }

    /// The gateway's console only takes it on.
    pub async fn refund_by_hand_later(&self, payment_id: &str, amount: i64) {
        self.by_hand(payment_id, &json!({"amount": amount, "later": true})).await;
    }

    /// An action in the gateway's own console: `dispute`, `resolve-dispute`, `reverse`, `refund-by-hand`,
    /// `fail-a-refund`.
    pub async fn console(&self, payment_id: &str, what: &str, order: &Value) -> Value {
        let (status, said) = self.post(&format!("/payments/{payment_id}/{what}"), order).await;
        assert_eq!(status, 201, "{what}: {said}");
        said
    }

    async fn by_hand(&self, payment_id: &str, refund: &Value) {
        let (status, said) = self.post(&format!("/payments/{payment_id}/refund-by-hand"), refund).await;
        assert_eq!(status, 201, "{said}");
    }

    /// The time is over in which the money that is set aside could be taken.
    pub async fn lapse(&self, payment_id: &str) {
        assert_eq!(self.post(&format!("/payments/{payment_id}/lapse"), &json!({})).await.0, 204);
    }

    /// Once the gateway has paid all of it back.
    pub async fn until_paid_back(&self, payment_id: &str) -> Value {
        until(&format!("{payment_id} is paid back"), 40, || async {
            let payment = self.payment(payment_id).await;
            (payment["refunded"] == payment["captured"] && payment["captured"] != 0).then_some(payment)
        })
        .await
    }
}

/// What the shop itself has refunded of a payment, or had accepted for refund, each time.
pub fn by_the_shop(payment: &Value) -> Vec<i64> {
    let refunds = payment["refunds"].as_array().unwrap().iter();
    let refunds = refunds.filter(|refund| refund["by_hand"] == false && refund["failed"] == false);
    refunds.map(|refund| refund["amount"].as_i64().unwrap()).collect()
}
