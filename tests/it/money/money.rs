//! Real gateways from the outside: every captured payment is one order or one refund at the gateway's own books.

mod asked;
mod asked_first;
mod changed;
mod deposits;
mod keys;
mod later;
mod leaving;
mod messages;
mod odd_amounts;
mod ownership;
mod reconciled;
mod strangers;
mod under_way;

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

use support::client::{Client, until};
use support::till::{GATEWAYS, Till, by_the_shop};

const PRICE: i64 = 1_000;

struct Shop {
    client: Client,
    till: Till,
    owner: tokio_postgres::Client,
}

impl Shop {
    async fn open() -> Self {
        let client = Client::new();
        let till = Till::at(client.setting("gateway_url"));
        till.well_again().await;
        till.later(false).await;
        let owner = stack::database::connect(client.setting("database_url")).await.unwrap();
        owner.batch_execute("update holdfast.gateway_breaker set failures = 0, state = 'closed'").await.unwrap();
        Self { client, till, owner }
    }

    async fn hold(&self, sale: &str, user: &str) -> Value {
        let items = json!([{"sku_id": "pair", "qty": 1}]);
        // Both say to send the same again: a crowd of thousands is told so now and then.
        until(&format!("{user} holds a pair"), 60, || async {
            let answer = self.client.reserve(user, "k", sale, items.clone()).await;
            (![429, 503].contains(&answer.status)).then(|| answer.ok(201))
        })
        .await
    }

    async fn pay(&self, gateway: &str, hold: &Value, user: &str, more: Value) -> Value {
        let hold_id = hold["hold_id"].as_str().unwrap();
        self.till.pay(gateway, hold_id, &self.client.user(user), PRICE, more).await
    }

    async fn see(&self, hold: &Value, user: &str) -> Value {
        self.client.get(user, &format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap())).await.ok(200)
    }

    async fn until_status(&self, hold: &Value, user: &str, status: &str) -> Value {
        until(&format!("the hold of {user} is {status}"), 40, || async {
            let seen = self.see(hold, user).await;
            (seen["status"] == status).then_some(seen)
        })
        .await
    }

    /// Payments of a sale as an operator sees them.
    async fn payments(&self, sale: &str, state: &str) -> Vec<Value> {
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

    async fn count(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }
}

/// Where a payment came to rest: its order's total, or its refund's status and amount.
type Rest = (Option<i64>, Option<String>, Option<i64>);

/// A third pays after the end of the hold; each webhook comes three times, in any order.
async fn crowd(shop: &Arc<Shop>, gateway: &'static str, sale: String, buyers: usize, late: bool) -> Vec<String> {
    let buyer = |n: usize| {
        let (shop, sale) = (Arc::clone(shop), sale.clone());
        async move {
            let user = format!("{gateway}-{late}-{n}");
            let hold = shop.hold(&sale, &user).await;
            let mut webhooks = json!({"times": 3, "spread_ms": 1_500, "fresh_ids": n.is_multiple_of(2)});
            if late {
                webhooks["at"] = hold["expire_at"].clone();
            }
            let made = shop.pay(gateway, &hold, &user, json!({"webhooks": webhooks})).await;
            made["payment_id"].as_str().unwrap().to_owned()
        }
    };
    stream::iter((0..buyers).map(buyer)).buffer_unordered(12).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_buyers_through_each_gateway_have_an_order_or_their_money_and_the_books_agree() {
    let shop = Arc::new(Shop::open().await);
    for gateway in GATEWAYS {
        shop.till.fault(gateway, "refund", 5, "cut").await;
    }
    let mut crowds = Vec::new();
    let mut sales = Vec::new();
    for gateway in GATEWAYS {
        let prompt = shop.client.sale(3_600, &[("pair", 667, 1)]).await;
        let late = shop.client.sale(2, &[("pair", 333, 1)]).await;
        crowds.push(tokio::spawn({
            let (shop, prompt, late) = (Arc::clone(&shop), prompt.clone(), late.clone());
            async move {
                let (mut one, two) =
                    tokio::join!(crowd(&shop, gateway, prompt, 667, false), crowd(&shop, gateway, late, 333, true));
                one.extend(two);
                one
            }
        }));
        sales.extend([prompt, late]);
    }
    let mut paid = Vec::new();
    for crowd in crowds {
        paid.extend(crowd.await.unwrap());
    }
    assert_eq!(paid.len(), 4_000);

    let ours = format!("sale_id in ('{}')", sales.join("', '"));
    let told = format!("select count(*) from holdfast.payment where {ours}");
    let due = format!(
        "select count(*) from holdfast.refund r join holdfast.payment p using (gateway, payment_id)
                       where {ours} and r.status = 'REQUIRED'"
    );
    until("every payment is told of and every refund is over", 240, || async {
        (shop.count(&told).await == 4_000 && shop.count(&due).await == 0).then_some(())
    })
    .await;

    let rows = "select p.payment_id, o.total_amount, r.status, r.amount from holdfast.payment p
                left join holdfast.orders o using (gateway, payment_id) left join holdfast.refund r using (gateway, payment_id)";
    let rows = shop.owner.query(&format!("{rows} where p.{ours}"), &[]).await.unwrap();
    let book: HashMap<String, Rest> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3)))).collect();
    let (mut orders, mut refunds, mut kept) = (0, 0, 0);
    for id in &paid {
        let theirs = shop.till.payment(id).await;
        kept += theirs["captured"].as_i64().unwrap() - theirs["refunded"].as_i64().unwrap();
        match &book[id] {
            (Some(amount), None, None) => {
                assert_eq!((&theirs["captured"], &theirs["refunded"]), (&json!(amount), &json!(0)), "{theirs}");
                orders += 1;
            }
            (None, Some(status), Some(amount)) => {
                assert_eq!((status.as_str(), by_the_shop(&theirs)), ("COMPLETED", vec![*amount]), "{theirs}");
                assert_eq!(theirs["refunded"], theirs["captured"], "{theirs}");
                refunds += 1;
            }
            other => panic!("{id} is {other:?}"),
        }
    }
    assert_eq!((orders, refunds, kept), (4 * 667, 4 * 333, 4 * 667 * PRICE));
    for sale in &sales {
        shop.client.report(sale).await;
        assert!(shop.payments(sale, "unsettled").await.is_empty());
    }
    shop.till.well_again().await;
}

