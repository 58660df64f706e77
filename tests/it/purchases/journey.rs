//! Whole journeys through the published contract: what a new user would try.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use support::client::{Client, paid, until};

fn one(sku: &str, qty: i64) -> Value {
    json!([{"sku_id": sku, "qty": qty}])
}

#[tokio::test]
async fn a_buyer_reserves_pays_and_has_an_order() {
    let client = Client::new();
    let sale = client.sale(300, &[("pair", 3, 1)]).await;
    let user = "홍길동";
    let granted = client.reserve(user, "k1", &sale, one("pair", 1)).await;
    assert_eq!(granted.status, 201, "{granted:?}");
    let hold = granted.body.clone();
    let id = hold["hold_id"].as_str().unwrap();
    assert_eq!(granted.header("location"), Some(format!("/v1/reservations/{id}").as_str()));
    assert_eq!(Uuid::parse_str(id).unwrap().get_version_num(), 7);
    assert_eq!(hold["items"], json!([{"sku_id": "pair", "qty": 1, "unit_price": 1000}]));
    assert_eq!(
        (&hold["status"], &hold["total_amount"], &hold["currency"]),
        (&json!("HOLD"), &json!(1000), &json!("KRW"))
    );
    assert_eq!(
        (&hold["subtotal_amount"], &hold["discount_amount"], &hold["coupon"], &hold["currency_decimals"]),
        (&json!(1000), &json!(0), &Value::Null, &json!(0))
    );
    assert_eq!((&hold["version"], granted.header("etag")), (&json!(1), Some("\"1\"")));
    assert_eq!(hold.as_object().unwrap().len(), 12, "exactly these members: {hold}");

    let seen = client.get(user, &format!("/v1/reservations/{id}")).await;
    assert_eq!(seen.header("etag"), Some("\"1\""));
    assert_eq!(seen.ok(200), hold);
    assert_eq!(client.get(user, &format!("/v1/orders?hold_id={id}")).await.refusal(), (404, "not_found".into()));

    let confirmed = client.pay(&format!("pay_{id}"), &hold, user).await.ok(200);
    assert_eq!(confirmed["result"], "confirmed");
    let order_id = confirmed["order_id"].as_str().unwrap();
    let order = client.get(user, &format!("/v1/orders/{order_id}")).await.ok(200);
    assert_eq!(order, client.get(user, &format!("/v1/orders?hold_id={id}")).await.ok(200));
    assert_eq!((&order["status"], &order["items"]), (&json!("CONFIRMED"), &hold["items"]));
    let seen = client.get(user, &format!("/v1/reservations/{id}")).await.ok(200);
    assert_eq!((&seen["status"], &seen["order_id"]), (&json!("COMMITTED"), &json!(order_id)));
    // Not found by another user.
    assert_eq!(client.get("mallory", &format!("/v1/reservations/{id}")).await.status, 404);
    assert_eq!(client.get("mallory", &format!("/v1/orders/{order_id}")).await.status, 404);

    let release = client.send(client.buyer(user, Method::DELETE, &format!("/v1/reservations/{id}"))).await;
    assert_eq!(release.refusal(), (409, "hold_not_active".into()));
    assert_eq!(release.body["hold_status"], "COMMITTED");
    let report = client.report(&sale).await;
    assert_eq!(report["skus"][0], json!({"sku_id": "pair", "total": 3, "available": 2, "held": 0, "sold": 1}));
}

