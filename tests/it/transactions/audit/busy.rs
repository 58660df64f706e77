//! The audit beside a sale that goes on, and beside events that are fanned out.

use std::time::{Duration, Instant};

use support::database::{Ask, Database, Paid, confirm, release, reserve, sweep};

use super::{ask, pass, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_busy_sale_is_consistent_at_every_moment() {
    let database = Database::new().await;
    database.sale(1, &[("a", 400, 1), ("b", 400, 1)]).await;
    let until = Instant::now() + Duration::from_secs(4);
    let mut sales = Vec::new();
    for worker in 0..3 {
        let (buyer, gateway) = (database.as_role("reserve").await, database.as_role("confirm").await);
        let (giver, sweeper) = (database.as_role("release").await, database.as_role("expire").await);
        sales.push(tokio::spawn(async move {
            let mut round = 0;
            while Instant::now() < until {
                round += 1;
                let batch: Vec<Ask> = (0..10)
                    .map(|n| ask(&format!("u{worker}-{round}-{n}"), if n % 2 == 0 { "a" } else { "b" }))
                    .collect();
                let answers = reserve(&buyer, true, &batch).await.unwrap();
                for (n, answer) in answers.iter().enumerate().filter(|(_, answer)| answer["outcome"] == "granted") {
                    let hold = answer["hold"]["hold_id"].as_str().unwrap().to_owned();
                    let user = batch[n].user.clone();
                    if n % 5 == 0 {
                        let payment = format!("pay-{hold}");
                        let paid = Paid { payment, hold, user, amount: 100 + n as i64 / 5, currency: "KRW".into() };
                        confirm(&gateway, &paid).await.unwrap();
                    } else if n % 5 == 1 {
                        release(&giver, &user, &hold).await.unwrap();
                    }
                }
                sweep(&sweeper).await.unwrap();
            }
            round
        }));
    }
    // What was counted agrees at every moment, too, with what is fanned out meanwhile.
    let relay = database.as_role("relay").await;
    let fanning_out = tokio::spawn(async move {
        while Instant::now() < until {
            relay.query_typed("select holdfast.fan_out(20)", &[]).await.unwrap();
        }
    });
    let audit = database.as_role("audit").await;
    let mut passes = 0;
    while Instant::now() < until {
        assert_eq!(pass(&audit, 50).await, (0, 0), "{:?}", told(&database).await);
        passes += 1;
    }
    fanning_out.await.unwrap();
    let mut rounds = 0;
    for sale in sales {
        rounds += sale.await.unwrap();
    }
    assert!(passes >= 3 && rounds >= 30, "{passes} passes, {rounds} rounds");
    assert_eq!(pass(&audit, 1_000).await, (0, 0), "{:?}", told(&database).await);
    database.checked_report().await;
}
