//! PortOne requests approval before it captures (`Transaction.Confirm`), and acts on the response's status.

use serde_json::{Value, json};

use support::client::until;
use support::shop::{PRICE, Shop};

/// The buyer has finished at the bank, and the gateway requests approval: our response, and what the gateway did then.
async fn ask_for(shop: &Shop, hold: &Value, user: &str, amount: i64, more: Value) -> (Value, Value) {
    let hold_id = hold["hold_id"].as_str().unwrap();
    let mut how = json!({"asks": true});
    how.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = shop.gateways.pay("portone", hold_id, &shop.client.user(user), amount, how).await;
    let payment = until("the gateway has its answer", 20, || async {
        let payment = shop.gateways.payment(made["payment_id"].as_str().unwrap()).await;
        (payment["state"] != "authorised").then_some(payment)
    })
    .await;
    let asked = payment["deliveries"][0].clone();
    assert_eq!(asked["attempt_count"], 1, "the buyer waits: it is asked once: {payment}");
    (asked["attempts"][0].clone(), payment)
}

/// Nothing was captured, and the buyer can be shown that.
async fn is_refused(shop: &Shop, hold: &Value, user: &str, amount: i64, more: Value, reason: &str) {
    let (answer, payment) = ask_for(shop, hold, user, amount, more).await;
    assert_eq!((&answer["status"], &payment["state"]), (&json!(409), &json!("voided")), "{reason}: {payment}");
    assert_eq!(payment["captured"], 0);
    let said: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!((&said["code"], &said["reason"]), (&json!("hold_not_active"), &json!(reason)));
    assert!(said["errorMessage"].as_str().unwrap().contains("결제되지 않았습니다"), "{said}");
}

#[tokio::test]
async fn the_hold_is_locked_before_the_capture_and_a_late_buyer_pays_nothing() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let (answer, payment) = ask_for(&shop, &hold, "ann", PRICE, json!({})).await;
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!(r#"{"result":"secured"}"#)));
    assert_eq!((&payment["state"], &payment["captured"]), (&json!("captured"), &json!(PRICE)));
    shop.until_status(&hold, "ann", "COMMITTED").await;

    let short = shop.client.sale(1, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&short, "bob").await;
    is_refused(&shop, &hold, "bob", PRICE, json!({"webhooks": {"at": hold["expire_at"]}}), "hold_expired").await;
    assert_eq!(shop.see(&hold, "bob").await["status"], "EXPIRED");
    assert!(shop.payments(&short, "refund_pending").await.is_empty());
}

#[tokio::test]
async fn a_capture_that_is_not_allowed_is_refused_and_the_hold_can_still_be_paid() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    is_refused(&shop, &hold, "ann", PRICE - 1, json!({}), "amount_mismatch").await;
    is_refused(&shop, &hold, "bob", PRICE, json!({}), "user_mismatch").await;
    // For play money nothing is handed out, and so nothing is taken.
    is_refused(&shop, &hold, "ann", PRICE, json!({"live": false}), "payment_unknown").await;
    assert_eq!(shop.see(&hold, "ann").await["status"], "HOLD");
    let (answer, _) = ask_for(&shop, &hold, "ann", PRICE, json!({})).await;
    assert_eq!(answer["status"], 200);
    shop.until_status(&hold, "ann", "COMMITTED").await;

    let given_back = shop.hold(&sale, "cid").await;
    let path = format!("/v1/reservations/{}", given_back["hold_id"].as_str().unwrap());
    shop.client.send(shop.client.buyer("cid", reqwest::Method::DELETE, &path)).await.ok(200);
    is_refused(&shop, &given_back, "cid", PRICE, json!({}), "hold_released").await;
}
