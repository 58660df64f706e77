//! A shop and its gateways, from the outside: what the tests of payments do, one line each.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::types::Json;

use crate::client::{Answer, Client, until};
use crate::gateways::Gateways;

/// What a pair costs, in won.
pub const PRICE: i64 = 1_000;

pub struct Shop {
    pub client: Client,
    pub gateways: Gateways,
    pub owner: tokio_postgres::Client,
}

/// A hold that was paid for.
pub struct Bought {
    pub sale: String,
    pub user: String,
    pub payment: String,
    pub hold: Value,
}

/// The shop gets no webhooks: only its own requests change anything.
pub fn silent() -> Value {
    json!({"authorise": true, "webhooks": {"delay_ms": 3_600_000}})
}

impl Shop {
    /// For a test that runs beside others: the gateways are as they are.
    pub async fn open() -> Self {
        let client = Client::new();
        let gateways = Gateways::at(client.setting("gateway_url"));
        let owner = stack::database::connect(client.setting("database_url")).await.unwrap();
        Self { client, gateways, owner }
    }

    /// For a test that has the gateways to itself: no fault is ordered at them, and no circuit breaker is open.
    pub async fn open_alone() -> Self {
        let shop = Self::open().await;
        shop.gateways.well_again().await;
        shop.gateways.later(false).await;
        shop.owner.batch_execute("update holdfast.gateway_breaker set failures = 0, state = 'closed'").await.unwrap();
        shop
    }

    pub async fn hold(&self, sale: &str, user: &str) -> Value {
        self.hold_by(sale, user, "k").await
    }

    /// With a key of its own: one is its user's, whatever the sale.
    pub async fn hold_by(&self, sale: &str, user: &str, key: &str) -> Value {
        let items = json!([{"sku_id": "pair", "qty": 1}]);
        // Both ask for a retry: a crowd of thousands gets them now and then.
        until(&format!("{user} holds a pair"), 60, || async {
            let answer = self.client.reserve(user, key, sale, items.clone()).await;
            (![429, 503].contains(&answer.status)).then(|| answer.ok(201))
        })
        .await
    }

    pub async fn pay(&self, gateway: &str, hold: &Value, user: &str, more: Value) -> Value {
        let hold_id = hold["hold_id"].as_str().unwrap();
        self.gateways.pay(gateway, hold_id, &self.client.user(user), PRICE, more).await
    }

