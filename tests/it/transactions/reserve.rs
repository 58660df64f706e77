//! T1, row by row: what is granted, what is refused, and in which order of precedence.

use serde_json::{Value, json};
use support::database::{Ask, Database, reserve};
use support::table;
use tokio_postgres::types::Json;

#[tokio::test]
async fn what_is_there_is_granted_in_order_of_arrival_and_no_more() {
    table::run(
        "sale 300 a:3:1
         reserve ann k1 a:1  = granted
         + bob k1 a:1        = granted
         + cho k1 a:1        = granted
         + dan k1 a:1        = sold_out a 0
         reserve eve k1 a:1  = sold_out a 0
         count a             = total 3 available 0 held 3 sold 0",
    )
    .await;
}

#[tokio::test]
async fn a_large_request_that_does_not_fit_leaves_the_rest_to_a_smaller_one_behind_it() {
    table::run(
        "sale 300 a:3:5
         reserve ann k1 a:2  = granted
         + bob k1 a:2        = sold_out a 1
         + cho k1 a:1        = granted
         count a             = total 3 available 0 held 3 sold 0",
    )
    .await;
}

#[tokio::test]
async fn the_loser_of_a_cart_leaves_no_trace_on_either_sku() {
    table::run(
        "sale 300 a:5:2 b:1:2
         reserve ann k1 a:1 b:1  = granted
         + bob k1 a:1 b:1        = sold_out b 0
         + cho k1 a:2            = granted
         count a                 = total 5 available 2 held 3 sold 0
         count b                 = total 1 available 0 held 1 sold 0
         # Its key was not used up, and the user holds nothing.
         reserve bob k1 a:1      = granted
         count a                 = total 5 available 1 held 4 sold 0",
    )
    .await;
}

#[tokio::test]
async fn a_key_answers_again_with_what_it_was_granted_and_refuses_anything_else() {
    table::run(
        "sale 300 a:5:5
         reserve ann k1 a:1  = granted
         reserve ann k1 a:1  = replayed
         reserve ann k1 a:2  = idempotency_key_reused
         # A key belongs to its user.
         reserve bob k1 a:2  = granted
         release ann/k1      = released
         reserve ann k1 a:1  = replayed
         count a             = total 5 available 3 held 2 sold 0",
    )
    .await;
}

#[tokio::test]
async fn a_refusal_does_not_use_a_key_up() {
    table::run(
        "sale 300 a:1:1
         reserve ann k1 a:1  = granted
         reserve bob k1 a:1  = sold_out a 0
         release ann/k1      = released
         reserve bob k1 a:1  = granted",
    )
    .await;
}

#[tokio::test]
async fn one_user_holds_a_sku_once() {
    table::run(
        "sale 300 a:5:5 b:5:5
         reserve ann k1 a:1      = granted
         reserve ann k2 a:1      = already_holding a
         reserve ann k3 b:1 a:1  = already_holding a
         reserve ann k4 b:1      = granted
         count b                 = total 5 available 4 held 1 sold 0",
    )
    .await;
}

#[tokio::test]
async fn two_requests_of_one_user_in_a_batch_are_never_both_granted() {
    table::run(
        "sale 300 a:5:5
         reserve ann k1 a:1  = granted
         + ann k2 a:1        = request_in_progress
         count a             = total 5 available 4 held 1 sold 0",
    )
    .await;
}

#[tokio::test]
async fn max_per_user_counts_confirmed_orders_and_this_request() {
    table::run(
        "sale 300 a:9:3
         reserve ann k0 a:4  = limit_reached a 3
         reserve ann k1 a:2  = granted
         pay p1 ann/k1       = confirmed
         reserve ann k2 a:2  = limit_reached a 3
         reserve ann k2 a:1  = granted
         release ann/k2      = released
         reserve ann k3 a:1  = granted
         pay p2 ann/k3       = confirmed
         reserve ann k4 a:1  = limit_reached a 3",
    )
    .await;
}

