//! Races, each twice: forced (a lock is held, the second begins, the lock is released) and at random. And each guard
//! once without itself: what does not fail then proves nothing.

use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use support::database::{Ask, Database, Paid, confirm, release, reserve, sweep};
use support::waiting::until_waiting;

fn ask(user: &str, key: &str, lines: &[(&str, i32)]) -> Ask {
    Ask { user: user.into(), key: key.into(), lines: lines.iter().map(|(sku, qty)| ((*sku).into(), *qty)).collect() }
}

async fn held(database: &Database, sql: &str) -> Client {
    let holder = stack::database::connect(&database.url()).await.unwrap();
    holder.batch_execute(&format!("begin; {sql}")).await.unwrap();
    holder
}

async fn one_hold(database: &Database, user: &str) -> String {
    let client = database.as_role("reserve").await;
    let answers = reserve(&client, database.early_release, &[ask(user, "k", &[("a", 1)])]).await.unwrap();
    answers[0]["hold"]["hold_id"].as_str().expect("granted").to_owned()
}

async fn lapse(database: &Database) {
    let sql = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
               expire_at = expire_at - interval '1 hour' where status = 'HOLD'";
    database.owner.batch_execute(sql).await.unwrap();
}

fn paid(payment: &str, hold: &str, user: &str) -> Paid {
    Paid { payment: payment.into(), hold: hold.into(), user: user.into(), amount: 100, currency: "KRW".into() }
}

#[tokio::test]
async fn two_requests_that_wait_for_the_last_piece_get_one() {
    for early_release in [true, false] {
        let database = Database::with(early_release).await;
        database.sale(300, &[("a", 1, 1)]).await;
        let holder = held(&database, "select from holdfast.inventory_counter for update").await;
        let mut buyers = JoinSet::new();
        for user in ["ann", "bob"] {
            let client = database.as_role("reserve").await;
            buyers.spawn(async move { reserve(&client, early_release, &[ask(user, "k", &[("a", 1)])]).await.unwrap() });
        }
        until_waiting(&database, 2).await;
        holder.batch_execute("commit").await.unwrap();
        let mut outcomes: Vec<String> = buyers.join_all().await.iter().map(|a| a[0]["outcome"].to_string()).collect();
        outcomes.sort();
        assert_eq!(outcomes, ["\"granted\"", "\"sold_out\""]);
        database.checked_report().await;
    }
}

#[tokio::test]
async fn one_key_sent_twice_at_once_is_granted_once_and_answered_twice() {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 1)]).await;
    let holder = held(&database, "select from holdfast.inventory_counter for update").await;
    let mut presses = JoinSet::new();
    for _ in 0..2 {
        let client = database.as_role("reserve").await;
        presses.spawn(async move { reserve(&client, true, &[ask("ann", "k", &[("a", 1)])]).await.unwrap() });
    }
    until_waiting(&database, 2).await;
    holder.batch_execute("commit").await.unwrap();
    let answers: Vec<Value> = presses.join_all().await.into_iter().map(|mut a| a.remove(0)).collect();
    assert!(answers.iter().all(|answer| answer["outcome"] == "granted"), "{answers:?}");
    assert_eq!(answers[0]["hold"]["hold_id"], answers[1]["hold"]["hold_id"]);
    assert_eq!(answers[0]["hold"]["expire_at"], answers[1]["hold"]["expire_at"]);
    assert_eq!(answers.iter().filter(|answer| answer["replayed"] == true).count(), 1);
    assert_eq!(database.checked_report().await["skus"][0]["held"], 1);
}

#[tokio::test]
async fn two_keys_of_one_user_at_once_become_one_hold() {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 9)]).await;
    let holder = held(&database, "select from holdfast.inventory_counter for update").await;
    let mut presses = JoinSet::new();
    for key in ["k1", "k2"] {
        let client = database.as_role("reserve").await;
        presses.spawn(async move { reserve(&client, true, &[ask("ann", key, &[("a", 1)])]).await.unwrap() });
    }
    until_waiting(&database, 2).await;
    holder.batch_execute("commit").await.unwrap();
    let mut outcomes: Vec<String> = presses.join_all().await.iter().map(|a| a[0]["outcome"].to_string()).collect();
    outcomes.sort();
    assert_eq!(outcomes, ["\"already_holding\"", "\"granted\""]);
    database.checked_report().await;
}

