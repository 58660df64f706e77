//! Refunds that had succeeded and fail afterwards: by webhook here, by the gateway's own list in `reconciled`.

use serde_json::{Value, json};

use support::client::until;
use support::gateways::by_the_shop;
use support::shop::{PRICE, Shop};

/// A late payment whose money went back: its hold, user and payment.
pub async fn paid_back(shop: &Shop, gateway: &str) -> (Value, String, String) {
    let user = format!("{gateway}-{}", uuid::Uuid::new_v4().simple());
    let (hold, payment) = shop.pay_late(gateway, &user).await;
    shop.until_refund(&hold, &user, "completed").await;
    (hold, user, payment)
}

/// A refund that failed after all is due again, and the gateway, which only takes it on, does it then.
pub async fn finish_again(shop: &Shop, gateway: &str, (hold, user, payment): &(Value, String, String)) {
    // Toss has refunded when it answers; the others have only accepted the refund by now.
    if gateway != "toss" {
        shop.until_refund(hold, user, "pending").await;
        until("it is taken on once more", 40, || async {
            (by_the_shop(&shop.gateways.payment(payment).await) == [PRICE]).then_some(())
        })
        .await;
        shop.gateways.finish_refunds(payment).await;
    }
}

/// It failed after all, was due again under another key, and is executed once more.
pub async fn assert_paid_again(shop: &Shop, gateway: &str, (hold, user, payment): &(Value, String, String)) {
    until("it is paid back once more", 40, || async {
        (shop.told(payment, "RefundCompleted").await.len() == 2).then_some(())
    })
    .await;
    shop.until_refund(hold, user, "completed").await;
    let theirs = shop.gateways.payment(payment).await;
    assert_eq!((&theirs["refunded"], by_the_shop(&theirs)), (&json!(PRICE), vec![PRICE]), "{gateway}: {theirs}");
    let failed = shop.told(payment, "RefundFailed").await;
    assert_eq!(
        (failed.len(), &failed[0]["reopened"], &failed[0]["amount"]),
        (1, &json!(true), &json!(PRICE)),
        "{gateway}"
    );
    let keys =
        "select count(distinct idem_key) from holdfast.refund_attempt where payment_id = $1 and ended_at is not null";
    assert_eq!(shop.owner.query_one(keys, &[payment]).await.unwrap().get::<_, i64>(0), 2, "{gateway}");
    let ledger =
        "select string_agg(event_type, ' ' order by entry_id) from holdfast.order_ledger where payment_id = $1";
    let ledger: String = shop.owner.query_one(ledger, &[payment]).await.unwrap().get(0);
    assert_eq!(ledger, "REFUND_REQUIRED REFUND_COMPLETED REFUND_REOPENED REFUND_COMPLETED", "{gateway}");
}

#[tokio::test]
async fn a_refund_that_had_succeeded_and_is_reported_failed_is_due_again() {
    let shop = Shop::open_alone().await;
    // PortOne sends no webhook: its list reports it, in `reconciled`.
    for gateway in ["standard", "toss", "stripe"] {
        let refunded = paid_back(&shop, gateway).await;
        shop.gateways.later(true).await;
        shop.gateways.console(&refunded.2, "fail-a-refund", &json!({})).await;
        finish_again(&shop, gateway, &refunded).await;
        shop.gateways.later(false).await;
        assert_paid_again(&shop, gateway, &refunded).await;
    }
}