#[tokio::test]
async fn refusals_come_in_their_order() {
    table::run(
        "sale 300 a:1:1 b:1:1
         reserve ann k1 a:1      = granted
         reserve ann k1 x:1      = idempotency_key_reused
         reserve ann k2 a:1 x:1  = not_found x
         # Before the limit (1), before the stock (0), and after the sale's being open.
         reserve ann k3 a:2      = already_holding a
         status paused           = paused
         reserve ann k3 a:2      = sale_not_open paused
         reserve ann k4 x:1      = not_found x
         reserve ann k1 a:1      = replayed
         status open             = open
         reserve bob k1 a:2      = limit_reached a 1
         reserve bob k1 a:1      = sold_out a 0",
    )
    .await;
}

#[tokio::test]
async fn a_sale_that_is_not_open_grants_nothing_and_holds_made_before_a_pause_can_be_paid() {
    table::run(
        "sale 300 a:2:1
         reserve ann k1 a:1  = granted
         status paused       = paused
         reserve bob k1 a:1  = sale_not_open paused
         pay p1 ann/k1       = confirmed
         status closed       = closed
         reserve bob k1 a:1  = sale_not_open closed
         status open         = open
         reserve bob k1 a:1  = granted",
    )
    .await;
}

#[tokio::test]
async fn sold_out_is_not_answered_while_a_lapsed_hold_waits_for_the_sweep() {
    table::run(
        "sale 300 a:2:2
         reserve ann k1 a:1  = granted
         reserve bob k1 a:1  = granted
         reserve cho k1 a:2  = sold_out a 0
         tick 300
         reserve cho k1 a:2  = granted
         sweep               = 0
         count a             = total 2 available 0 held 2 sold 0",
    )
    .await;
}

#[tokio::test]
async fn a_buyer_whose_hold_lapsed_may_try_again_before_the_sweep_has_come() {
    table::run(
        "sale 300 a:5:1
         reserve ann k1 a:1  = granted
         tick 300
         reserve ann k2 a:1  = granted
         count a             = total 5 available 4 held 1 sold 0
         # A replay says what was granted then, not what the hold is now.
         reserve ann k1 a:1  = replayed",
    )
    .await;
}

#[tokio::test]
async fn after_a_lapsed_hold_a_user_waits_for_the_sales_cool_down() {
    table::run(
        "sale 60 a:5:2 b:5:2
         cooldown 600
         reserve ann k1 a:1       = granted
         reserve bob k1 a:1       = granted
         release bob/k1           = released
         reserve cho k1 a:1       = granted
         pay p1 cho/k1            = confirmed
         tick 60
         # Not swept yet: it is taken out of her way, and counts all the same.
         reserve ann k2 a:1       = limit_reached a 2 retry
         sweep                    = 0
         reserve ann k3 a:3       = limit_reached a 2
         # All lines are held against the limit before any waits.
         reserve ann k3 a:1 b:3   = limit_reached b 2
         reserve ann k3 a:1 b:1   = limit_reached a 2 retry
         reserve ann k3 b:1       = granted
         reserve bob k2 a:1       = granted
         reserve cho k2 a:1       = granted
         # The first reason that applies.
         reserve bob k3 a:1       = already_holding a
         status paused            = paused
         reserve ann k2 a:1       = sale_not_open paused
         status open              = open
         tick 59
         reserve ann k2 a:1       = limit_reached a 2 retry
         tick 541
         reserve ann k2 a:1       = granted",
    )
    .await;
}

#[tokio::test]
async fn without_a_cool_down_a_user_may_retry_at_once_after_a_lapsed_hold_and_nothing_is_written() {
    table::run(
        "sale 60 a:5:2
         reserve ann k1 a:1       = granted
         tick 60
         sweep                    = 1
         reserve ann k2 a:1       = granted",
    )
    .await;
}