#[tokio::test]
async fn a_hold_that_lapses_while_its_confirm_waits_is_refunded() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1, 1)]).await;
    let hold = one_hold(&database, "ann").await;
    let holder = held(&database, "select from holdfast.reservation_hold for update").await;
    let client = database.as_role("confirm").await;
    let paying = tokio::spawn(async move { confirm(&client, &paid("p1", &hold, "ann")).await.unwrap() });
    until_waiting(&database, 1).await;
    // Its transaction began in time; now, while it waits for the row, the hold ends. `now()` would not see that.
    let ends = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                expire_at = clock_timestamp(); commit";
    holder.batch_execute(ends).await.unwrap();
    let answer = paying.await.unwrap();
    assert_eq!(answer["reason"], "hold_expired");
    database.checked_report().await;
}

#[tokio::test]
async fn the_same_payment_ten_times_at_once_is_one_order() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1, 1)]).await;
    let hold = one_hold(&database, "ann").await;
    let holder = held(&database, "select from holdfast.reservation_hold for update").await;
    let mut webhooks = JoinSet::new();
    for _ in 0..10 {
        let (client, hold) = (database.as_role("confirm").await, hold.clone());
        webhooks.spawn(async move { confirm(&client, &paid("p1", &hold, "ann")).await.unwrap() });
    }
    until_waiting(&database, 10).await;
    holder.batch_execute("commit").await.unwrap();
    let answers = webhooks.join_all().await;
    assert!(answers.iter().all(|answer| answer["result"] == "confirmed" && *answer == answers[0]), "{answers:?}");
    database.checked_report().await;
}

#[tokio::test]
async fn two_payments_for_one_hold_at_once_are_one_order_and_one_refund() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1, 1)]).await;
    let hold = one_hold(&database, "ann").await;
    let holder = held(&database, "select from holdfast.reservation_hold for update").await;
    let mut webhooks = JoinSet::new();
    for payment in ["p1", "p2"] {
        let (client, hold) = (database.as_role("confirm").await, hold.clone());
        webhooks.spawn(async move { confirm(&client, &paid(payment, &hold, "ann")).await.unwrap() });
    }
    until_waiting(&database, 2).await;
    holder.batch_execute("commit").await.unwrap();
    let mut results: Vec<String> = webhooks.join_all().await.iter().map(|a| a["result"].to_string()).collect();
    results.sort();
    assert_eq!(results, ["\"confirmed\"", "\"refund_required\""]);
    database.checked_report().await;
}

#[tokio::test]
async fn one_payment_reported_for_two_holds_at_once_buys_one_and_the_other_can_still_be_paid() {
    let database = Database::new().await;
    database.sale(300, &[("a", 2, 1)]).await;
    let (one, two) = (one_hold(&database, "ann").await, one_hold(&database, "bob").await);
    let holder = held(&database, "select from holdfast.reservation_hold for update").await;
    let mut webhooks = JoinSet::new();
    for (hold, user) in [(&one, "ann"), (&two, "bob")] {
        let (client, paid) = (database.as_role("confirm").await, paid("p1", hold, user));
        webhooks.spawn(async move { confirm(&client, &paid).await.unwrap() });
    }
    until_waiting(&database, 2).await;
    holder.batch_execute("commit").await.unwrap();
    let answers = webhooks.join_all().await;
    assert_eq!((&answers[0]["result"], &answers[0]), (&"confirmed".into(), &answers[1]), "one payment, one answer");
    let report = database.checked_report().await;
    assert_eq!((&report["skus"][0]["sold"], &report["skus"][0]["held"]), (&1.into(), &1.into()), "{report}");
    // The other hold is still unpaid.
    let client = database.as_role("confirm").await;
    let mut second = vec![];
    for (hold, user) in [(&one, "ann"), (&two, "bob")] {
        let answer = confirm(&client, &paid(&format!("p2-{user}"), hold, user)).await.unwrap();
        second.push(answer["result"].as_str().unwrap().to_owned());
    }
    second.sort();
    assert_eq!(second, ["confirmed", "refund_required"]);
    database.checked_report().await;
}

