//! Which payments are looked up, and how often: pages that were opened, holds whose payment window stays open, other amounts.

use reqwest::Method;
use serde_json::{Value, json};

use support::client::until;
use support::gateways::GATEWAYS;
use support::shop::{PRICE, Shop};

async fn opens_page(shop: &Shop, gateway: &str, hold: &Value, user: &str) -> String {
    let path = format!("/v1/reservations/{}/payments", hold["hold_id"].as_str().unwrap());
    let request = shop.client.buyer(user, Method::POST, &path).json(&json!({"gateway": gateway}));
    shop.client.send(request).await.ok(200)["payment_id"].as_str().unwrap().to_owned()
}

fn untold() -> Value {
    json!({"webhooks": {"delay_ms": 3_600_000}})
}

#[tokio::test]
async fn a_payment_that_nobody_ever_tells_of_is_found_because_its_page_was_opened() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(25, &[("pair", 9, 1)]).await;
    for gateway in GATEWAYS {
        let hold = shop.hold(&sale, gateway).await;
        let reference = opens_page(&shop, gateway, &hold, gateway).await;
        assert_eq!(opens_page(&shop, gateway, &hold, gateway).await, reference, "the same again");
        let mut how = untold();
        how["reference"] = json!(reference);
        let made = shop.pay(gateway, &hold, gateway, how).await;
        shop.until_status(&hold, gateway, "COMMITTED").await;
        assert_eq!(shop.gateways.payment(made["payment_id"].as_str().unwrap()).await["refunded"], 0, "{gateway}");
    }
    let stranger = shop.hold(&sale, "stranger").await;
    let path = format!("/v1/reservations/{}/payments", stranger["hold_id"].as_str().unwrap());
    let request = shop.client.buyer("thief", Method::POST, &path).json(&json!({"gateway": "toss"}));
    assert_eq!(shop.client.send(request).await.refusal(), (404, "not_found".into()));
}

#[tokio::test]
async fn what_was_paid_after_the_end_behind_an_opened_page_is_found_and_paid_back() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(2, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let reference = opens_page(&shop, "portone", &hold, "ann").await;
    shop.until_status(&hold, "ann", "EXPIRED").await;
    let mut how = untold();
    how["reference"] = json!(reference);
    let made = shop.pay("portone", &hold, "ann", how).await;
    let due =
        format!("update holdfast.payment_attempt set ask_at = clock_timestamp() where payment_id = '{reference}'");
    shop.owner.batch_execute(&due).await.unwrap();
    shop.gateways.until_paid_back(made["payment_id"].as_str().unwrap()).await;
}

/// A hold of 10 s whose payment window stays open ends when it said it would, and while it lasts longer it says so.
#[tokio::test]
async fn a_hold_that_is_asked_about_lasts_no_longer_than_its_bound_and_never_longer_than_it_says() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(10, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let promised: jiff::Timestamp = hold["expire_at"].as_str().unwrap().parse().unwrap();
    shop.pay("portone", &hold, "ann", json!({"authorise": true})).await;
    let ended = until("the hold has ended", 60, || async {
        let asked = jiff::Timestamp::now();
        let seen = shop.see(&hold, "ann").await;
        let says: jiff::Timestamp = seen["expire_at"].as_str().unwrap().parse().unwrap();
        assert!(seen["status"] != "HOLD" || asked < says + std::time::Duration::from_millis(300), "{asked}: {seen}");
        (seen["status"] == "EXPIRED").then(jiff::Timestamp::now)
    })
    .await;
    let late = ended.duration_since(promised).as_secs_f64();
    assert!(late < 12.0, "{late} s after its end");
}

#[tokio::test]
async fn another_amount_leaves_the_hold_its_end_and_says_why_and_the_right_one_buys_it() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for gateway in ["standard", "portone"] {
        let hold = shop.hold(&sale, gateway).await;
        let hold_id = hold["hold_id"].as_str().unwrap();
        let user = shop.client.user(gateway);
        let made = shop.gateways.pay(gateway, hold_id, &user, PRICE - 1, json!({})).await;
        shop.gateways.until_paid_back(made["payment_id"].as_str().unwrap()).await;
        let seen = shop.see(&hold, gateway).await;
        assert_eq!((&seen["status"], &seen["expire_at"]), (&json!("HOLD"), &hold["expire_at"]), "{gateway}");
        assert_eq!(seen["refund"]["reason"], "amount_mismatch");
        shop.pay(gateway, &hold, gateway, json!({})).await;
        shop.until_status(&hold, gateway, "COMMITTED").await;
    }
}
