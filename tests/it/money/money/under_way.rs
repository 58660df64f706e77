//! Payments that are under way when something else happens: the time to take the money is over, the bank says no, the
//! gateway of a crowd is down.

use serde_json::json;

use super::{PRICE, Shop, come_back, silent};
use support::client::until;
use support::till::GATEWAYS;

#[tokio::test]
async fn whoever_comes_back_after_tosss_ten_minutes_has_paid_nothing_and_may_pay_again() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let late = shop.pay("toss", &hold, "ann", silent()).await;
    shop.till.lapse(late["payment_id"].as_str().unwrap()).await;
    let (status, to) = come_back(&shop, &late, PRICE).await;
    assert!(status == 303 && (to == "/" || to.ends_with("&result=declined")), "{to}");
    assert_eq!(shop.see(&hold, "ann").await["status"], "HOLD");
    let again = shop.pay("toss", &hold, "ann", silent()).await;
    assert!(come_back(&shop, &again, PRICE).await.1.ends_with("&result=paid"));
    assert_eq!(shop.till.payment(late["payment_id"].as_str().unwrap()).await["captured"], 0);
}

#[tokio::test]
async fn after_the_bank_has_said_no_the_next_payment_of_the_hold_is_another_request() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let (one, two) = (shop.pay("toss", &hold, "ann", silent()).await, shop.pay("toss", &hold, "ann", silent()).await);
    shop.till.fault("toss", "capture", 1, "declined").await;
    assert!(come_back(&shop, &one, PRICE).await.1.ends_with("&result=declined"));
    shop.till.well_again().await;
    // Under the first one's key Toss would say once more what it said of that.
    assert!(come_back(&shop, &two, PRICE).await.1.ends_with("&result=paid"));
    assert_eq!(shop.till.payment(two["payment_id"].as_str().unwrap()).await["captured"], PRICE);
    assert_eq!(shop.till.payment(one["payment_id"].as_str().unwrap()).await["captured"], 0);
}

/// The buyer comes back again and again, as somebody does whose page does not load.
#[tokio::test]
async fn a_capture_that_is_still_in_flight_is_asked_for_again_under_its_key_and_takes_the_money_once() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("toss", &hold, "ann", silent()).await;
    shop.till.fault("toss", "capture", 1, "linger").await;
    assert_eq!(come_back(&shop, &made, PRICE).await.0, 503, "nobody knows yet");
    assert_eq!(shop.till.payment(made["payment_id"].as_str().unwrap()).await["captured"], 0);
    until("the buyer is through", 20, || async {
        let (status, to) = come_back(&shop, &made, PRICE).await;
        assert!(status == 503 || to.ends_with("&result=paid"), "{status} {to}");
        (status == 303).then_some(())
    })
    .await;
    shop.till.well_again().await;
    assert_eq!(shop.till.payment(made["payment_id"].as_str().unwrap()).await["captured"], PRICE);
    assert_eq!(shop.see(&hold, "ann").await["status"], "COMMITTED");
    let tries = "select max(attempt)::bigint from holdfast.payment_attempt where payment_id = ";
    assert_eq!(shop.count(&format!("{tries}'{}'", made["payment_id"].as_str().unwrap())).await, 1, "one key");
}

#[tokio::test]
async fn a_sale_that_wants_late_payments_sold_sells_what_is_there_and_pays_the_rest_back() {
    let shop = Shop::open().await;
    for gateway in GATEWAYS {
        let sale = format!("t-{}", uuid::Uuid::new_v4());
        let sku = json!({"sku_id": "pair", "name": "Pair", "unit_price": PRICE, "stock": 2});
        let body = json!({"sale_id": sale, "name": "Late", "currency": "KRW", "hold_ttl_s": 1, "late_payment": "retake",
            "skus": [sku]});
        shop.client.admin(reqwest::Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
        let (one, two) = (format!("ann-{gateway}"), format!("bob-{gateway}"));
        let (ann, bob) = (shop.hold(&sale, &one).await, shop.hold(&sale, &two).await);
        until("both have ended", 20, || async {
            (shop.client.report(&sale).await["skus"][0]["available"] == 2).then_some(())
        })
        .await;
        // One of the two is gone meanwhile.
        let taken = json!({"sale_id": sale, "delta": -1, "reason": "damaged"});
        shop.client.admin(reqwest::Method::POST, "/v1/admin/skus/pair/stock", Some(taken)).await.ok(200);
        shop.pay(gateway, &ann, &one, json!({})).await;
        shop.until_status(&ann, &one, "COMMITTED").await;
        let made = shop.pay(gateway, &bob, &two, json!({})).await;
        shop.till.until_paid_back(made["payment_id"].as_str().unwrap()).await;
        assert_eq!(shop.see(&bob, &two).await["status"], "EXPIRED", "{gateway}");
        let report = shop.client.report(&sale).await;
        let sku = json!({"sku_id": "pair", "total": 1, "available": 0, "held": 0, "sold": 1});
        assert_eq!(report["skus"][0], sku, "{gateway}");
    }
}

/// Nobody tells of ann's payment: the sweep has to ask in time, whoever else waits to be asked about.
#[tokio::test]
async fn a_crowd_at_a_gateway_that_is_down_stands_in_nobody_elses_way() {
    let shop = Shop::open().await;
    shop.till.fault("toss", "ask", 1, "down").await;
    let crowd = "insert into holdfast.payment_attempt
                     (gateway, payment_id, hold_ref, amount, currency, attempt, state, ask_at, created_at)
                 select 'toss', 'crowd-' || n, 'none', 1, 'KRW', 1, 'UNDER_WAY', t, t
                 from generate_series(1, 2000) n, (select clock_timestamp() - interval '1 hour') as past (t)";
    shop.owner.batch_execute(crowd).await.unwrap();
    let sale = shop.client.sale(6, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("portone", &hold, "ann", json!({"webhooks": {"delay_ms": 3_600_000}})).await;
    let under_way = "insert into holdfast.payment_attempt
                         (gateway, payment_id, hold_ref, hold_id, amount, currency, attempt, state, ask_at)
                     values ('portone', $1, $2::uuid::text, $2::uuid, 1000, 'KRW', 1, 'UNDER_WAY', clock_timestamp())";
    let id: uuid::Uuid = hold["hold_id"].as_str().unwrap().parse().unwrap();
    shop.owner.execute(under_way, &[&made["payment_id"].as_str().unwrap(), &id]).await.unwrap();
    let seen = shop.until_status(&hold, "ann", "COMMITTED").await;
    assert_eq!(seen["expire_at"], hold["expire_at"]);
    shop.owner.batch_execute("delete from holdfast.payment_attempt where payment_id like 'crowd-%'").await.unwrap();
    shop.till.well_again().await;
}