#[tokio::test]
async fn once_a_pause_is_answered_nothing_is_granted_any_more() {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 1)]).await;
    let holder = held(&database, "select from holdfast.inventory_counter for update").await;
    // It has looked at the sale, found it open, and waits for the counter.
    let client = database.as_role("reserve").await;
    let buying = tokio::spawn(async move { reserve(&client, true, &[ask("ann", "k", &[("a", 1)])]).await.unwrap() });
    until_waiting(&database, 1).await;
    holder.batch_execute("update holdfast.sale set status = 'paused'; commit").await.unwrap();
    assert_eq!(buying.await.unwrap()[0]["outcome"], "sale_not_open");
    database.checked_report().await;
}

#[tokio::test]
async fn a_pause_is_not_answered_before_the_reservations_that_have_the_counters_are_through() {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 1)]).await;
    let holder = held(&database, "select from holdfast.inventory_counter for update").await;
    let admin = database.as_role("admin").await;
    let pausing = tokio::spawn(async move {
        admin.query_typed("select holdfast.set_sale_status('drop', 'paused')", &[]).await.unwrap();
    });
    until_waiting(&database, 1).await;
    assert!(!pausing.is_finished());
    holder.batch_execute("commit").await.unwrap();
    pausing.await.unwrap();
}

#[tokio::test]
async fn what_was_bought_while_a_reservation_waited_counts_against_its_limit() {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 1)]).await;
    // It has looked, found nothing bought, and waits for a transaction that has inserted the same key and not
    // committed.
    let planted = "insert into holdfast.idempotency (user_id, idem_key, fingerprint, hold_id)
                   values ('ann', 'k2', sha256(''), uuidv7())";
    let holder = held(&database, planted).await;
    let client = database.as_role("reserve").await;
    let buying = tokio::spawn(async move { reserve(&client, true, &[ask("ann", "k2", &[("a", 1)])]).await.unwrap() });
    until_waiting(&database, 1).await;
    let hold = one_hold(&database, "ann").await;
    let client = database.as_role("confirm").await;
    assert_eq!(confirm(&client, &paid("p1", &hold, "ann")).await.unwrap()["result"], "confirmed");
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(buying.await.unwrap()[0]["outcome"], "limit_reached");
    database.checked_report().await;
}

#[tokio::test]
async fn a_sweep_and_a_release_at_once_credit_a_hold_once() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1, 1)]).await;
    let hold = one_hold(&database, "ann").await;
    let holder = held(&database, "select from holdfast.reservation_hold for update").await;
    let client = database.as_role("release").await;
    let giving = tokio::spawn(async move { release(&client, "ann", &hold).await.unwrap() });
    until_waiting(&database, 1).await;
    let lapse = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                 expire_at = expire_at - interval '1 hour'; commit";
    let scheduler = database.as_role("expire").await;
    assert_eq!(sweep(&scheduler).await.unwrap(), 0, "it passes by what is locked");
    holder.batch_execute(lapse).await.unwrap();
    assert_eq!(giving.await.unwrap()["hold_status"], "EXPIRED");
    assert_eq!(sweep(&scheduler).await.unwrap(), 1);
    assert_eq!(database.checked_report().await["skus"][0]["available"], 1);
}

#[tokio::test]
async fn a_buyer_waits_for_the_sweep_that_brings_the_last_piece_back() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1, 1)]).await;
    one_hold(&database, "ann").await;
    lapse(&database).await;
    let sweeper = held(&database, "select holdfast.expire(1000)").await;
    let client = database.as_role("reserve").await;
    let buying = tokio::spawn(async move { reserve(&client, true, &[ask("bob", "k", &[("a", 1)])]).await.unwrap() });
    until_waiting(&database, 1).await;
    sweeper.batch_execute("commit").await.unwrap();
    assert_eq!(buying.await.unwrap()[0]["outcome"], "granted");
    database.checked_report().await;
}

