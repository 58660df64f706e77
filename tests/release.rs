//! Release, row by row: what a buyer gives back is there at once, and once.

use crate::table;

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
async fn what_is_paid_or_over_cannot_be_given_back() {
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