#[tokio::test]
async fn a_hundred_pieces_a_thousand_buyers_each_pressing_three_times() {
    let client = Arc::new(Client::new());
    let sale = client.sale(300, &[("pair", 100, 1)]).await;
    let mut buyers = FuturesUnordered::new();
    for n in 0..1_000 {
        let (client, sale) = (Arc::clone(&client), sale.clone());
        buyers.push(async move {
            let user = format!("buyer-{n}");
            let press = || client.reserve(&user, "the-key", &sale, one("pair", 1));
            let (a, b, c) = tokio::join!(press(), press(), press());
            assert_eq!(a.status, b.status, "{a:?} {b:?}");
            assert_eq!(b.status, c.status, "{b:?} {c:?}");
            match a.status {
                201 => {
                    assert!(a.text == b.text && b.text == c.text, "one answer, three times");
                    let replays =
                        [&a, &b, &c].iter().filter(|x| x.header("idempotent-replayed") == Some("true")).count();
                    assert_eq!(replays, 2);
                    Some(a.body["hold_id"].as_str().unwrap().to_owned())
                }
                _ => {
                    assert_eq!(a.refusal(), (409, "sold_out".into()), "{a:?}");
                    None
                }
            }
        });
    }
    let mut holds = std::collections::HashSet::new();
    while let Some(hold) = buyers.next().await {
        if let Some(hold) = hold {
            assert!(holds.insert(hold), "a hold of two buyers");
        }
    }
    assert_eq!(holds.len(), 100);
    let report = client.report(&sale).await;
    assert_eq!(report["skus"][0], json!({"sku_id": "pair", "total": 100, "available": 0, "held": 100, "sold": 0}));
    assert_eq!(report["holds"]["HOLD"], 100);
}

#[tokio::test]
async fn carts_of_two_skus_are_all_or_nothing() {
    let client = Arc::new(Client::new());
    let sale = client.sale(300, &[("a", 200, 9), ("b", 100, 9)]).await;
    let cart = json!([{"sku_id": "a", "qty": 1}, {"sku_id": "b", "qty": 2}]);
    let mut buyers: FuturesUnordered<_> = (0..200)
        .map(|n| {
            let (client, sale, cart) = (Arc::clone(&client), sale.clone(), cart.clone());
            async move { client.reserve(&format!("cart-{n}"), "k", &sale, cart).await.status }
        })
        .collect();
    let mut granted = 0;
    while let Some(status) = buyers.next().await {
        assert!(status == 201 || status == 409, "{status}");
        granted += u32::from(status == 201);
    }
    assert_eq!(granted, 50);
    let report = client.report(&sale).await;
    assert_eq!((&report["skus"][0]["available"], &report["skus"][1]["available"]), (&json!(150), &json!(0)));
}

#[tokio::test]
async fn two_buyers_for_the_last_piece_time_after_time() {
    let client = Client::new();
    let sale = client.sale(300, &[("last", 1, 1_000_000)]).await;
    for round in 0..100 {
        let (ann, bob) = (format!("ann-{round}"), format!("bob-{round}"));
        let (a, b) = tokio::join!(
            client.reserve(&ann, "k", &sale, one("last", 1)),
            client.reserve(&bob, "k", &sale, one("last", 1))
        );
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "round {round}: {a:?} {b:?}");
        let (user, hold) = if a.status == 201 { (ann, a.body) } else { (bob, b.body) };
        let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
        let released = client.send(client.buyer(&user, Method::DELETE, &path)).await.ok(200);
        assert_eq!(released["status"], "RELEASED");
        assert_eq!(client.send(client.buyer(&user, Method::DELETE, &path)).await.ok(200), released);
    }
    assert_eq!(client.report(&sale).await["holds"]["RELEASED"], 100);
}

#[tokio::test]
async fn a_hold_that_is_not_paid_comes_back_and_a_late_payment_is_a_refund_on_record() {
    let client = Client::new();
    let sale = client.sale(1, &[("pair", 1, 1)]).await;
    let hold = client.reserve("late", "k", &sale, one("pair", 1)).await.ok(201);
    let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
    until("the hold is over", 10, || async {
        (client.get("late", &path).await.ok(200)["status"] == "EXPIRED").then_some(())
    })
    .await;
    // Another buyer can have it, sweep or not.
    client.reserve("next", "k", &sale, one("pair", 1)).await.ok(201);
    let payment = format!("pay_{}", Uuid::new_v4());
    let answer = client.pay(&payment, &hold, "late").await.ok(200);
    assert_eq!(answer, json!({"result": "refund_required", "reason": "hold_expired"}));
    assert_eq!(client.pay(&payment, &hold, "late").await.ok(200), answer);
    let report = client.report(&sale).await;
    assert_eq!((&report["refunds"]["REQUIRED"], &report["orders"]["CONFIRMED"]), (&json!(1), &json!(0)));
    // The scheduler returns stock that no buyer requests.
    until("the sweep", 30, || async { (client.report(&sale).await["skus"][0]["available"] == 1).then_some(()) }).await;
}

