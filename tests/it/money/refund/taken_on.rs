//! Refunds that a gateway only takes on: ours and its own desk's, those that end well and those that do not; and
//! requests that are still in flight when they are sent once more.

use serde_json::json;
use tokio_postgres::types::Json;

use super::{late, refund_seen, stack, until_seen};
use support::client::until;
use support::database::{Database, Paid, confirm};
use support::till::{GATEWAYS, by_the_shop};

/// Toss has paid back when it answers; the others may take their time.
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
async fn what_is_taken_on_has_not_arrived_and_what_is_not_done_in_the_end_is_asked_for_anew() {
    let (client, till) = stack();
    for gateway in TAKE_THEIR_TIME {
        till.well_again().await;
        till.later(true).await;
        let (hold, payment) = late(&client, &till, gateway).await;
        until("the gateway has taken it on", 40, || async {
            (by_the_shop(&till.payment(&payment).await) == [1_000]).then_some(())
        })
        .await;
        // Asked about until it is over, it is never asked for twice.
        let asked = "select next_attempt_at::text from holdfast.refund where payment_id = $1";
        let owner = stack::database::connect(client.setting("database_url")).await.unwrap();
        let first: String = owner.query_one(asked, &[&payment]).await.unwrap().get(0);
        until("it is asked about", 40, || async {
            (owner.query_one(asked, &[&payment]).await.unwrap().get::<_, String>(0) != first).then_some(())
        })
        .await;
        assert_eq!(refund_seen(&client, &hold).await["status"], "pending", "{gateway}");
        assert_eq!(
            (by_the_shop(&till.payment(&payment).await), attempts(&payment).await.0),
            (vec![1_000], 1),
            "{gateway}"
        );
        till.later(false).await;
        till.fail_refunds(&payment).await;
        until_seen(&client, &hold, "completed").await;
        let theirs = till.payment(&payment).await;
        assert_eq!((&theirs["refunded"], by_the_shop(&theirs)), (&json!(1_000), vec![1_000]), "{gateway}: {theirs}");
        let (keys, outcomes) = attempts(&payment).await;
        assert!(keys == 2 && outcomes.contains("has not done"), "{gateway}: {keys} {outcomes}");
    }
}

#[tokio::test]
async fn what_the_gateways_own_desk_has_taken_on_is_left_to_it() {
    let (client, till) = stack();
    for gateway in TAKE_THEIR_TIME {
        till.well_again().await;
        till.later(false).await;
        till.fault(gateway, "refund", 1, "down").await;
        let (hold, payment) = late(&client, &till, gateway).await;
        until_seen(&client, &hold, "pending").await;
        till.refund_by_hand_later(&payment, 300).await;
        till.well_again().await;
        until("the rest is paid back", 40, || async {
            (by_the_shop(&till.payment(&payment).await) == [700]).then_some(())
        })
        .await;
        assert_eq!(refund_seen(&client, &hold).await["status"], "pending", "{gateway}: not all of it has arrived");
        till.finish_refunds(&payment).await;
        until_seen(&client, &hold, "completed").await;
        assert_eq!(by_the_shop(&till.until_paid_back(&payment).await), [700], "{gateway}");
    }
}

#[tokio::test]
async fn a_request_that_is_still_in_flight_is_sent_again_under_its_key_and_done_once() {
    let (client, till) = stack();
    for gateway in GATEWAYS {
        till.well_again().await;
        till.later(false).await;
        till.fault(gateway, "refund", 1, "linger").await;
        let (hold, payment) = late(&client, &till, gateway).await;
        until_seen(&client, &hold, "completed").await;
        till.well_again().await;
        assert_eq!(by_the_shop(&till.until_paid_back(&payment).await), [1_000], "{gateway}");
        let (keys, outcomes) = attempts(&payment).await;
        assert!(keys == 1 && outcomes.contains("409 "), "{gateway}: {keys} {outcomes}");
    }
}

#[tokio::test]
async fn an_order_of_which_somebody_paid_back_a_part_goes_back_with_the_rest() {
    let (client, till) = stack();
    till.well_again().await;
    for gateway in GATEWAYS {
        let sale = client.sale(300, &[("pair", 1, 1)]).await;
        let items = json!([{"sku_id": "pair", "qty": 1}]);
        let hold = client.reserve("ann", &sale, &sale, items).await.ok(201);
        let id = hold["hold_id"].as_str().unwrap();
        let made = till.pay(gateway, id, &client.user("ann"), 1_000, json!({})).await;
        let payment = made["payment_id"].as_str().unwrap();
        let order = until("the order", 20, || async {
            let answer = client.get("ann", &format!("/v1/orders?hold_id={id}")).await;
            (answer.status == 200).then_some(answer.body)
        })
        .await;
        till.refund_by_hand(payment, 300).await;
        let cancel = format!("/v1/admin/orders/{}/cancel", order["order_id"].as_str().unwrap());
        client.admin(reqwest::Method::POST, &cancel, Some(json!({"reason": "broken"}))).await.ok(200);
        until_seen(&client, &hold, "completed").await;
        assert_eq!(by_the_shop(&till.until_paid_back(payment).await), [700], "{gateway}");
    }
}

#[tokio::test]
async fn what_takes_days_is_asked_about_at_growing_distances() {
    let database = Database::new().await;
    let gateway = database.as_role("confirm").await;
    let paid =
        Paid { payment: "p1".into(), hold: "none".into(), user: "ann".into(), amount: 100, currency: "KRW".into() };
    confirm(&gateway, &paid).await.unwrap();
    let refund = database.as_role("refund").await;
    let mut pauses = Vec::new();
    for ago in ["0 s", "4 minutes", "3 days"] {
        let since = format!("update holdfast.refund set requested_at = requested_at - interval '{ago}'");
        database.owner.batch_execute(&since).await.unwrap();
        let requested = "select holdfast.settle_refund('standard', 'p1', 'requested', null, 5)";
        let Json(settled): Json<serde_json::Value> = refund.query_typed(requested, &[]).await.unwrap()[0].get(0);
        assert_eq!(settled, json!({"status": "REQUIRED"}));
        let pause = "select extract(epoch from next_attempt_at - clock_timestamp())::float8 from holdfast.refund";
        pauses.push(database.owner.query_one(pause, &[]).await.unwrap().get::<_, f64>(0).round());
    }
    assert_eq!(pauses, [5.0, 120.0, 600.0]);
}