/// As many lapsed holds as these, of one piece each, that are not swept yet.
async fn lapsed(database: &Database, holds: u32) {
    let buyer = database.as_role("reserve").await;
    for batch in 0..holds.div_ceil(100) {
        let asks: Vec<Ask> = (0..100.min(holds - 100 * batch))
            .map(|n| Ask { user: format!("gone-{batch}-{n}"), key: "k".into(), lines: vec![("a".into(), 1)] })
            .collect();
        reserve(&buyer, true, &asks).await.unwrap();
    }
    let lapse = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                 expire_at = expire_at - interval '1 hour' where status = 'HOLD'";
    database.owner.batch_execute(lapse).await.unwrap();
}

#[tokio::test]
async fn lapsed_holds_are_reclaimed_until_there_is_enough_or_none_is_left() {
    for early_release in [true, false] {
        let database = Database::with(early_release).await;
        database.sale(300, &[("a", 1_250, 20)]).await;
        lapsed(&database, 1_250).await;
        let client = database.as_role("reserve").await;
        // They want 1 300 between them, and there are 1 250.
        let batch: Vec<Ask> =
            (0..65).map(|n| Ask { user: format!("u{n}"), key: "k".into(), lines: vec![("a".into(), 20)] }).collect();
        let answers = reserve(&client, early_release, &batch).await.unwrap();
        let granted = answers.iter().filter(|answer| answer["outcome"] == "granted").count();
        assert_eq!(granted, 62, "{answers:?}");
        assert_eq!(answers[64]["available"], 10);
        database.checked_report().await;
    }
}

#[tokio::test]
async fn no_more_lapsed_holds_are_reclaimed_than_needed() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1_250, 20)]).await;
    lapsed(&database, 1_250).await;
    let one = [Ask { user: "u".into(), key: "k".into(), lines: vec![("a".into(), 1)] }];
    let answers = reserve(&database.as_role("reserve").await, true, &one).await.unwrap();
    assert_eq!(answers[0]["outcome"], "granted");
    let sql = "select count(*) from holdfast.reservation_hold where status = 'EXPIRED'";
    assert_eq!(database.owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 500, "one statement's share");
}