    pub async fn see(&self, hold: &Value, user: &str) -> Value {
        self.client.get(user, &format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap())).await.ok(200)
    }

    pub async fn until_status(&self, hold: &Value, user: &str, status: &str) -> Value {
        until(&format!("the hold of {user} is {status}"), 40, || async {
            let seen = self.see(hold, user).await;
            (seen["status"] == status).then_some(seen)
        })
        .await
    }

    /// Payments of a sale as an operator sees them.
    pub async fn payments(&self, sale: &str, state: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/v1/admin/payments?state={state}&limit=100{after}");
            let page = self.client.admin(Method::GET, &path, None).await.ok(200);
            found.extend(page["payments"].as_array().unwrap().iter().filter(|row| row["sale_id"] == sale).cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    pub async fn count(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// The buyer comes back from Toss's page: the status, and where they are sent.
    pub async fn come_back(&self, made: &Value, amount: impl std::fmt::Display) -> (u16, String) {
        let (key, order) = (made["payment_id"].as_str().unwrap(), made["order_ref"].as_str().unwrap());
        let path =
            format!("/v1/payments/toss/return?paymentType=NORMAL&paymentKey={key}&orderId={order}&amount={amount}");
        let browser = simulator::http::client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let answer = browser.get(format!("{}{path}", self.client.setting("edge_url"))).send().await.unwrap();
        let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location.unwrap_or_default())
    }

    /// The buyer pays by a deposit, and the shop has had the account issued, as each gateway does it.
    pub async fn issue(&self, gateway: &str, hold: &Value, user: &str) -> String {
        // The shop gets no webhook yet.
        let chosen = json!({"authorise": true, "deposit": true, "webhooks": {"delay_ms": 3_600_000}});
        let made = self.pay(gateway, hold, user, chosen).await;
        let id = made["payment_id"].as_str().unwrap().to_owned();
        if gateway == "toss" {
            // Beside a crowd of unsigned webhooks a return without a session may have to be loaded again.
            let to = until("the return from the payment page", 20, || async {
                let (status, to) = self.come_back(&made, PRICE).await;
                (status != 503).then_some(to)
            })
            .await;
            assert!(to.ends_with("&result=pending"), "{to}");
        } else {
            let body = json!({"payment_id": id, "payment_token": format!("token-{id}")});
            let request = self.client.buyer(user, Method::POST, "/v1/payments/portone/confirm").json(&body);
            assert_eq!(self.client.send(request).await.ok(200), json!({"result": "pending"}));
        }
        assert_eq!(self.gateways.payment(&id).await["state"], "waiting");
        id
    }

    /// The buyer says where a late deposit is to go.
    pub async fn name_account(&self, hold: &Value, user: &str) -> Answer {
        let path = format!("/v1/reservations/{}/refund-account", hold["hold_id"].as_str().unwrap());
        let account = json!({"bank": "88", "number": "110-123-456789", "holder": "홍길동"});
        self.client.send(self.client.buyer(user, Method::POST, &path).json(&account)).await
    }

    /// An order paid at a gateway.
    pub async fn buy(&self, gateway: &str) -> Bought {
        let (sale, user) =
            (self.client.sale(3_600, &[("pair", 9, 1)]).await, format!("{gateway}-{}", uuid::Uuid::new_v4().simple()));
        let hold = self.hold(&sale, &user).await;
        let made = self.pay(gateway, &hold, &user, json!({})).await;
        self.until_status(&hold, &user, "COMMITTED").await;
        Bought { sale, user, payment: made["payment_id"].as_str().unwrap().to_owned(), hold }
    }

    pub async fn order(&self, bought: &Bought) -> Value {
        let path = format!("/v1/orders?hold_id={}", bought.hold["hold_id"].as_str().unwrap());
        self.client.get(&bought.user, &path).await.ok(200)
    }

    /// The order shows these two.
    pub async fn until_shown(&self, bought: &Bought, disputed: bool, refunded: i64) {
        until(&format!("the order shows disputed {disputed}, refunded {refunded}"), 40, || async {
            let order = self.order(bought).await;
            (order["disputed"] == disputed && order["refunded_amount"] == refunded).then_some(())
        })
        .await;
        assert_eq!(self.order(bought).await["status"], "CONFIRMED", "it stands beside the status");
    }

    pub async fn row(&self, bought: &Bought) -> Value {
        self.row_in(bought, "ordered").await
    }

    /// The payment in this state, as an operator sees it.
    pub async fn row_in(&self, bought: &Bought, state: &str) -> Value {
        let rows = self.payments(&bought.sale, state).await;
        rows.into_iter().find(|row| row["payment_id"] == bought.payment.as_str()).unwrap()
    }

    /// The events of a payment under a name, in order.
    pub async fn told(&self, payment: &str, event_type: &str) -> Vec<Value> {
        let sql = "select data from holdfast.event_outbox where event_type = $1 and data ->> 'payment_id' = $2 order by event_id";
        let rows = self.owner.query(sql, &[&event_type, &payment]).await.unwrap();
        rows.iter().map(|row| row.get::<_, Json<Value>>(0).0).collect()
    }

    /// The buyer's refund of a whole payment: its status, and nothing else that says more.
    pub async fn until_refund(&self, hold: &Value, user: &str, status: &str) {
        until(&format!("the refund is {status}"), 40, || async {
            let seen = self.see(hold, user).await["refund"].clone();
            let as_it_is = json!({"status": status, "amount": PRICE, "currency": "KRW", "currency_decimals": 0,
                                  "reason": seen["reason"]});
            (seen == as_it_is).then_some(())
        })
        .await;
    }

    /// A late payment, whose money bought nothing: the hold and the payment.
    pub async fn pay_late(&self, gateway: &str, user: &str) -> (Value, String) {
        let sale = self.client.sale(1, &[("pair", 1, 1)]).await;
        let hold = self.hold_by(&sale, user, &sale).await;
        let made = self.pay(gateway, &hold, user, json!({"webhooks": {"at": hold["expire_at"]}})).await;
        (hold, made["payment_id"].as_str().unwrap().to_owned())
    }

    /// The answer to the message that was sent first and came late.
    pub async fn late_answer(&self, payment: &str) -> Value {
        until("the late message is answered", 30, || async {
            let delivery = self.gateways.payment(payment).await["deliveries"][0].clone();
            (delivery["delivered"] == true)
                .then(|| delivery["attempts"].as_array().unwrap().last().unwrap()["body"].clone())
        })
        .await
    }
}
