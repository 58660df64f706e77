//! `relay` killed at any step: nothing is lost, and a hold's events are still delivered in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::{Emulator, Relay, events, holds, ids, shop, subscribe};
use support::database::sweep;
use support::receiver::{Behaviour, Receiver, in_order_for_each_hold};

const KILLS: usize = 100;

/// Between nothing and a little more than a pass takes.
fn moment() -> Duration {
    Duration::from_micros(u64::from(Uuid::new_v4().as_fields().0) % 250_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_killed_a_hundred_times_at_any_step_loses_nothing() {
    let database = Arc::new(shop().await);
    let receivers = [Receiver::start().await, Receiver::start().await];
    for receiver in &receivers {
        receiver.behave(Behaviour::Slow(Duration::from_millis(10)));
        subscribe(&database, "http", &receiver.url(), &[]).await;
    }
    let (emulator, over) = (Emulator::start().await, Arc::new(AtomicBool::new(false)));

    // A sale goes on: holds, payments, releases, and ends of unpaid holds.
    let traffic = {
        let (database, over) = (Arc::clone(&database), Arc::clone(&over));
        tokio::spawn(async move {
            let expire = database.as_role("expire").await;
            let mut n = 0;
            while !over.load(Ordering::Relaxed) {
                holds(&database, n, 10).await;
                n += 10;
                let lapse = "update holdfast.reservation_hold set created_at = created_at - interval '2 hours',
                             expire_at = expire_at - interval '2 hours' where status = 'HOLD'";
                database.owner.batch_execute(lapse).await.unwrap();
                sweep(&expire).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    };
    // The scheduler's ticks, of which those of a killed instance are never answered.
    let ticks = {
        let (over, url) = (Arc::clone(&over), emulator.url.clone());
        let http = simulator::http::client().timeout(Duration::from_secs(2)).build().unwrap();
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let tick = http.post(format!("{url}/2015-03-31/functions/relay/invocations"));
                let _ = tick.json(&json!({"job": "relay"})).send().await;
            }
        })
    };

    let mut at_work = 0;
    for _ in 0..KILLS {
        let mut relay = Relay::at(&emulator, &database, &[]);
        tokio::time::sleep(Duration::from_millis(30) + moment()).await;
        relay.process.kill().unwrap();
        relay.process.wait().unwrap();
        // What it had claimed comes back when its claim ends: time passes.
        let later = "update holdfast.delivery set next_attempt_at = clock_timestamp() where claim is not null";
        at_work += usize::from(database.owner.execute(later, &[]).await.unwrap() > 0);
    }
    over.store(true, Ordering::Relaxed);
    traffic.await.unwrap();
    ticks.await.unwrap();
    assert!(at_work > KILLS / 4, "only {at_work} of the {KILLS} had something under way");

    let relay = Relay::start(&database, &[]).await;
    let all = ids(&database).await;
    for receiver in &receivers {
        receiver.behave(Behaviour::Takes);
        relay.until("everything is there", 60, async || receiver.ids() == all).await;
        in_order_for_each_hold(&receiver.taken(), &events(&database).await);
    }
    let report = database.checked_report().await;
    assert_eq!((&report["outbox"]["pending"], &report["outbox"]["dead"]), (&json!(0), &json!(0)));
}
