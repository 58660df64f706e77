//! Refunds at gateways that fail, do not answer, or have refunded in their console already: executed once at the
//! gateway's own books, whatever fails in between.

use serde_json::json;

use support::client::until;
use support::gateways::{GATEWAYS, by_the_shop};
use support::shop::Shop;

#[tokio::test]
async fn a_buyer_sees_the_money_on_its_way_and_then_that_it_has_arrived() {
    let shop = Shop::open_alone().await;
    shop.gateways.later(true).await;
    let (hold, payment) = shop.pay_late("portone", "ann").await;
    shop.until_refund(&hold, "ann", "pending").await;
    until("the gateway has taken it on", 40, || async {
        (!by_the_shop(&shop.gateways.payment(&payment).await).is_empty()).then_some(())
    })
    .await;
    assert_eq!(shop.gateways.payment(&payment).await["refunded"], 0, "not yet");
    shop.until_refund(&hold, "ann", "pending").await;
    shop.gateways.finish_refunds(&payment).await;
    shop.until_refund(&hold, "ann", "completed").await;
    shop.gateways.later(false).await;
    assert_eq!(by_the_shop(&shop.gateways.payment(&payment).await), [1_000], "asked for once");
}

#[tokio::test]
async fn a_manual_refund_is_not_repeated() {
    let shop = Shop::open_alone().await;
    for gateway in GATEWAYS {
        shop.gateways.well_again().await;
        // No refund of ours succeeds until a manual refund was made.
        shop.gateways.fault(gateway, "refund", 1, "down").await;
        let (hold, part) = shop.pay_late(gateway, "ann").await;
        let (other, whole) = shop.pay_late(gateway, "ann").await;
        shop.until_refund(&hold, "ann", "pending").await;
        shop.until_refund(&other, "ann", "pending").await;
        shop.gateways.refund_by_hand(&part, 300).await;
        shop.gateways.refund_by_hand(&whole, 1_000).await;
        shop.gateways.well_again().await;
        shop.until_refund(&hold, "ann", "completed").await;
        shop.until_refund(&other, "ann", "completed").await;
        assert_eq!(by_the_shop(&shop.gateways.until_paid_back(&part).await), [700], "{gateway}");
        assert_eq!(by_the_shop(&shop.gateways.payment(&whole).await), [0; 0], "{gateway}");
    }
}

#[tokio::test]
async fn lost_responses_only_delay_a_refund() {
    let shop = Shop::open_alone().await;
    shop.gateways.fault("toss", "refund", 1, "down").await;
    let (hold, payment) = shop.pay_late("toss", "ann").await;
    shop.until_refund(&hold, "ann", "pending").await;
    shop.gateways.well_again().await;
    shop.gateways.fault("toss", "ask", 2, "hang").await;
    shop.until_refund(&hold, "ann", "completed").await;
    shop.gateways.well_again().await;
    assert_eq!(by_the_shop(&shop.gateways.payment(&payment).await), [1_000]);
}

#[tokio::test]
async fn a_refund_that_fails_every_attempt_is_a_dead_letter_and_is_paid_after_one_replay() {
    let shop = Shop::open_alone().await;
    shop.gateways.fault("stripe", "refund", 1, "down").await;
    let (hold, payment) = shop.pay_late("stripe", "ann").await;
    shop.until_refund(&hold, "ann", "failed").await;
    let owner = stack::database::connect(shop.client.setting("database_url")).await.unwrap();
    let row = "select r.attempts, r.failure, (select count(*) from holdfast.event_outbox e
        where e.event_type = 'RefundFailed' and e.data ->> 'payment_id' = $1),
        (select count(*) from holdfast.refund_attempt a where a.payment_id = $1) from holdfast.refund r where r.payment_id = $1";
    let row = owner.query_one(row, &[&payment]).await.unwrap();
    let (attempts, failure, told, keys): (i32, String, i64, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!((attempts, told, keys), (6, 1, 1), "one key, for none of the six is known to have failed");
    assert!(failure.contains("503"), "{failure}");
    let listed =
        shop.client.admin(reqwest::Method::GET, "/v1/admin/payments?state=refund_failed&limit=100", None).await.ok(200);
    let listed =
        listed["payments"].as_array().unwrap().iter().find(|row| row["payment_id"] == payment).cloned().unwrap();
    assert!(listed["refund_failure"].as_str().unwrap().contains("503"), "{listed}");

    let sale = hold["sale_id"].as_str().unwrap();
    let letters = format!("/v1/admin/dead-letters?kind=refund&sale_id={sale}");
    let letters = shop.client.admin(reqwest::Method::GET, &letters, None).await.ok(200)["dead_letters"].clone();
    let [letter] = letters.as_array().unwrap().as_slice() else { panic!("{letters}") };
    assert_eq!((&letter["payment_id"], &letter["attempts"]), (&json!(payment), &json!(6)));
    assert_eq!(letter["refund_reason"], "hold_expired");
    assert!(letter["reason"].as_str().unwrap().contains("503"), "{letter}");

    shop.gateways.well_again().await;
    let replay = format!("/v1/admin/dead-letters/{}/replay", letter["id"].as_str().unwrap());
    shop.client.admin(reqwest::Method::POST, &replay, Some(json!({"reason": "stripe is back"}))).await.ok(200);
    shop.until_refund(&hold, "ann", "completed").await;
    assert_eq!(by_the_shop(&shop.gateways.payment(&payment).await), [1_000]);
}

/// The status code is not the state: an authorization is voided once the gateway's payment says so.
#[tokio::test]
async fn an_authorization_counts_as_voided_only_once_its_gateway_says_so() {
    let shop = Shop::open_alone().await;
    let stray = uuid::Uuid::now_v7().to_string();
    let made = shop.gateways.pay("stripe", &stray, "a guest", 1_000, json!({"authorise": true})).await;
    let payment = made["payment_id"].as_str().unwrap();
    let parked = format!("select count(*) from holdfast.parked_payment where payment_id = '{payment}'");
    until("it is parked", 40, || async { (shop.count(&parked).await == 1).then_some(()) }).await;
    shop.gateways.fault("stripe", "void", 1, "garbled").await;
    let letter: String = format!("stripe {payment}").bytes().map(|byte| format!("{byte:02x}")).collect();
    let replay = format!("/v1/admin/dead-letters/parked-{letter}/replay");
    shop.client.admin(reqwest::Method::POST, &replay, Some(json!({"reason": "not ours"}))).await.ok(200);
    let tries = |status: &str| {
        format!(
            "select count(*) from holdfast.refund where payment_id = '{payment}' and attempts > 0 and status {status}"
        )
    };
    until("it is tried", 40, || async { (shop.count(&tries("is not null")).await == 1).then_some(()) }).await;
    assert_eq!(shop.count(&tries("= 'COMPLETED'")).await, 0, "200, and nothing is said of the payment");
    shop.gateways.well_again().await;
    until("it is let go", 40, || async { (shop.gateways.payment(payment).await["state"] == "voided").then_some(()) })
        .await;
    until("that is known", 40, || async { (shop.count(&tries("= 'COMPLETED'")).await == 1).then_some(()) }).await;
}
