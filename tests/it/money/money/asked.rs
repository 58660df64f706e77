//! Who is asked, and how often: pages that were opened, gateways that do not say, and what none of that does to others.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PRICE, Shop, come_back, silent};
use support::client::until;
use support::till::GATEWAYS;

impl Shop {
    async fn opens_page(&self, gateway: &str, hold: &Value, user: &str) -> String {
        let path = format!("/v1/reservations/{}/payments", hold["hold_id"].as_str().unwrap());
        let request = self.client.buyer(user, Method::POST, &path).json(&json!({"gateway": gateway}));
        self.client.send(request).await.ok(200)["payment_id"].as_str().unwrap().to_owned()
    }

    async fn failures(&self, gateway: &str) -> i64 {
        let sql = "select coalesce(max(failures), 0)::bigint from holdfast.gateway_breaker where gateway = ";
        self.count(&format!("{sql}'{gateway}'")).await
    }
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
        let reference = shop.opens_page(gateway, &hold, gateway).await;
        assert_eq!(shop.opens_page(gateway, &hold, gateway).await, reference, "the same again");
        let mut how = untold();
        how["reference"] = json!(reference);
        let made = shop.pay(gateway, &hold, gateway, how).await;
        shop.until_status(&hold, gateway, "COMMITTED").await;
        assert_eq!(shop.till.payment(made["payment_id"].as_str().unwrap()).await["refunded"], 0, "{gateway}");
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
    let reference = shop.opens_page("portone", &hold, "ann").await;
    shop.until_status(&hold, "ann", "EXPIRED").await;
    let mut how = untold();
    how["reference"] = json!(reference);
    let made = shop.pay("portone", &hold, "ann", how).await;
    let due =
        format!("update holdfast.payment_attempt set ask_at = clock_timestamp() where payment_id = '{reference}'");
    shop.owner.batch_execute(&due).await.unwrap();
    shop.till.until_paid_back(made["payment_id"].as_str().unwrap()).await;
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
        let seen = shop.see(&hold, "ann").await;
        let says: jiff::Timestamp = seen["expire_at"].as_str().unwrap().parse().unwrap();
        let now = jiff::Timestamp::now();
        assert!(seen["status"] != "HOLD" || now < says + std::time::Duration::from_millis(300), "{now}: {seen}");
        (seen["status"] == "EXPIRED").then_some(now)
    })
    .await;
    let late = ended.duration_since(promised).as_secs_f64();
    assert!(late < 12.0, "{late} s after its end");
}

#[tokio::test]
async fn too_many_questions_slow_the_asking_and_turn_no_buyer_away() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    shop.till.fault("toss", "ask", 1, "busy").await;
    for n in 0..8 {
        let body = json!({"eventType": "PAYMENT_STATUS_CHANGED", "data": {"paymentKey": format!("tgen_{n}")}});
        let answer = shop.client.send(shop.client.request(Method::POST, "/v1/webhooks/toss").json(&body)).await;
        assert_eq!(answer.refusal(), (503, "unavailable".into()));
    }
    assert_eq!(shop.failures("toss").await, 0, "it has answered each time");
    shop.till.well_again().await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("toss", &hold, "ann", silent()).await;
    assert!(come_back(&shop, &made, PRICE).await.1.ends_with("&result=paid"));
    shop.owner.batch_execute("update holdfast.gateway_breaker set ask_after = null").await.unwrap();
}

#[tokio::test]
async fn a_payment_of_which_nothing_can_be_read_is_given_up_by_itself_and_no_other_is() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for kind in ["forbidden", "garbled"] {
        let hold = shop.hold(&sale, kind).await;
        let made = shop.pay("portone", &hold, kind, silent()).await;
        let id = made["payment_id"].as_str().unwrap().to_owned();
        let noted = "insert into holdfast.payment_attempt
                         (gateway, payment_id, hold_ref, hold_id, amount, currency, attempt, state, ask_at, unanswered)
                     values ('portone', $1, $2::uuid::text, $2::uuid, 1000, 'KRW', 1, 'UNDER_WAY', clock_timestamp(), 10)";
        let hold_id: uuid::Uuid = hold["hold_id"].as_str().unwrap().parse().unwrap();
        shop.till.fault("portone", "ask", 1, kind).await;
        shop.owner.execute(noted, &[&id, &hold_id]).await.unwrap();
        let path = format!("/v1/admin/dead-letters?kind=unanswered_payment&sale_id={sale}");
        let again = format!("update holdfast.payment_attempt set ask_at = clock_timestamp() where payment_id = '{id}'");
        let letter = until("it is a dead letter", 60, || async {
            // Its distances are hours by now.
            shop.owner.batch_execute(&again).await.unwrap();
            let page = shop.client.admin(Method::GET, &path, None).await.ok(200);
            page["dead_letters"].as_array().unwrap().iter().find(|letter| letter["payment_id"] == id.as_str()).cloned()
        })
        .await;
        assert_eq!((shop.failures("portone").await, &letter["attempts"]), (0, &json!(12)), "{letter}");
        shop.till.well_again().await;
        // Asked about again it is what it is.
        let replay = format!("/v1/admin/dead-letters/{}/replay", letter["id"].as_str().unwrap());
        shop.client.admin(Method::POST, &replay, Some(json!({"reason": "they are well again"}))).await.ok(200);
        until("it is no dead letter any more", 20, || async {
            let page = shop.client.admin(Method::GET, &path, None).await.ok(200);
            page["dead_letters"].as_array().unwrap().is_empty().then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn another_amount_leaves_the_hold_its_end_and_says_why_and_the_right_one_buys_it() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for gateway in ["standard", "portone"] {
        let hold = shop.hold(&sale, gateway).await;
        let hold_id = hold["hold_id"].as_str().unwrap();
        let user = shop.client.user(gateway);
        let made = shop.till.pay(gateway, hold_id, &user, PRICE - 1, json!({})).await;
        shop.till.until_paid_back(made["payment_id"].as_str().unwrap()).await;
        let seen = shop.see(&hold, gateway).await;
        assert_eq!((&seen["status"], &seen["expire_at"]), (&json!("HOLD"), &hold["expire_at"]), "{gateway}");
        assert_eq!(seen["refund"]["reason"], "amount_mismatch");
        shop.pay(gateway, &hold, gateway, json!({})).await;
        shop.until_status(&hold, gateway, "COMMITTED").await;
    }
}

#[tokio::test]
async fn five_requests_that_confirm_rejects_close_it_to_nobody() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for n in 0..8 {
        // Nothing of the edge's is wrong with it: the function has no such gateway, or the database no such character.
        let poison = json!({"gateway": "nobody", "payment_id": format!("p{n}"), "request_id": "r"});
        let lambda = support::invoke::invoke("confirm", &poison).await;
        assert_eq!(lambda, Err("NonRetryable".into()));
    }
    let hold = shop.hold(&sale, "ann").await;
    shop.pay("standard", &hold, "ann", json!({})).await;
    shop.until_status(&hold, "ann", "COMMITTED").await;
}
