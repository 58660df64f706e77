//! Messages with a wrong signature, or with none and an unknown id, and that they do not affect others.

use reqwest::Method;
use serde_json::json;

use support::shop::{PRICE, Shop, silent};

#[tokio::test]
async fn a_wrong_signature_is_refused_and_the_same_message_is_accepted_once_it_is_signed() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for gateway in ["standard", "portone", "stripe"] {
        let hold = shop.hold(&sale, gateway).await;
        let made = shop.pay(gateway, &hold, gateway, json!({"webhooks": {"forged": 2}})).await;
        shop.until_status(&hold, gateway, "COMMITTED").await;
        let payment = shop.gateways.payment(made["payment_id"].as_str().unwrap()).await;
        let attempts = payment["deliveries"][0]["attempts"].as_array().unwrap();
        let statuses: Vec<_> = attempts.iter().take(2).map(|attempt| attempt["status"].as_u64().unwrap()).collect();
        assert_eq!(statuses, [401, 401], "{gateway}: {payment}");
        assert!(attempts[0]["body"].as_str().unwrap().contains("signature_invalid"), "{payment}");
    }
}

#[tokio::test]
async fn lookups_for_unsigned_requests_do_not_open_a_gateways_breaker() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for n in 0..12 {
        let forged = json!({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-01-15T05:00:00.000000",
            "data": {"paymentKey": format!("no.key~{n}"), "orderId": "o", "status": "DONE", "totalAmount": PRICE}});
        let post = shop.client.request(Method::POST, "/v1/webhooks/toss").json(&forged);
        assert_eq!(shop.client.send(post).await.refusal(), (503, "unavailable".into()), "it cannot be known");
    }
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("toss", &hold, "ann", silent()).await;
    assert!(shop.come_back(&made, PRICE).await.1.ends_with("&result=paid"));
    let failed = "select coalesce(max(failures), 0)::bigint from holdfast.gateway_breaker where gateway = 'toss'";
    assert_eq!(shop.count(failed).await, 0, "Toss has answered each time");
}
