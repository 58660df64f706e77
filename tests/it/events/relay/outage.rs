//! A receiver that fails for longer than its attempts last, and the one beside it, which notices nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_postgres::types::{Json, Type};

use super::{Relay, events, holds, ids, shop, subscribe, subscription};
use support::database::Database;
use support::receiver::{Behaviour, Receiver, in_order_for_each_hold};

async fn replay_all(database: &Database) -> i64 {
    let admin = database.as_role("admin").await;
    let by = Json(json!({"actor": "test", "reason": "it is back", "request_id": "r"}));
    let mut replayed = 0;
    loop {
        let sql = "select holdfast.replay_dead_letters($1, null, null, null, null, null, null, 50)";
        let rows = admin.query_typed(sql, &[(&by, Type::JSON)]).await.unwrap();
        let many = rows[0].get::<_, Json<Value>>(0).0["many"].clone();
        replayed += many["replayed"].as_i64().unwrap();
        if many["more"] == false {
            return replayed;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_down_for_longer_than_its_attempts_gets_every_event_after_a_replay() {
    let (database, good, mut bad) = (shop().await, Receiver::start().await, Receiver::start().await);
    subscribe(&database, "http", &good.url(), &[]).await;
    let (id, _) = subscribe(&database, "http", &bad.url(), &[]).await;
    bad.down().await;
    holds(&database, 0, 60).await;
    let relay = Relay::start(&database, &[]).await;
    let all = ids(&database).await;
    let began = Instant::now();
    relay
        .until("all of the bad one's are given up", 60, async || {
            database.checked_report().await["outbox"]["dead"].as_u64() == Some(all.len() as u64)
        })
        .await;
    assert_eq!(good.ids(), all);
    let last = good.taken().into_iter().map(|seen| seen.at).max().unwrap();
    assert!(last < began + Duration::from_secs(3), "the good one waited {:?}", last - began);
    assert_eq!(subscription(&database, id).await["breaker"], "open");

    bad.up().await;
    bad.behave(Behaviour::Takes);
    assert_eq!(replay_all(&database).await, all.len() as i64);
    relay.until("the bad one has everything", 60, async || bad.ids() == all).await;
    in_order_for_each_hold(&bad.taken(), &events(&database).await);
    assert_eq!(good.taken().len(), all.len(), "the good one was sent nothing twice");
    let report = database.checked_report().await;
    assert_eq!((&report["outbox"]["pending"], &report["outbox"]["dead"]), (&json!(0), &json!(0)));
    assert_eq!(subscription(&database, id).await["breaker"], "closed");
    let ledger = "select count(*), min(reason) from holdfast.operator_ledger where action = 'dead_letters_replayed'";
    let row = database.owner.query_one(ledger, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0) > 0, row.get::<_, String>(1)), (true, "it is back".to_owned()));
}

/// One that accepts connections and never answers delays its own claims by their deadline, and no other receiver's.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_delays_only_its_own_events() {
    let (database, good, bad) = (shop().await, Receiver::start().await, Receiver::start().await);
    let (id, _) = subscribe(&database, "http", &bad.url(), &[]).await;
    subscribe(&database, "http", &good.url(), &[]).await;
    bad.behave(Behaviour::Slow(Duration::from_secs(3_600)));
    holds(&database, 0, 60).await;
    let relay = Relay::start(&database, &[]).await;
    let began = Instant::now();
    let pass = tokio::spawn(async move {
        relay.pass().await;
        relay
    });
    // Events from while the bad receiver is waited for reach the good one as well.
    support::client::until("the bad one has been asked", 10, || async { (bad.most_under_way() > 0).then_some(()) })
        .await;
    holds(&database, 60, 5).await;
    let all = ids(&database).await;
    support::client::until("the good one has everything", 10, || async { (good.ids() == all).then_some(()) }).await;
    assert!(began.elapsed() < Duration::from_secs(5), "it waited {:?}", began.elapsed());
    let relay = pass.await.unwrap();
    relay.until("the breaker is open", 20, async || subscription(&database, id).await["breaker"] != "closed").await;
    assert!(bad.most_under_way() <= 16);
}

/// Without its breaker, each of the deliveries would wait for its own deadline, three times.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_spares_a_failing_receiver_and_one_delivery_tries_whether_it_is_back() {
    let (database, receiver) = (shop().await, Receiver::start().await);
    let (id, _) = subscribe(&database, "http", &receiver.url(), &["ReservationCreated"]).await;
    receiver.behave(Behaviour::Answers(500, vec![]));
    holds(&database, 0, 100).await;
    let relay = Relay::start(&database, &[("RELAY_RETRY_S", "0,30,30"), ("RELAY_AT_ONCE", "5")]).await;
    relay.pass().await;
    let asked = receiver.all().len();
    assert!((5..=10).contains(&asked), "left alone after 5 failures in a row, those under way included: {asked}");
    assert_eq!(subscription(&database, id).await["breaker"], "open");
    relay.until("it is tried", 10, async || receiver.all().len() > asked).await;
    assert_eq!(receiver.all().len(), asked + 1, "one tries, and the others wait");
    receiver.behave(Behaviour::Takes);
    relay.until("it is back", 20, async || subscription(&database, id).await["breaker"] == "closed").await;
    relay.until("all that had not failed are taken", 20, async || receiver.taken().len() >= 100 - asked - 1).await;
}