async fn come_back(shop: &Shop, made: &Value, amount: impl std::fmt::Display) -> (u16, String) {
    let (key, order) = (made["payment_id"].as_str().unwrap(), made["order_ref"].as_str().unwrap());
    let path = format!("/v1/payments/toss/return?paymentType=NORMAL&paymentKey={key}&orderId={order}&amount={amount}");
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let answer = browser.get(format!("{}{path}", shop.client.setting("edge_url"))).send().await.unwrap();
    let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location.unwrap_or_default())
}

/// Nobody tells the shop: what happens is what it asked for itself.
fn silent() -> Value {
    json!({"authorise": true, "webhooks": {"delay_ms": 3_600_000}})
}

#[tokio::test]
async fn a_buyer_who_comes_back_in_time_pays_and_a_late_one_is_turned_away_before_paying() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("toss", &hold, "ann", silent()).await;
    let id = made["payment_id"].as_str().unwrap();
    let (status, to) = come_back(&shop, &made, PRICE + 1).await;
    assert_eq!(
        (status, to.as_str(), &shop.till.payment(id).await["captured"]),
        (303, "/", &json!(0)),
        "another amount"
    );
    let (status, to) = come_back(&shop, &made, PRICE).await;
    assert_eq!(status, 303);
    assert!(to.starts_with(&format!("/sales/{sale}?hold_id=")) && to.ends_with("&result=paid"), "{to}");
    assert_eq!(shop.see(&hold, "ann").await["status"], "COMMITTED");
    assert_eq!(come_back(&shop, &made, PRICE).await, (303, to), "a reload finds what was done");
    assert_eq!(shop.till.payment(id).await["captured"], PRICE);

    let short = shop.client.sale(1, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&short, "bob").await;
    let made = shop.pay("toss", &hold, "bob", silent()).await;
    shop.until_status(&hold, "bob", "EXPIRED").await;
    let (status, to) = come_back(&shop, &made, PRICE).await;
    assert!(status == 303 && to.ends_with("&result=declined"), "{to}");
    let theirs = shop.till.payment(made["payment_id"].as_str().unwrap()).await;
    assert_eq!((&theirs["state"], &theirs["captured"]), (&json!("authorised"), &json!(0)));
    assert!(shop.payments(&short, "refund_pending").await.is_empty());
}

#[tokio::test]
async fn stripe_is_captured_on_our_word_and_what_comes_too_late_is_let_go() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("stripe", &hold, "ann", json!({"authorise": true})).await;
    shop.until_status(&hold, "ann", "COMMITTED").await;
    assert_eq!(shop.till.payment(made["payment_id"].as_str().unwrap()).await["captured"], PRICE);

    let short = shop.client.sale(1, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&short, "bob").await;
    let at = json!({"authorise": true, "webhooks": {"at": hold["expire_at"], "times": 3}});
    let made = shop.pay("stripe", &hold, "bob", at).await;
    until("the money is let go", 20, || async {
        (shop.till.payment(made["payment_id"].as_str().unwrap()).await["state"] == "voided").then_some(())
    })
    .await;
    assert_eq!(shop.see(&hold, "bob").await["status"], "EXPIRED");
}

