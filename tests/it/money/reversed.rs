//! Money that is about to leave the gateway, or that a bank has taken, when its payment is reported: it buys nothing,
//! and the hold can be paid again.

use serde_json::{Value, json};

use support::shop::{PRICE, Shop};

/// A payment whose message comes late.
async fn paid(shop: &Shop, gateway: &str, hold: &Value) -> String {
    let made = shop.pay(gateway, hold, gateway, json!({"webhooks": {"delay_ms": 2_000}})).await;
    made["payment_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_payment_with_a_pending_refund_buys_nothing_until_the_refund_has_failed() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    // Toss has refunded when it answers.
    for gateway in ["standard", "portone", "stripe"] {
        let hold = shop.hold(&sale, gateway).await;
        let (back, kept) = (paid(&shop, gateway, &hold).await, paid(&shop, gateway, &hold).await);
        for payment in [&back, &kept] {
            shop.gateways.refund_by_hand_later(payment, PRICE).await;
        }
        for payment in [&back, &kept] {
            assert_eq!(shop.late_answer(payment).await, r#"{"result":"ignored"}"#, "{gateway}");
        }
        assert_eq!(shop.see(&hold, gateway).await["status"], "HOLD", "{gateway}");
        shop.gateways.finish_refunds(&back).await;
        shop.gateways.fail_refunds(&kept).await;
        shop.until_status(&hold, gateway, "COMMITTED").await;
        let order = shop.payments(&sale, "ordered").await;
        assert!(order.iter().any(|row| row["payment_id"] == kept.as_str()), "{gateway}: {order:?}");
        assert!(order.iter().all(|row| row["payment_id"] != back.as_str()), "{gateway}: {order:?}");
    }
}

#[tokio::test]
async fn a_payment_lost_in_a_dispute_before_its_message_comes_buys_nothing() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    // What the others do not say of a dispute, their balance does.
    for gateway in ["standard", "stripe"] {
        let hold = shop.hold(&sale, gateway).await;
        let payment = paid(&shop, gateway, &hold).await;
        let silent = |mut order: Value| {
            order["webhooks"] = json!({"times": 0});
            order
        };
        shop.gateways.console(&payment, "dispute", &silent(json!({"amount": PRICE}))).await;
        shop.gateways.console(&payment, "resolve-dispute", &silent(json!({"won": false}))).await;
        assert_eq!(shop.late_answer(&payment).await, r#"{"result":"ignored"}"#, "{gateway}");
        assert_eq!(shop.see(&hold, gateway).await["status"], "HOLD", "{gateway}: and it can still be paid");
        shop.pay(gateway, &hold, gateway, json!({})).await;
        shop.until_status(&hold, gateway, "COMMITTED").await;
    }
}
