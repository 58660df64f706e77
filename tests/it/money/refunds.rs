//! Refunds of orders that an operator cancels, and how often a refund that takes days is looked up.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::types::Json;

use support::client::until;
use support::database::{Database, Paid, confirm};
use support::gateways::{GATEWAYS, by_the_shop};
use support::shop::Shop;

#[tokio::test]
async fn an_operator_cancels_an_order_and_the_money_goes_back() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(300, &[("pair", 1, 1)]).await;
    let hold = shop.client.reserve("ann", "k", &sale, json!([{"sku_id": "pair", "qty": 1}])).await.ok(201);
    let id = hold["hold_id"].as_str().unwrap();
    let made = shop.gateways.pay("toss", id, &shop.client.user("ann"), 1_000, json!({})).await;
    let order = until("the order", 20, || async {
        let answer = shop.client.get("ann", &format!("/v1/orders?hold_id={id}")).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    let path = format!("/v1/admin/orders/{}/cancel", order["order_id"].as_str().unwrap());
    let cancelled = shop.client.admin(Method::POST, &path, Some(json!({"reason": "broken"}))).await.ok(200);
    assert_eq!((&cancelled["status"], &cancelled["items"]), (&json!("CANCELLED"), &order["items"]));
    shop.until_refund(&hold, "ann", "completed").await;
    assert_eq!(by_the_shop(&shop.gateways.until_paid_back(made["payment_id"].as_str().unwrap()).await), [1_000]);
    let report = shop.client.report(&sale).await;
    assert_eq!(report["skus"][0], json!({"sku_id": "pair", "total": 1, "available": 1, "held": 0, "sold": 0}));
    let nobodys = format!("/v1/admin/orders/{}/cancel", uuid::Uuid::now_v7());
    let nobody = shop.client.admin(Method::POST, &nobodys, Some(json!({"reason": "x"}))).await;
    assert_eq!(nobody.refusal(), (404, "not_found".into()));
    let silent = shop.client.admin(Method::POST, &path, Some(json!({"reason": " "}))).await;
    assert_eq!(silent.refusal(), (422, "invalid_request".into()));
}

#[tokio::test]
async fn cancelling_a_partly_refunded_order_refunds_the_rest() {
    let shop = Shop::open().await;
    for gateway in GATEWAYS {
        let sale = shop.client.sale(300, &[("pair", 1, 1)]).await;
        let items = json!([{"sku_id": "pair", "qty": 1}]);
        let hold = shop.client.reserve("ann", &sale, &sale, items).await.ok(201);
        let id = hold["hold_id"].as_str().unwrap();
        let made = shop.gateways.pay(gateway, id, &shop.client.user("ann"), 1_000, json!({})).await;
        let payment = made["payment_id"].as_str().unwrap();
        let order = until("the order", 20, || async {
            let answer = shop.client.get("ann", &format!("/v1/orders?hold_id={id}")).await;
            (answer.status == 200).then_some(answer.body)
        })
        .await;
        shop.gateways.refund_by_hand(payment, 300).await;
        let cancel = format!("/v1/admin/orders/{}/cancel", order["order_id"].as_str().unwrap());
        shop.client.admin(Method::POST, &cancel, Some(json!({"reason": "broken"}))).await.ok(200);
        shop.until_refund(&hold, "ann", "completed").await;
        assert_eq!(by_the_shop(&shop.gateways.until_paid_back(payment).await), [700], "{gateway}");
    }
}

#[tokio::test]
async fn a_refund_that_takes_days_is_polled_at_growing_intervals() {
    let database = Database::new().await;
    let gateway = database.as_role("confirm").await;
    let paid =
        Paid { payment: "p1".into(), hold: "none".into(), user: "ann".into(), amount: 100, currency: "KRW".into() };
    confirm(&gateway, &paid).await.unwrap();
    let refund = database.as_role("refund").await;
    let began = Instant::now();
    for (ago, pause_s) in [("0 s", 5.0), ("4 minutes", 120.0), ("3 days", 600.0)] {
        let since = format!("update holdfast.refund set requested_at = requested_at - interval '{ago}'");
        database.owner.batch_execute(&since).await.unwrap();
        let requested = "select holdfast.settle_refund('standard', 'p1', 'requested', null, 5)";
        let Json(settled): Json<Value> = refund.query_typed(requested, &[]).await.unwrap()[0].get(0);
        assert_eq!(settled, json!({"status": "REQUIRED"}));
        let left = "select extract(epoch from next_attempt_at - clock_timestamp())::float8 from holdfast.refund";
        let left_s: f64 = database.owner.query_one(left, &[]).await.unwrap().get(0);
        // What this test itself takes has passed of the pause, or is added to the age.
        assert!((left_s - pause_s).abs() <= began.elapsed().as_secs_f64(), "{ago}: {left_s} s");
    }
    // One that waits for the end of a dispute, by its own age.
    let aged = "update holdfast.refund set created_at = created_at - interval '3 days'";
    database.owner.batch_execute(aged).await.unwrap();
    refund.query_typed("select holdfast.settle_refund('standard', 'p1', 'waits', null, 5)", &[]).await.unwrap();
    let left = "select extract(epoch from next_attempt_at - clock_timestamp())::float8 from holdfast.refund";
    let left_s: f64 = database.owner.query_one(left, &[]).await.unwrap().get(0);
    assert!((left_s - 600.0).abs() <= began.elapsed().as_secs_f64(), "{left_s} s");
}
