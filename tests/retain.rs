//! What has served its time is removed, and nothing else; and a sale that goes on does not notice.

use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use crate::database::{Ask, Database, release, reserve};

fn ask(user: &str, key: &str) -> Ask {
    Ask { user: user.into(), key: key.into(), lines: vec![("a".into(), 1)] }
}

async fn removed(database: &Database, call: &str) -> i32 {
    let relay = database.as_role("relay").await;
    relay.query_typed(&format!("select holdfast.{call}"), &[]).await.unwrap()[0].get(0)
}

async fn count(database: &Database, table: &str) -> i64 {
    let sql = format!("select count(*) from holdfast.{table}");
    database.owner.query_one(&sql, &[]).await.unwrap().get(0)
}

/// Everything so far happened so many hours ago; ids are in the order of time, so they get others.
async fn age(database: &Database, hours: u32) {
    let mut aging = format!(
        "create temporary table aged as select hold_id, uuidv7(interval '-{hours} hours') as older
             from holdfast.reservation_hold;
         update holdfast.event_outbox set event_id = uuidv7(interval '-{hours} hours'),
             created_at = created_at - interval '{hours} hours', fanned_out_at = fanned_out_at - interval '{hours} hours';
         update holdfast.idempotency set created_at = created_at - interval '{hours} hours';"
    );
    for table in [
        "reservation_hold",
        "reservation_hold_item",
        "user_active_hold",
        "idempotency",
        "inventory_ledger",
        "event_outbox",
    ] {
        aging +=
            &format!("update holdfast.{table} t set hold_id = aged.older from aged where aged.hold_id = t.hold_id;");
    }
    database.owner.batch_execute(&(aging + "drop table aged;")).await.unwrap();
}

async fn shop() -> Database {
    let database = Database::new().await;
    database.sale(86_400, &[("a", 10_000, 100)]).await;
    database
}

#[tokio::test]
async fn finished_keys_go_after_a_day_in_pieces_and_younger_ones_and_those_of_a_hold_stay() {
    let database = shop().await;
    let (buyer, giver) = (database.as_role("reserve").await, database.as_role("release").await);
    let batch: Vec<Ask> = (0..25).map(|n| ask(&format!("u{n}"), "k")).collect();
    for (ask, answer) in batch.iter().zip(reserve(&buyer, true, &batch).await.unwrap()) {
        release(&giver, &ask.user, answer["hold"]["hold_id"].as_str().unwrap()).await.unwrap();
    }
    age(&database, 25).await;
    reserve(&buyer, true, &[ask("young", "k")]).await.unwrap();
    // However short the retention is said to be, a day it is.
    let mut pieces = vec![];
    for _ in 0..4 {
        pieces.push(removed(&database, "remove_keys(10, 0)").await);
    }
    // The young one is looked at, and stays.
    assert_eq!(pieces, [10, 10, 6, 0]);
    assert_eq!(count(&database, "idempotency").await, 1);

    // A hold that is HOLD keeps its key, whatever its age.
    age(&database, 30).await;
    assert_eq!(removed(&database, "remove_keys(10, 0)").await, 1);
    let replayed = reserve(&buyer, true, &[ask("young", "k")]).await.unwrap();
    assert_eq!(replayed[0]["replayed"], true);
}

#[tokio::test]
async fn a_buyer_with_many_keys_does_not_hold_up_everybodys() {
    let database = shop().await;
    // Of holds that ended two days ago, 100 000 of one buyer's between those of others.
    let sql = "create temporary table past as select n, uuidv7(interval '-48 hours') as hold_id, case when n % 10 = 0
                   then 'u' || n else 'one' end as user_id from generate_series(1, 100000) as n;
               insert into holdfast.reservation_hold (hold_id, sale_id, user_id, status, total_amount, currency, created_at, expire_at, finalized_at)
               select hold_id, 'drop', user_id, 'RELEASED', 1, 'KRW', now() - interval '2 days', now() - interval '1 day', now() - interval '1 day' from past;
               insert into holdfast.idempotency (user_id, idem_key, fingerprint, hold_id) select user_id, 'k' || n, sha256(''), hold_id from past";
    database.owner.batch_execute(sql).await.unwrap();
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(removed(&database, "remove_keys(1000, 0)").await, 1_000);
    }
    assert_eq!(count(&database, "idempotency").await, 90_000);
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
}