#[tokio::test]
async fn the_same_webhook_ten_times_at_once_is_one_order() {
    let client = Client::new();
    let sale = client.sale(300, &[("pair", 1, 1)]).await;
    let hold = client.reserve("ann", "k", &sale, one("pair", 1)).await.ok(201);
    let payment = format!("pay_{}", Uuid::new_v4());
    let answers = futures_util::future::join_all((0..10).map(|_| client.pay(&payment, &hold, "ann"))).await;
    let bodies: Vec<Value> = answers.into_iter().map(|answer| answer.ok(200)).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0] && body["result"] == "confirmed"), "{bodies:?}");
    assert_eq!(client.report(&sale).await["orders"]["CONFIRMED"], 1);
}

#[tokio::test]
async fn money_that_buys_nothing_is_answered_with_its_reason() {
    let client = Client::new();
    let sale = client.sale(300, &[("pair", 1, 1)]).await;
    let hold = client.reserve("ann", "k", &sale, one("pair", 1)).await.ok(201);
    let id = hold["hold_id"].as_str().unwrap();
    for (hold_id, user, amount, reason) in [
        (id, "ann", 999, "amount_mismatch"),
        (id, "bob", 1000, "user_mismatch"),
        ("00000000-0000-7000-8000-000000000000", "ann", 1000, "hold_unknown"),
        ("no id at all", "ann", 1000, "hold_unknown"),
    ] {
        let payment = format!("pay_{}", Uuid::new_v4());
        let body = paid(&payment, hold_id, &client.user(user), amount).to_string();
        let answer = client.send(client.webhook(&payment, 0, &body)).await.ok(200);
        assert_eq!(answer, json!({"result": "refund_required", "reason": reason}));
    }
    client.pay(&format!("pay_{}", Uuid::new_v4()), &hold, "ann").await.ok(200);
    let again = client.pay(&format!("pay_{}", Uuid::new_v4()), &hold, "ann").await.ok(200);
    assert_eq!(again["reason"], "already_paid");
    assert_eq!(client.report(&sale).await["orders"]["CONFIRMED"], 1);
}

#[tokio::test]
async fn the_gateway_stand_in_pays_and_the_order_is_there() {
    let client = Client::new();
    let sale = client.sale(300, &[("pair", 1, 1)]).await;
    let hold = client.reserve("ann", "k", &sale, one("pair", 1)).await.ok(201);
    let id = hold["hold_id"].as_str().unwrap();
    let http = simulator::http::client().build().unwrap();
    let payment = json!({"hold_id": id, "user_id": client.user("ann"), "amount": 1000, "currency": "KRW", "webhooks": {"times": 3}});
    let url = format!("{}/payments", client.setting("gateway_url"));
    assert_eq!(http.post(url).json(&payment).send().await.unwrap().status(), 201);
    let order = until("the order", 20, || async {
        let answer = client.get("ann", &format!("/v1/orders?hold_id={id}")).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    assert_eq!(order["total_amount"], 1000);
    assert_eq!(client.report(&sale).await["orders"]["CONFIRMED"], 1);
}

#[tokio::test]
async fn two_sales_at_once_do_not_disturb_each_other() {
    let client = Client::new();
    let (spring, autumn) = (client.sale(300, &[("pair", 30, 1)]).await, client.sale(300, &[("pair", 20, 1)]).await);
    let buyers = (0..200).map(|n| {
        let (client, sale) = (&client, if n % 2 == 0 { &spring } else { &autumn });
        async move { client.reserve(&format!("buyer-{n}"), "k", sale, one("pair", 1)).await.status }
    });
    let statuses = futures_util::future::join_all(buyers).await;
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    for (sale, stock) in [(spring, 30), (autumn, 20)] {
        let sku = client.report(&sale).await["skus"][0].clone();
        assert_eq!(sku, json!({"sku_id": "pair", "total": stock, "available": 0, "held": stock, "sold": 0}));
    }
}
