//! What a message counts for: it is about the past, it may be long, it may be about play money, and it is proven where
//! the order is made.

use reqwest::Method;
use serde_json::{Value, json};
use simulator::Dialect;
use uuid::Uuid;

use support::client::{paid, until};
use support::invoke::invoke;
use support::shop::{PRICE, Shop};

/// When a message that was sent late has been answered, and how.
async fn answered(shop: &Shop, payment: &str) -> Value {
    until("the late message is answered", 30, || async {
        let payment = shop.gateways.payment(payment).await;
        let delivery = payment["deliveries"].as_array().unwrap().iter().find(|one| one["delivered"] == true).cloned();
        delivery.map(|delivery| delivery["attempts"].as_array().unwrap().last().unwrap()["body"].clone())
    })
    .await
}

#[tokio::test]
async fn a_payment_refunded_at_the_gateway_before_its_message_comes_buys_nothing() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for gateway in ["stripe", "standard"] {
        let hold = shop.hold(&sale, gateway).await;
        let made = shop.pay(gateway, &hold, gateway, json!({"webhooks": {"delay_ms": 1_500}})).await;
        let id = made["payment_id"].as_str().unwrap();
        shop.gateways.refund_by_hand(id, PRICE).await;
        assert_eq!(answered(&shop, id).await, r#"{"result":"ignored"}"#, "{gateway}");
        assert_eq!(shop.see(&hold, gateway).await["status"], "HOLD", "{gateway}: and it can still be paid");
    }
    let late = format!("t-{}", Uuid::new_v4());
    let sku = json!({"sku_id": "pair", "name": "Pair", "unit_price": PRICE, "stock": 2});
    let body = json!({"sale_id": late, "name": "Late", "currency": "KRW", "hold_ttl_s": 1, "late_payment": "retake",
        "skus": [sku]});
    shop.client.admin(Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
    let hold = shop.hold(&late, "cid").await;
    let made = shop.pay("stripe", &hold, "cid", json!({"webhooks": {"delay_ms": 3_000}})).await;
    shop.gateways.refund_by_hand(made["payment_id"].as_str().unwrap(), PRICE).await;
    assert_eq!(answered(&shop, made["payment_id"].as_str().unwrap()).await, r#"{"result":"ignored"}"#);
    assert_eq!(shop.client.report(&late).await["skus"][0]["sold"], 0, "nor after the end");
}

#[tokio::test]
async fn a_long_message_confirms_and_one_that_is_too_long_is_not_read_to_its_end() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for (n, kilobytes) in [200, 1_000].into_iter().enumerate() {
        let user = format!("long-{n}");
        let hold = shop.hold(&sale, &user).await;
        let made = shop.pay("stripe", &hold, &user, json!({"webhooks": {"delay_ms": 3_600_000}})).await;
        // Each quote is two bytes in the call of the function.
        let filler = "\"\\".repeat(kilobytes * 256);
        let event = json!({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "livemode": true,
            "data": {"object": {"id": made["payment_id"], "metadata": {"note": filler}}}});
        let answer = shop.client.send(shop.client.message_of(Dialect::Stripe, event.to_string().as_bytes())).await;
        assert_eq!(answer.ok(200)["result"], "confirmed", "{kilobytes} KB");
    }
    let hold = shop.hold(&sale, "ann").await;
    let mut event =
        paid(&format!("pay_{}", Uuid::new_v4()), hold["hold_id"].as_str().unwrap(), &shop.client.user("ann"), PRICE);
    event["data"]["note"] = "x".repeat(200_000).into();
    let answer = shop.client.send(shop.client.message_of(Dialect::Standard, event.to_string().as_bytes())).await;
    assert_eq!(answer.ok(200)["result"], "confirmed");
    let long = vec![b' '; 2_000_000];
    for gateway in [Dialect::Standard, Dialect::PortOne, Dialect::Toss, Dialect::Stripe] {
        let signed = shop.client.message_of(gateway, &long);
        let unsigned = shop.client.request(Method::POST, &gateway.path()).body(long.clone());
        for request in [signed, unsigned] {
            let request = request.header("content-type", "application/json");
            assert_eq!(shop.client.send(request).await.refusal(), (413, "payload_too_large".into()), "{gateway:?}");
        }
    }
}

#[tokio::test]
async fn play_money_of_the_shops_own_service_buys_nothing() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let send = async |live: Value| {
        let payment = format!("pay_{}", Uuid::new_v4());
        let mut event = paid(&payment, hold["hold_id"].as_str().unwrap(), &shop.client.user("ann"), PRICE);
        event["data"]["live"] = live;
        shop.client.send(shop.client.message_of(Dialect::Standard, event.to_string().as_bytes())).await
    };
    assert_eq!(send(json!(false)).await.ok(200), json!({"result": "ignored"}));
    assert_eq!(send(json!("no")).await.refusal(), (400, "malformed_request".into()));
    assert_eq!(shop.see(&hold, "ann").await["status"], "HOLD");
    let none = "select count(*) from holdfast.payment where sale_id = ";
    assert_eq!(shop.count(&format!("{none}'{sale}'")).await, 0, "and it is not refunded");
    assert_eq!(send(json!(true)).await.ok(200)["result"], "confirmed");
}

