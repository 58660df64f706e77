//! A late deposit goes back to an account that is sent once and stored nowhere: requests of which the answer is lost.

use serde_json::{Value, json};

use support::client::until;
use support::gateways::by_the_shop;
use support::shop::{PRICE, Shop};

/// A deposit that came late, whose refund waits for an account: the hold and the payment.
async fn waiting(shop: &Shop, gateway: &str) -> (Value, String) {
    let sale = shop.client.sale(2, &[("pair", 9, 1)]).await;
    let hold = shop.hold_by(&sale, gateway, &sale).await;
    let payment = shop.issue(gateway, &hold, gateway).await;
    shop.until_status(&hold, gateway, "EXPIRED").await;
    shop.gateways.deposit(&payment, "changed").await;
    until_failed(shop, &hold, gateway).await;
    (hold, payment)
}

/// An account is requested.
async fn until_failed(shop: &Shop, hold: &Value, user: &str) {
    until("the refund waits for an account", 60, || async {
        let refund = shop.see(hold, user).await["refund"].clone();
        (refund["status"] == "failed" && refund["account_needed"] == true).then_some(())
    })
    .await;
}

/// How many requests there were.
async fn keys(shop: &Shop, payment: &str) -> i64 {
    shop.count(&format!("select count(*) from holdfast.refund_attempt where payment_id = '{payment}'")).await
}

#[tokio::test]
async fn a_refund_whose_response_is_lost_is_looked_up_and_not_sent_to_another_account() {
    let shop = Shop::open_alone().await;
    for gateway in ["toss", "portone"] {
        let (hold, payment) = waiting(&shop, gateway).await;
        shop.gateways.fault(gateway, "refund", 1, "held").await;
        assert_eq!(shop.name_account(&hold, gateway).await.ok(200)["status"], "pending", "{gateway}");
        assert_eq!(shop.name_account(&hold, gateway).await.refusal(), (409, "request_in_progress".into()), "{gateway}");
        let looked = format!("select attempts::bigint from holdfast.refund where payment_id = '{payment}'");
        until("it is asked about", 40, || async { (shop.count(&looked).await >= 2).then_some(()) }).await;
        assert_eq!(shop.see(&hold, gateway).await["refund"]["status"], "pending", "{gateway}: it may still be done");
        shop.gateways.well_again().await;
        shop.until_refund(&hold, gateway, "completed").await;
        assert_eq!(by_the_shop(&shop.gateways.payment(&payment).await), [PRICE], "{gateway}");
        assert_eq!(keys(&shop, &payment).await, 1, "{gateway}");
        assert!(shop.told(&payment, "PaymentRefundedOutside").await.is_empty(), "{gateway}: it was our own request");
        assert_eq!(shop.told(&payment, "RefundCompleted").await.len(), 1, "{gateway}");
    }
}

#[tokio::test]
async fn an_account_is_requested_again_if_the_refund_was_never_executed() {
    let shop = Shop::open_alone().await;
    for gateway in ["toss", "portone"] {
        let (hold, payment) = waiting(&shop, gateway).await;
        shop.gateways.fault(gateway, "refund", 1, "down").await;
        assert_eq!(shop.name_account(&hold, gateway).await.ok(200)["status"], "pending", "{gateway}");
        shop.gateways.well_again().await;
        until_failed(&shop, &hold, gateway).await;
        assert_eq!(shop.name_account(&hold, gateway).await.ok(200), json!({"status": "completed"}), "{gateway}");
        assert_eq!(by_the_shop(&shop.gateways.payment(&payment).await), [PRICE], "{gateway}");
        assert_eq!(keys(&shop, &payment).await, 2, "{gateway}: another account has another key");
    }
}
