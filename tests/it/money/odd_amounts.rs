//! Nothing to pay, currencies that a gateway counts in its own way, and money that was refunded by hand meanwhile.

use reqwest::Method;
use serde_json::{Value, json};

use support::client::until;
use support::gateways::by_the_shop;
use support::shop::{PRICE, Shop, silent};

async fn sale_in(shop: &Shop, currency: &str, unit_price: i64, hold_ttl_s: i64) -> String {
    let sale_id = format!("t-{}", uuid::Uuid::new_v4());
    let sku = json!({"sku_id": "pair", "name": "Pair", "unit_price": unit_price, "stock": 9});
    let body =
        json!({"sale_id": sale_id, "name": "Odd", "currency": currency, "hold_ttl_s": hold_ttl_s, "skus": [sku]});
    shop.client.admin(Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
    sale_id
}

async fn until_refund(shop: &Shop, hold: &Value, user: &str, refund: Value) {
    until(&format!("the refund is {refund}"), 40, || async {
        let seen = shop.see(hold, user).await["refund"].clone();
        let is = |name: &str| seen[name] == refund[name];
        ["status", "amount", "currency"].iter().all(|name| is(name)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn stripe_counts_some_currencies_in_its_own_way_and_the_money_is_the_same() {
    let shop = Shop::open().await;
    // Whole krónur and shillings that Stripe counts in hundredths, ariary of which it counts no hundredths, and a won.
    for currency in ["ISK", "UGX", "MGA", "KRW"] {
        let sale = sale_in(&shop, currency, PRICE, 3_600).await;
        let hold = shop.hold(&sale, currency).await;
        let how = json!({"authorise": true, "currency": currency});
        let made = shop.pay("stripe", &hold, currency, how).await;
        let seen = shop.until_status(&hold, currency, "COMMITTED").await;
        let theirs = shop.gateways.payment(made["payment_id"].as_str().unwrap()).await;
        assert_eq!((&theirs["captured"], &seen["total_amount"]), (&json!(PRICE), &json!(PRICE)), "{currency}");

        let order = seen["order_id"].as_str().unwrap();
        let cancel = format!("/v1/admin/orders/{order}/cancel");
        shop.client.admin(Method::POST, &cancel, Some(json!({"reason": "broken"}))).await.ok(200);
        let refund = json!({"status": "completed", "amount": PRICE, "currency": currency});
        until_refund(&shop, &hold, currency, refund).await;
        let theirs = shop.gateways.payment(made["payment_id"].as_str().unwrap()).await;
        assert_eq!((&theirs["refunded"], by_the_shop(&theirs)), (&json!(PRICE), vec![PRICE]), "{currency}");
    }
}

#[tokio::test]
async fn toss_counts_dollars_with_their_cents_and_another_currency_is_not_sold() {
    let shop = Shop::open().await;
    let sale = sale_in(&shop, "USD", 1_050, 3_600).await;
    let hold = shop.hold(&sale, "ann").await;
    let mut how = silent();
    how["currency"] = json!("USD");
    let hold_id = hold["hold_id"].as_str().unwrap();
    let made = shop.gateways.pay("toss", hold_id, &shop.client.user("ann"), 1_050, how).await;
    let id = made["payment_id"].as_str().unwrap();
    assert_eq!(shop.come_back(&made, "1050").await.1, "/", "another amount");
    assert_eq!(shop.gateways.payment(id).await["captured"], 0);
    assert!(shop.come_back(&made, "10.50").await.1.ends_with("&result=paid"));
    let seen = shop.until_status(&hold, "ann", "COMMITTED").await;
    assert_eq!((&seen["total_amount"], &shop.gateways.payment(id).await["captured"]), (&json!(1_050), &json!(1_050)));
    let cancel = format!("/v1/admin/orders/{}/cancel", seen["order_id"].as_str().unwrap());
    shop.client.admin(Method::POST, &cancel, Some(json!({"reason": "broken"}))).await.ok(200);
    until_refund(&shop, &hold, "ann", json!({"status": "completed", "amount": 1_050, "currency": "USD"})).await;
    assert_eq!(by_the_shop(&shop.gateways.payment(id).await), [1_050]);
}

#[tokio::test]
async fn a_zero_amount_order_is_confirmed_and_cancelled_without_a_gateway() {
    let shop = Shop::open().await;
    let sale = sale_in(&shop, "KRW", 0, 3_600).await;
    let hold = shop.hold(&sale, "ann").await;
    assert_eq!(hold["total_amount"], 0);
    let confirmed = shop.client.pay(&format!("free-{sale}"), &hold, "ann").await.ok(200);
    assert_eq!(confirmed["result"], "confirmed");
    let second = shop.client.pay(&format!("free-too-{sale}"), &hold, "ann").await.ok(200);
    assert_eq!(second, json!({"result": "refund_required", "reason": "already_paid"}));
    let cancel = format!("/v1/admin/orders/{}/cancel", confirmed["order_id"].as_str().unwrap());
    shop.client.admin(Method::POST, &cancel, Some(json!({"reason": "broken"}))).await.ok(200);
    until_refund(&shop, &hold, "ann", json!({"status": "completed", "amount": 0, "currency": "KRW"})).await;
    until("both are over", 40, || async { (shop.payments(&sale, "refunded").await.len() == 2).then_some(()) }).await;
    assert_eq!(shop.client.report(&sale).await["skus"][0]["available"], 9);
}

#[tokio::test]
async fn the_balance_after_a_manual_refund_does_not_match_and_is_refunded_too() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for gateway in ["portone", "toss"] {
        let hold = shop.hold(&sale, gateway).await;
        // A part is refunded before the shop gets any message; that refund is the first message.
        let made = shop.pay(gateway, &hold, gateway, json!({"webhooks": {"delay_ms": 3_600_000}})).await;
        let payment = made["payment_id"].as_str().unwrap();
        shop.gateways.refund_by_hand(payment, 300).await;
        until_refund(&shop, &hold, gateway, json!({"status": "completed", "amount": 700, "currency": "KRW"})).await;
        assert_eq!(by_the_shop(&shop.gateways.until_paid_back(payment).await), [700], "{gateway}");
        assert_eq!(shop.see(&hold, gateway).await["status"], "HOLD", "it can still be paid");
    }
}
