//! Release, row by row: released stock is available at once, and once.

use support::database::{Ask, Database, release, reserve};
use support::table;

#[tokio::test]
async fn stock_of_a_released_hold_returns_at_once_and_once() {
    table::run(
        "sale 300 a:1:1
         reserve ann k1 a:1  = granted
         release ann/k1      = released
         release ann/k1      = released
         count a             = total 1 available 1 held 0 sold 0
         reserve bob k1 a:1  = granted",
    )
    .await;
}

#[tokio::test]
async fn releasing_twice_moves_stock_once() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1, 1)]).await;
    let ask = Ask { user: "ann".to_owned(), key: "k".to_owned(), lines: vec![("a".to_owned(), 1)] };
    let granted = reserve(&database.as_role("reserve").await, true, &[ask]).await.unwrap();
    let hold = granted[0]["hold"]["hold_id"].as_str().unwrap();
    let client = database.as_role("release").await;
    let moved = async || release(&client, "ann", hold).await.unwrap()["moved"].clone();
    assert_eq!([moved().await, moved().await, moved().await], [true, false, false]);
}

#[tokio::test]
async fn a_paid_or_ended_hold_cannot_be_released() {
    table::run(
        "sale 300 a:3:1
         reserve ann k1 a:1  = granted
         pay p1 ann/k1       = confirmed
         release ann/k1      = hold_not_active COMMITTED
         reserve bob k1 a:1  = granted
         tick 300
         # Over by the clock, swept or not.
         release bob/k1      = hold_not_active EXPIRED
         sweep               = 1
         release bob/k1      = hold_not_active EXPIRED",
    )
    .await;
}

#[tokio::test]
async fn another_users_hold_cannot_be_released() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1, 1)]).await;
    let client = database.as_role("reserve").await;
    let ask = Ask { user: "ann".to_owned(), key: "k".to_owned(), lines: vec![("a".to_owned(), 1)] };
    let granted = reserve(&client, true, &[ask]).await.unwrap();
    let hold = granted[0]["hold"]["hold_id"].as_str().unwrap().to_owned();
    let client = database.as_role("release").await;
    assert_eq!(release(&client, "bob", &hold).await.unwrap()["outcome"], "not_found");
    assert_eq!(database.checked_report().await["skus"][0]["held"], 1);
}
