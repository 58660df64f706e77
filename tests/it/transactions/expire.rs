//! T3, row by row: the stock of unpaid holds comes back, once.

use support::database::{Ask, Database, reserve, sweep};
use support::table;

#[tokio::test]
async fn stock_of_lapsed_holds_comes_back_once() {
    table::run(
        "sale 300 a:3:2 b:3:2
         reserve ann k1 a:2 b:1  = granted
         reserve bob k1 a:1      = granted
         tick 299
         sweep                   = 0
         tick 1
         sweep                   = 2
         sweep                   = 0
         count a                 = total 3 available 3 held 0 sold 0
         count b                 = total 3 available 3 held 0 sold 0
         reserve cho k1 a:2      = granted",
    )
    .await;
}

#[tokio::test]
async fn a_paid_or_released_hold_is_not_swept() {
    table::run(
        "sale 300 a:3:1
         reserve ann k1 a:1  = granted
         reserve bob k1 a:1  = granted
         reserve cho k1 a:1  = granted
         pay p1 ann/k1       = confirmed
         release bob/k1      = released
         tick 300
         sweep               = 1
         count a             = total 3 available 2 held 0 sold 1",
    )
    .await;
}

#[tokio::test]
async fn a_sweep_ends_at_most_a_thousand_holds_a_transaction_and_finds_the_rest_next_time() {
    let database = Database::new().await;
    database.sale(300, &[("a", 2_000, 1)]).await;
    let client = database.as_role("reserve").await;
    for batch in 0..12 {
        let batch: Vec<Ask> = (0..100)
            .map(|n| Ask { user: format!("u{batch}-{n}"), key: "k".into(), lines: vec![("a".into(), 1)] })
            .collect();
        reserve(&client, true, &batch).await.unwrap();
    }
    let past = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                expire_at = expire_at - interval '1 hour'";
    database.owner.batch_execute(past).await.unwrap();
    let scheduler = database.as_role("expire").await;
    let mut swept = Vec::new();
    for _ in 0..3 {
        swept.push(sweep(&scheduler).await.unwrap());
    }
    assert_eq!(swept, [1000, 200, 0]);
    assert_eq!(database.checked_report().await["skus"][0]["available"], 2_000);
}

#[tokio::test]
async fn a_sweep_skips_a_hold_that_another_transaction_has_locked() {
    let database = Database::new().await;
    database.sale(300, &[("a", 2, 1)]).await;
    let client = database.as_role("reserve").await;
    let ask = |user: &str| Ask { user: user.to_owned(), key: "k".to_owned(), lines: vec![("a".to_owned(), 1)] };
    reserve(&client, true, &[ask("ann"), ask("bob")]).await.unwrap();
    let lapse = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                 expire_at = expire_at - interval '1 hour'";
    database.owner.batch_execute(lapse).await.unwrap();
    let somebody = stack::database::connect(&database.url()).await.unwrap();
    let has = "begin; select from holdfast.reservation_hold where user_id = 'bob' for update";
    somebody.batch_execute(has).await.unwrap();

    let scheduler = database.as_role("expire").await;
    let swept = tokio::time::timeout(std::time::Duration::from_secs(20), sweep(&scheduler)).await;
    assert_eq!(swept.expect("it waits for no lock").unwrap(), 1);
    somebody.batch_execute("rollback").await.unwrap();
    assert_eq!(sweep(&scheduler).await.unwrap(), 1);
    database.checked_report().await;
}