#[tokio::test]
async fn portone_is_confirmed_with_the_token_of_the_buyers_browser() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("portone", &hold, "ann", silent()).await;
    let id = made["payment_id"].as_str().unwrap();
    let confirm = |token: String| {
        let body = json!({"payment_id": id, "payment_token": token});
        let request = shop.client.buyer("ann", Method::POST, "/v1/payments/portone/confirm").json(&body);
        shop.client.send(request)
    };
    assert_eq!(confirm("forged".to_owned()).await.status, 409);
    assert_eq!(shop.till.payment(id).await["captured"], 0);
    let confirmed = confirm(format!("token-{id}")).await.ok(200);
    assert_eq!(confirmed["result"], "confirmed");
    assert_eq!(confirm(format!("token-{id}")).await.ok(200), confirmed);
    assert_eq!(shop.see(&hold, "ann").await["status"], "COMMITTED");
}

#[tokio::test]
async fn a_capture_whose_answer_is_lost_is_asked_about_and_one_that_failed_is_taken_up_by_the_sweep() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    shop.till.fault("toss", "capture", 1, "cut").await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("toss", &hold, "ann", silent()).await;
    assert!(come_back(&shop, &made, PRICE).await.1.ends_with("&result=paid"));
    assert_eq!(shop.see(&hold, "ann").await["status"], "COMMITTED");

    shop.till.well_again().await;
    shop.till.fault("toss", "capture", 1, "down").await;
    let short = shop.client.sale(3, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&short, "bob").await;
    let made = shop.pay("toss", &hold, "bob", silent()).await;
    assert_eq!(come_back(&shop, &made, PRICE).await.0, 503);
    assert_eq!(shop.till.payment(made["payment_id"].as_str().unwrap()).await["captured"], 0);
    // While its money may be on the way the hold is nobody's to give away.
    let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
    assert_eq!(shop.client.send(shop.client.buyer("bob", Method::DELETE, &path)).await.refusal().0, 409);
    shop.till.well_again().await;
    // Nobody comes back and nobody tells: the sweep asks, after the end that was promised and before the real one.
    let seen = shop.until_status(&hold, "bob", "COMMITTED").await;
    assert_eq!(seen["expire_at"], hold["expire_at"], "what was promised stays what was promised");
}

#[tokio::test]
async fn play_money_unknown_payments_and_forgeries_buy_nothing() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for (n, gateway) in ["portone", "toss", "stripe"].into_iter().enumerate() {
        let hold = shop.hold(&sale, &format!("u{n}")).await;
        let made = shop.pay(gateway, &hold, &format!("u{n}"), json!({"live": false})).await;
        let id = made["payment_id"].as_str().unwrap();
        let answer = until("the shop has answered", 20, || async {
            let delivery = shop.till.payment(id).await["deliveries"][0].clone();
            (delivery["delivered"] == true).then(|| delivery["attempts"][0]["body"].clone())
        })
        .await;
        assert_eq!(answer, r#"{"result":"ignored"}"#, "{gateway}");
        assert_eq!(shop.see(&hold, &format!("u{n}")).await["status"], "HOLD");
    }
    let forged = json!({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-01-15T05:00:00.000000",
        "data": {"paymentKey": "tgen_forged", "orderId": "o", "status": "DONE", "totalAmount": PRICE}});
    let post =
        |gateway: &str, body: &Value| shop.client.request(Method::POST, &format!("/v1/webhooks/{gateway}")).json(body);
    let answer = shop.client.send(post("toss", &forged)).await.ok(200);
    assert_eq!(answer, json!({"result": "ignored"}));
    for gateway in ["standard", "portone", "stripe"] {
        assert_eq!(shop.client.send(post(gateway, &forged)).await.refusal(), (401, "signature_invalid".into()));
    }
    let report = shop.client.report(&sale).await;
    assert_eq!((&report["orders"]["CONFIRMED"], &report["refunds"]["REQUIRED"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn a_gateway_that_is_down_stops_nobody_else_and_its_buyers_are_confirmed_when_it_is_back() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 99, 1)]).await;
    shop.till.fault("toss", "ask", 1, "down").await;
    let mut waiting = Vec::new();
    for n in 0..6 {
        let (user, hold) = (format!("toss-{n}"), shop.hold(&sale, &format!("toss-{n}")).await);
        shop.pay("toss", &hold, &user, json!({})).await;
        waiting.push((user, hold));
    }
    let breaker = |state: &'static str| {
        let (shop, sale) = (&shop, &sale);
        async move {
            until(&format!("the breaker is {state}"), 20, || async {
                let gateways = shop.client.report(sale).await["gateways"].clone();
                gateways
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|g| g["gateway"] == "toss" && g["breaker"] == state)
                    .then_some(())
            })
            .await;
        }
    };
    breaker("open").await;
    for gateway in ["standard", "portone", "stripe"] {
        let hold = shop.hold(&sale, gateway).await;
        shop.pay(gateway, &hold, gateway, json!({})).await;
        shop.until_status(&hold, gateway, "COMMITTED").await;
    }
    shop.till.well_again().await;
    for (user, hold) in &waiting {
        shop.until_status(hold, user, "COMMITTED").await;
    }
    breaker("closed").await;
}
