//! Captures that are under way when something else happens: the bank says no, the answer does not come, the gateway of a
//! crowd is down.

use serde_json::json;

use support::client::until;
use support::shop::{PRICE, Shop, silent};

#[tokio::test]
async fn after_a_decline_the_next_payment_of_the_hold_is_another_request() {
    let shop = Shop::open_alone().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let (one, two) = (shop.pay("toss", &hold, "ann", silent()).await, shop.pay("toss", &hold, "ann", silent()).await);
    shop.gateways.fault("toss", "capture", 1, "declined").await;
    assert!(shop.come_back(&one, PRICE).await.1.ends_with("&result=declined"));
    shop.gateways.well_again().await;
    // Under the first one's key Toss would say once more what it said of that.
    assert!(shop.come_back(&two, PRICE).await.1.ends_with("&result=paid"));
    assert_eq!(shop.gateways.payment(two["payment_id"].as_str().unwrap()).await["captured"], PRICE);
    assert_eq!(shop.gateways.payment(one["payment_id"].as_str().unwrap()).await["captured"], 0);
}

/// The buyer reloads again and again, as one does whose page does not load.
#[tokio::test]
async fn a_capture_in_flight_is_sent_again_under_its_key_and_executed_once() {
    let shop = Shop::open_alone().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("toss", &hold, "ann", silent()).await;
    shop.gateways.fault("toss", "capture", 1, "linger").await;
    assert_eq!(shop.come_back(&made, PRICE).await.0, 503, "the outcome is not known yet");
    assert_eq!(shop.gateways.payment(made["payment_id"].as_str().unwrap()).await["captured"], 0);
    until("the buyer is through", 20, || async {
        let (status, to) = shop.come_back(&made, PRICE).await;
        assert!(status == 503 || to.ends_with("&result=paid"), "{status} {to}");
        (status == 303).then_some(())
    })
    .await;
    shop.gateways.well_again().await;
    assert_eq!(shop.gateways.payment(made["payment_id"].as_str().unwrap()).await["captured"], PRICE);
    assert_eq!(shop.see(&hold, "ann").await["status"], "COMMITTED");
    let tries = "select max(attempt)::bigint from holdfast.payment_attempt where payment_id = ";
    assert_eq!(shop.count(&format!("{tries}'{}'", made["payment_id"].as_str().unwrap())).await, 1, "one key");
}

/// Ann's payment has no webhook: the sweep has to look it up in time, however many other lookups wait.
#[tokio::test]
async fn a_crowd_at_a_gateway_during_its_outage_does_not_block_other_gateways() {
    let shop = Shop::open_alone().await;
    shop.gateways.fault("toss", "ask", 1, "down").await;
    let crowd = "insert into holdfast.payment_attempt
                     (gateway, payment_id, hold_ref, amount, currency, attempt, state, ask_at, created_at)
                 select 'toss', 'crowd-' || n, 'none', 1, 'KRW', 1, 'UNDER_WAY', t, t
                 from generate_series(1, 2000) n, (select clock_timestamp() - interval '1 hour') as past (t)";
    shop.owner.batch_execute(crowd).await.unwrap();
    let sale = shop.client.sale(6, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("portone", &hold, "ann", json!({"webhooks": {"delay_ms": 3_600_000}})).await;
    let under_way = "insert into holdfast.payment_attempt
                         (gateway, payment_id, hold_ref, hold_id, amount, currency, attempt, state, ask_at)
                     values ('portone', $1, $2::uuid::text, $2::uuid, 1000, 'KRW', 1, 'UNDER_WAY', clock_timestamp())";
    let id: uuid::Uuid = hold["hold_id"].as_str().unwrap().parse().unwrap();
    shop.owner.execute(under_way, &[&made["payment_id"].as_str().unwrap(), &id]).await.unwrap();
    let seen = shop.until_status(&hold, "ann", "COMMITTED").await;
    assert_eq!(seen["expire_at"], hold["expire_at"]);
    shop.owner.batch_execute("delete from holdfast.payment_attempt where payment_id like 'crowd-%'").await.unwrap();
    shop.gateways.well_again().await;
}
