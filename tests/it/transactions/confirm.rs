//! T2, row by row: money that was taken ends as an order or as a refund, exactly once.

use support::table;

#[tokio::test]
async fn a_payment_in_time_becomes_one_order() {
    table::run(
        "sale 300 a:2:2
         reserve ann k1 a:2  = granted
         pay p1 ann/k1       = confirmed
         count a             = total 2 available 0 held 0 sold 2
         sweep               = 0
         tick 600
         sweep               = 0
         count a             = total 2 available 0 held 0 sold 2",
    )
    .await;
}

#[tokio::test]
async fn second_confirm_returns_the_first_answer() {
    table::run(
        "sale 300 a:2:1
         reserve ann k1 a:1            = granted
         pay p1 ann/k1                 = confirmed
         pay p1 ann/k1                 = confirmed
         # Whatever else it says the second time.
         pay p1 ann/k1 amount=1        = confirmed
         reserve bob k1 a:1            = granted
         pay p2 bob/k1 amount=1        = refund_required amount_mismatch
         pay p2 bob/k1                 = refund_required amount_mismatch
         # Another payment of the right amount still buys it.
         pay p3 bob/k1                 = confirmed",
    )
    .await;
}

#[tokio::test]
async fn a_payment_that_buys_nothing_is_to_be_refunded_for_its_first_reason() {
    table::run(
        "sale 300 a:9:9
         pay p1 not-an-id                               = refund_required hold_unknown
         pay p2 01890000-0000-7000-8000-000000000000    = refund_required hold_unknown
         reserve ann k1 a:1                             = granted
         pay p3 ann/k1 user=bob amount=1                = refund_required user_mismatch
         pay p4 ann/k1 amount=99                        = refund_required amount_mismatch
         pay p5 ann/k1 currency=USD                     = refund_required amount_mismatch
         pay p6 ann/k1                                  = confirmed
         pay p7 ann/k1                                  = refund_required already_paid
         pay p8 ann/k1 user=bob                         = refund_required already_paid
         reserve ann k2 a:1                             = granted
         release ann/k2                                 = released
         pay p9 ann/k2                                  = refund_required hold_released
         count a                                        = total 9 available 8 held 0 sold 1",
    )
    .await;
}

#[tokio::test]
async fn a_payment_after_the_end_is_refunded_whether_the_sweep_has_come_or_not() {
    table::run(
        "sale 300 a:2:1
         reserve ann k1 a:1  = granted
         reserve bob k1 a:1  = granted
         tick 299
         pay p1 ann/k1       = confirmed
         tick 1
         pay p2 bob/k1       = refund_required hold_expired
         sweep               = 1
         pay p3 bob/k1       = refund_required hold_expired
         count a             = total 2 available 1 held 0 sold 1",
    )
    .await;
}