#[tokio::test]
async fn a_caller_limited_to_confirm_makes_no_order() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let hold_id = hold["hold_id"].as_str().unwrap();
    let (payment, user) = (format!("pay_{}", Uuid::new_v4()), shop.client.user("ann"));
    let event = paid(&payment, hold_id, &user, PRICE).to_string();
    let good = shop.client.signed(Dialect::Standard, &event);
    let mut forged = Vec::new();
    // As the edge of the release before it said it; as a question; unsigned, signed by another, signed for other words.
    for gateway in ["standard", "stripe", "portone", "toss"] {
        forged.push(json!({"request_id": "r", "gateway": gateway, "payment_id": payment, "hold_id": hold_id,
                           "user_id": user, "amount": PRICE, "currency": "KRW"}));
        forged.push(json!({"request_id": "r", "gateway": gateway, "payment_id": payment}));
        forged.push(json!({"request_id": "r", "gateway": gateway, "headers": {}, "body": event}));
        let mut another = good.clone();
        another["gateway"] = gateway.into();
        another["headers"]["webhook-id"] = "msg_another".into();
        forged.push(another);
    }
    let mut words = good.clone();
    words["body"] = event.replace("KRW", "USD").into();
    forged.push(words);
    let mut old = good.clone();
    old["headers"]["webhook-timestamp"] = "1700000000".into();
    forged.push(old);
    for payload in forged {
        let answer = invoke("confirm", &payload).await;
        let result = answer.map_or_else(|error| error, |answer| answer["result"].as_str().unwrap().to_owned());
        assert!(["unproven", "ignored", "unreachable"].contains(&result.as_str()), "{result}: {payload}");
    }
    assert_eq!(shop.see(&hold, "ann").await["status"], "HOLD");
    assert_eq!(invoke("confirm", &good).await.unwrap()["result"], "confirmed");
}

#[tokio::test]
async fn a_caller_limited_to_confirm_neither_buys_for_others_nor_names_their_refund_account() {
    let shop = Shop::open().await;
    let sale = format!("t-{}", Uuid::new_v4());
    let sku = json!({"sku_id": "pair", "name": "Pair", "unit_price": 0, "stock": 2});
    let body = json!({"sale_id": sale, "name": "Free", "currency": "KRW", "skus": [sku]});
    shop.client.admin(Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
    let hold = shop.hold(&sale, "ann").await;
    let (hold_id, user) = (hold["hold_id"].as_str().unwrap(), shop.client.user("ann"));
    let pay = json!({"request_id": "r", "user_id": user, "hold_id": hold_id, "pay_with": "free"});
    let account = json!({"bank": "88", "number": "1-2", "holder": "Mallory"});
    let of_hold = json!({"request_id": "r", "user_id": user, "hold_id": hold_id, "refund_account": account});
    let of_letter = json!({"request_id": "r", "letter": "refund-00", "refund_account": account});
    let now_ms = jiff::Timestamp::now().as_millisecond();
    for request in [pay, of_hold, of_letter] {
        let guessed = json!({"proven": request.to_string(), "at_ms": now_ms, "mac": "00".repeat(32)});
        for payload in [request.clone(), guessed] {
            assert!(invoke("confirm", &payload).await.is_err(), "{payload}");
        }
    }
    assert_eq!(shop.see(&hold, "ann").await["status"], "HOLD");
    let path = format!("/v1/reservations/{hold_id}/pay");
    let request = shop.client.buyer("ann", Method::POST, &path).json(&json!({"method": "free"}));
    assert_eq!(shop.client.send(request).await.ok(200)["result"], "confirmed", "the buyer does");
}