#[tokio::test]
async fn sent_events_go_after_their_time_and_what_is_still_to_be_sent_or_dead_stays() {
    let database = shop().await;
    let subscribed =
        "insert into holdfast.subscription (kind, endpoint, secret) values ('http', 'https://a.example/', 'whsec_')";
    database.owner.batch_execute(subscribed).await.unwrap();
    let buyer = database.as_role("reserve").await;
    let batch: Vec<Ask> = (0..20).map(|n| ask(&format!("u{n}"), "k")).collect();
    reserve(&buyer, true, &batch).await.unwrap();
    assert_eq!(removed(&database, "fan_out(100)").await, 21);
    let ended = "update holdfast.delivery set status = case when delivery_id <= 3 then 'PENDING' when delivery_id <= 5 then 'DEAD'
                     else 'DELIVERED' end, last_error = 'x',
                 finalized_at = case when delivery_id > 3 then clock_timestamp() - interval '50 hours' end";
    database.owner.batch_execute(ended).await.unwrap();
    // Younger than they are kept: they stay.
    assert_eq!(removed(&database, "remove_sent(100, 180000, 360000)").await, 0);
    let older = "alter table holdfast.delivery drop constraint delivery_of_an_event;
                 create temporary table aged as select event_id, uuidv7(interval '-50 hours') as older from holdfast.event_outbox;
                 update holdfast.delivery d set event_id = older from aged where aged.event_id = d.event_id;
                 update holdfast.event_outbox e set event_id = older, fanned_out_at = fanned_out_at - interval '50 hours'
                     from aged where aged.event_id = e.event_id;
                 alter table holdfast.delivery add constraint delivery_of_an_event foreign key (event_id) references holdfast.event_outbox";
    database.owner.batch_execute(older).await.unwrap();
    let mut pieces = vec![];
    for _ in 0..3 {
        pieces.push(removed(&database, "remove_sent(10, 86400, 360000)").await);
    }
    assert_eq!(pieces, [10, 6, 0]);
    assert_eq!((count(&database, "event_outbox").await, count(&database, "delivery").await), (5, 5));
    // Dead letters have a time of their own.
    assert_eq!(removed(&database, "remove_sent(10, 86400, 86400)").await, 2);
    assert_eq!(count(&database, "delivery where status = 'PENDING'").await, 3);
}

#[tokio::test]
async fn a_running_sale_and_a_removal_do_not_wait_for_each_other() {
    let database = shop().await;
    let buyer = database.as_role("reserve").await;
    reserve(&buyer, true, &[ask("old", "k")]).await.unwrap();
    let released = "select hold_id::text from holdfast.reservation_hold";
    let hold: String = database.owner.query_one(released, &[]).await.unwrap().get(0);
    release(&database.as_role("release").await, "old", &hold).await.unwrap();
    age(&database, 25).await;

    // T1 does not wait for a removal that has not committed.
    let owner = harness::database::connect(&database.url()).await.unwrap();
    owner.batch_execute("begin").await.unwrap();
    let rows = owner.query_typed("select holdfast.remove_keys($1, 0)", &[(&1_000_i32, Type::INT4)]).await.unwrap();
    assert_eq!(rows[0].get::<_, i32>(0), 1);
    let began = Instant::now();
    assert_eq!(reserve(&buyer, true, &[ask("new", "k")]).await.unwrap()[0]["outcome"], "granted");
    assert!(began.elapsed() < Duration::from_secs(1), "it waited {:?}", began.elapsed());
    owner.batch_execute("rollback").await.unwrap();

    // Nor a removal for a T1 that has not committed: what somebody has is passed by, or left for the next time.
    owner
        .batch_execute(
            "begin; select from holdfast.inventory_counter for update; select from holdfast.event_outbox for update",
        )
        .await
        .unwrap();
    let began = Instant::now();
    assert_eq!(removed(&database, "remove_sent(1000, 86400, 86400)").await, 0);
    assert_eq!(removed(&database, "remove_keys(1000, 0)").await, 2);
    assert_eq!(count(&database, "idempotency").await, 1);
    assert!(began.elapsed() < Duration::from_secs(1), "it waited {:?}", began.elapsed());
    owner.batch_execute("rollback").await.unwrap();
}