/// Buyers, payers, givers-back, sweeps and an operator, all at once, for `rounds` rounds each. How many deadlocks.
async fn crowd(database: &Arc<Database>, rounds: u32) -> usize {
    let mut crowd: JoinSet<usize> = JoinSet::new();
    for worker in 0..6_u32 {
        let database = Arc::clone(database);
        crowd.spawn(async move {
            let (reserving, confirming, releasing, sweeping) = (
                database.as_role("reserve").await,
                database.as_role("confirm").await,
                database.as_role("release").await,
                database.as_role("expire").await,
            );
            let mut deadlocks = 0;
            for round in 0..rounds {
                // Few users and both orders of the SKUs, so that batches meet on every kind of row.
                let batch: Vec<Ask> = (0..8)
                    .map(|n| {
                        let user = format!("u{}", (worker + n * 5 + round * 3) % 23);
                        let lines: &[(&str, i32)] = match (n + round + worker) % 3 {
                            0 => &[("a", 1), ("b", 1)],
                            1 => &[("b", 1), ("a", 1)],
                            _ => &[("a", 2)],
                        };
                        ask(&user, &format!("k{}", (round + n) % 7), lines)
                    })
                    .collect();
                let answers = match reserve(&reserving, database.early_release, &batch).await {
                    Ok(answers) => answers,
                    Err(error) => {
                        assert_eq!(error.code().map(|code| code.code()), Some("40P01"), "{error:?}");
                        deadlocks += 1;
                        continue;
                    }
                };
                for (n, answer) in answers.iter().enumerate() {
                    let Some(hold) = answer["hold"]["hold_id"].as_str() else { continue };
                    let amount = answer["hold"]["total_amount"].as_i64().unwrap();
                    match n % 3 {
                        0 => {
                            let mut paid = paid(&format!("p-{hold}"), hold, &batch[n].user);
                            paid.amount = amount;
                            confirm(&confirming, &paid).await.unwrap();
                        }
                        1 => drop(release(&releasing, &batch[n].user, hold).await.unwrap()),
                        _ => {}
                    }
                }
                sweep(&sweeping).await.unwrap();
            }
            deadlocks
        });
    }
    crowd.join_all().await.into_iter().sum()
}

#[tokio::test]
async fn a_random_crowd_breaks_no_rule_and_does_not_deadlock() {
    for early_release in [true, false] {
        let database = Arc::new(Database::with(early_release).await);
        database.sale(1, &[("a", 60, 9), ("b", 40, 9)]).await;
        assert_eq!(crowd(&database, 40).await, 0, "deadlocks");
        let report = database.checked_report().await;
        assert!(report["orders"]["CONFIRMED"].as_i64().unwrap() > 0, "{report}");
        assert!(report["holds"]["RELEASED"].as_i64().unwrap() > 0, "{report}");
    }
}

/// Forty who want one each of twenty, in pairs that look at once. How many were granted.
async fn forty_for_twenty(database: &Arc<Database>) -> i64 {
    let holder = held(database, "select from holdfast.inventory_counter for update").await;
    let mut buyers = JoinSet::new();
    for n in 0..40 {
        let client = database.as_role("reserve").await;
        buyers.spawn(async move {
            let answers = reserve(&client, true, &[ask(&format!("u{n}"), "k", &[("a", 1)])]).await.unwrap();
            i64::from(answers[0]["outcome"] == "granted")
        });
    }
    until_waiting(database, 10).await;
    holder.batch_execute("commit").await.unwrap();
    buyers.join_all().await.into_iter().sum()
}

#[tokio::test]
async fn with_the_guards_of_the_counter_removed_the_same_crowd_is_oversold() {
    let database = Arc::new(Database::new().await);
    database.sale(300, &[("a", 20, 1)]).await;
    assert_eq!(forty_for_twenty(&database).await, 20);

    let unguarded = Arc::new(Database::new().await);
    unguarded.sale(300, &[("a", 20, 1)]).await;
    let mut mutant = include_str!("../../../schema/routines/reserve.sql").to_owned();
    for (guard, without) in [
        ("(p_sale_id, v_skus[wanted.sku]) for update) c;", "(p_sale_id, v_skus[wanted.sku])) c;"),
        ("and c.available >= taken.qty and taken.qty > 0;", "and taken.qty > 0;"),
    ] {
        assert!(mutant.contains(guard), "{guard}");
        mutant = mutant.replace(guard, without);
    }
    unguarded.owner.batch_execute(&mutant).await.unwrap();
    let constraints = "alter table holdfast.inventory_counter drop constraint inventory_counter_never_oversold";
    unguarded.owner.batch_execute(constraints).await.unwrap();
    assert!(
        forty_for_twenty(&unguarded).await > 20,
        "without its guards T1 must oversell here, or this proves nothing"
    );
}