#[tokio::test]
async fn a_batch_that_cannot_be_answered_in_time_is_rolled_back() {
    let database = Database::new().await;
    database.sale(300, &[("a", 5, 1)]).await;
    let owner = stack::database::connect(&database.url()).await.unwrap();
    owner.batch_execute("begin; select from holdfast.inventory_counter for update").await.unwrap();
    let client = database.as_role("reserve").await;
    let call = "call holdfast.reserve('drop', '{ann,bob}', '{k,k}', array[sha256('x'), sha256('x')], '{1,2}', '{a,a}', '{1,1}',
                true, 50, null)";
    let asking = tokio::spawn(async move { client.query_typed(call, &[]).await.unwrap() });
    support::waiting::until_waiting(&database, 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    owner.batch_execute("rollback").await.unwrap();
    let rows = asking.await.unwrap();
    let tokio_postgres::types::Json(answers) = rows[0].get::<_, tokio_postgres::types::Json<serde_json::Value>>(0);
    assert_eq!(answers, serde_json::json!([{"outcome": "too_late"}, {"outcome": "too_late"}]));
    let report = database.checked_report().await;
    assert_eq!((&report["skus"][0]["available"], &report["holds"]["HOLD"]), (&5.into(), &0.into()));
    let keys = "select count(*) from holdfast.idempotency";
    assert_eq!(database.owner.query_one(keys, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn stock_moves_by_the_ledger_and_never_below_zero() {
    table::run(
        "sale 300 a:3:3
         reserve ann k1 a:2  = granted
         stock a +5 key1     = total 8 available 6
         stock a +5 key1     = total 8 available 6 replayed
         stock a +6 key1     = idempotency_key_reused
         stock a -7 key2     = sold_out
         stock a -6 key2     = total 2 available 0
         stock x +1 key3     = not_found
         count a             = total 2 available 0 held 2 sold 0",
    )
    .await;
}

#[tokio::test]
async fn a_full_batch_is_one_transaction() {
    let database = Database::new().await;
    database.sale(300, &[("a", 60, 1)]).await;
    let client = database.as_role("reserve").await;
    let batch: Vec<Ask> =
        (0..100).map(|n| Ask { user: format!("u{n}"), key: "k".into(), lines: vec![("a".into(), 1)] }).collect();
    let answers = reserve(&client, false, &batch).await.unwrap();
    let granted = answers.iter().filter(|answer| answer["outcome"] == "granted").count();
    assert_eq!(granted, 60);
    assert!(answers[..60].iter().all(|answer| answer["outcome"] == "granted"), "in order of arrival");
    let row = database.owner.query_one("select count(distinct xmin::text) from holdfast.reservation_hold", &[]).await;
    assert_eq!(row.unwrap().get::<_, i64>(0), 1);
    database.checked_report().await;
}

/// The edge repeats a refusal to others, so one that the clock has ended since it was decided stands no longer.
#[tokio::test]
async fn a_refusal_says_the_status_it_was_decided_by_and_is_not_repeated_after_the_sale_opened() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1, 1)]).await;
    let refusal = "select holdfast.refusal_json('sale_not_open', false, s, $1, null, null, null, 'a')
                   from (select (jsonb_populate_record(s, jsonb_build_object(
                       'opens_at', clock_timestamp() + $2::float8 * interval '1 s',
                       'closes_at', clock_timestamp() + $3::float8 * interval '1 s'))).* from holdfast.sale s) s";
    let decided = async |status: &str, opens_s: f64, closes_s: Option<f64>| {
        let row = database.owner.query_one(refusal, &[&status, &opens_s, &closes_s]).await.unwrap();
        let Json(refusal): Json<Value> = row.get(0);
        assert_eq!(refusal["status"], status, "{refusal}");
        refusal["for_ms"].as_i64().unwrap()
    };
    assert_eq!(decided("scheduled", -0.001, None).await, 0, "it opened since");
    assert_eq!(decided("paused", -9.0, Some(-0.001)).await, 0, "it closed since");
    let soon = decided("scheduled", 0.5, None).await;
    assert!((1..=500).contains(&soon), "{soon} ms, and it opens in 500");
    let soon = decided("paused", -9.0, Some(0.5)).await;
    assert!((1..=500).contains(&soon), "{soon} ms, and it closes in 500");
    for (status, opens_s, closes_s) in
        [("scheduled", 9.0, None), ("paused", -9.0, Some(9.0)), ("closed", -9.0, Some(-1.0))]
    {
        let stands = decided(status, opens_s, closes_s).await;
        assert!((900..=1_000).contains(&stands), "{status}, {stands} ms: at most a second");
    }
}

/// Whoever holds a piece and presses on is refused in a batch of others, whose holds lapse meanwhile: they pay for that once.
#[tokio::test]
async fn a_refusal_beside_lapsed_holds_does_not_have_the_batch_made_again() {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 1)]).await;
    let client = database.as_role("reserve").await;
    let ask = |user: &str, key: &str| Ask { user: user.into(), key: key.into(), lines: vec![("a".into(), 1)] };
    reserve(&client, true, &[ask("gone", "k"), ask("holder", "k")]).await.unwrap();
    let lapse = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                 expire_at = expire_at - interval '1 hour' where user_id = 'gone'";
    database.owner.batch_execute(lapse).await.unwrap();
    let made = async || -> i64 {
        client.simple_query("select pg_stat_force_next_flush()").await.unwrap();
        let calls = "select sum(calls)::bigint from pg_stat_user_functions where funcname = 'reserve_batch'";
        database.owner.query_one(calls, &[]).await.unwrap().get(0)
    };
    let before = made().await;
    let answers = reserve(&client, true, &[ask("holder", "another"), ask("bob", "k")]).await.unwrap();
    assert_eq!((&answers[0]["outcome"], &answers[1]["outcome"]), (&json!("already_holding"), &json!("granted")));
    assert_eq!(made().await - before, 1, "calls of the batch");
    database.checked_report().await;
}
