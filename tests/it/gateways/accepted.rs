//! Refunds that a gateway has accepted and not made yet: ours and its console's, those that end well and those that do not; and
//! requests that are still in flight when they are sent once more.

use serde_json::json;

use support::client::until;
use support::gateways::{GATEWAYS, by_the_shop};
use support::shop::Shop;

/// Toss has refunded when it answers; the others may do so later.
const TAKE_THEIR_TIME: [&str; 3] = ["standard", "portone", "stripe"];

/// How often a key was made, and what is known of how it went.
async fn attempts(payment: &str) -> (i64, String) {
    let owner = stack::database::connect(support::database::stack()["database_url"].as_str().unwrap()).await.unwrap();
    let sql = "select count(*), coalesce(string_agg(a.outcome, '; '), '') || '; ' || coalesce(min(r.failure), '')
               from holdfast.refund r join holdfast.refund_attempt a using (gateway, payment_id) where r.payment_id = $1";
    let row = owner.query_one(sql, &[&payment]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn an_accepted_refund_has_not_arrived_and_one_that_is_not_executed_is_requested_again() {
    let shop = Shop::open_alone().await;
    for gateway in TAKE_THEIR_TIME {
        shop.gateways.well_again().await;
        shop.gateways.later(true).await;
        let (hold, payment) = shop.pay_late(gateway, "ann").await;
        until("the gateway has taken it on", 40, || async {
            (by_the_shop(&shop.gateways.payment(&payment).await) == [1_000]).then_some(())
        })
        .await;
        // It is looked up until it has ended, and never requested twice.
        let asked = "select next_attempt_at::text from holdfast.refund where payment_id = $1";
        let owner = stack::database::connect(shop.client.setting("database_url")).await.unwrap();
        let first: String = owner.query_one(asked, &[&payment]).await.unwrap().get(0);
        until("it is asked about", 40, || async {
            (owner.query_one(asked, &[&payment]).await.unwrap().get::<_, String>(0) != first).then_some(())
        })
        .await;
        assert_eq!(shop.see(&hold, "ann").await["refund"]["status"], "pending", "{gateway}");
        assert_eq!(
            (by_the_shop(&shop.gateways.payment(&payment).await), attempts(&payment).await.0),
            (vec![1_000], 1),
            "{gateway}"
        );
        shop.gateways.later(false).await;
        shop.gateways.fail_refunds(&payment).await;
        shop.until_refund(&hold, "ann", "completed").await;
        let theirs = shop.gateways.payment(&payment).await;
        assert_eq!((&theirs["refunded"], by_the_shop(&theirs)), (&json!(1_000), vec![1_000]), "{gateway}: {theirs}");
        let (keys, outcomes) = attempts(&payment).await;
        assert!(keys == 2 && outcomes.contains("has not done"), "{gateway}: {keys} {outcomes}");
    }
}

#[tokio::test]
async fn a_refund_accepted_in_the_gateways_console_is_not_requested_again() {
    let shop = Shop::open_alone().await;
    for gateway in TAKE_THEIR_TIME {
        shop.gateways.well_again().await;
        shop.gateways.later(false).await;
        shop.gateways.fault(gateway, "refund", 1, "down").await;
        let (hold, payment) = shop.pay_late(gateway, "ann").await;
        shop.until_refund(&hold, "ann", "pending").await;
        shop.gateways.refund_by_hand_later(&payment, 300).await;
        shop.gateways.well_again().await;
        until("the rest is paid back", 40, || async {
            (by_the_shop(&shop.gateways.payment(&payment).await) == [700]).then_some(())
        })
        .await;
        assert_eq!(shop.see(&hold, "ann").await["refund"]["status"], "pending", "{gateway}: not all of it has arrived");
        shop.gateways.finish_refunds(&payment).await;
        shop.until_refund(&hold, "ann", "completed").await;
        assert_eq!(by_the_shop(&shop.gateways.until_paid_back(&payment).await), [700], "{gateway}");
    }
}

#[tokio::test]
async fn a_refund_in_flight_is_sent_again_under_its_key_and_executed_once() {
    let shop = Shop::open_alone().await;
    for gateway in GATEWAYS {
        shop.gateways.well_again().await;
        shop.gateways.later(false).await;
        shop.gateways.fault(gateway, "refund", 1, "linger").await;
        let (hold, payment) = shop.pay_late(gateway, "ann").await;
        shop.until_refund(&hold, "ann", "completed").await;
        shop.gateways.well_again().await;
        assert_eq!(by_the_shop(&shop.gateways.until_paid_back(&payment).await), [1_000], "{gateway}");
        let (keys, outcomes) = attempts(&payment).await;
        assert!(keys == 1 && outcomes.contains("409 "), "{gateway}: {keys} {outcomes}");
    }
}
