//! Payments as they come: in time, too late, with play money, forged; and money that is only set aside until we take it.

use reqwest::Method;
use serde_json::{Value, json};

use support::client::until;
use support::gateways::GATEWAYS;
use support::shop::{PRICE, Shop, silent};

#[tokio::test]
async fn a_buyer_who_returns_in_time_pays_and_a_late_one_is_refused_before_paying() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("toss", &hold, "ann", silent()).await;
    let id = made["payment_id"].as_str().unwrap();
    let (status, to) = shop.come_back(&made, PRICE + 1).await;
    assert_eq!(
        (status, to.as_str(), &shop.gateways.payment(id).await["captured"]),
        (303, "/", &json!(0)),
        "another amount"
    );
    let (status, to) = shop.come_back(&made, PRICE).await;
    assert_eq!(status, 303);
    assert!(to.starts_with(&format!("/sales/{sale}?hold_id=")) && to.ends_with("&result=paid"), "{to}");
    assert_eq!(shop.see(&hold, "ann").await["status"], "COMMITTED");
    assert_eq!(shop.come_back(&made, PRICE).await, (303, to), "a reload finds what was done");
    assert_eq!(shop.gateways.payment(id).await["captured"], PRICE);

    let short = shop.client.sale(1, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&short, "bob").await;
    let made = shop.pay("toss", &hold, "bob", silent()).await;
    shop.until_status(&hold, "bob", "EXPIRED").await;
    let (status, to) = shop.come_back(&made, PRICE).await;
    assert!(status == 303 && to.ends_with("&result=declined"), "{to}");
    let theirs = shop.gateways.payment(made["payment_id"].as_str().unwrap()).await;
    assert_eq!((&theirs["state"], &theirs["captured"]), (&json!("authorised"), &json!(0)));
    assert!(shop.payments(&short, "refund_pending").await.is_empty());
}

#[tokio::test]
async fn stripe_is_captured_by_us_and_a_payment_that_comes_too_late_is_voided() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("stripe", &hold, "ann", json!({"authorise": true})).await;
    shop.until_status(&hold, "ann", "COMMITTED").await;
    assert_eq!(shop.gateways.payment(made["payment_id"].as_str().unwrap()).await["captured"], PRICE);

    let short = shop.client.sale(1, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&short, "bob").await;
    let at = json!({"authorise": true, "webhooks": {"at": hold["expire_at"], "times": 3}});
    let made = shop.pay("stripe", &hold, "bob", at).await;
    until("the payment is voided", 20, || async {
        (shop.gateways.payment(made["payment_id"].as_str().unwrap()).await["state"] == "voided").then_some(())
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
    for wrong in [String::new(), "a\u{0}".to_owned(), "x".repeat(1_001)] {
        let refused = confirm(wrong).await;
        assert_eq!(refused.refusal(), (422, "invalid_request".into()));
        assert_eq!(refused.body["errors"][0]["pointer"], "/payment_token");
    }
    assert_eq!(shop.gateways.payment(id).await["captured"], 0);
    let confirmed = confirm(format!("token-{id}")).await.ok(200);
    assert_eq!(confirmed["result"], "confirmed");
    assert_eq!(confirm(format!("token-{id}")).await.ok(200), confirmed);
    assert_eq!(shop.see(&hold, "ann").await["status"], "COMMITTED");
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
            let delivery = shop.gateways.payment(id).await["deliveries"][0].clone();
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
async fn a_return_after_tosss_ten_minutes_captures_nothing_and_the_buyer_may_pay_again() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let late = shop.pay("toss", &hold, "ann", silent()).await;
    shop.gateways.lapse(late["payment_id"].as_str().unwrap()).await;
    let (status, to) = shop.come_back(&late, PRICE).await;
    assert!(status == 303 && (to == "/" || to.ends_with("&result=declined")), "{to}");
    assert_eq!(shop.see(&hold, "ann").await["status"], "HOLD");
    let again = shop.pay("toss", &hold, "ann", silent()).await;
    assert!(shop.come_back(&again, PRICE).await.1.ends_with("&result=paid"));
    assert_eq!(shop.gateways.payment(late["payment_id"].as_str().unwrap()).await["captured"], 0);
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
        shop.gateways.until_paid_back(made["payment_id"].as_str().unwrap()).await;
        assert_eq!(shop.see(&bob, &two).await["status"], "EXPIRED", "{gateway}");
        let report = shop.client.report(&sale).await;
        let sku = json!({"sku_id": "pair", "total": 1, "available": 0, "held": 0, "sold": 1});
        assert_eq!(report["skus"][0], sku, "{gateway}");
    }
}
