//! What has served its time is removed, and nothing else; and a sale that goes on does not notice.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_postgres::types::{Json, Type};

use support::database::{Ask, Database, Paid, confirm, release, reserve, sweep};

fn ask(user: &str, key: &str) -> Ask {
    Ask { user: user.into(), key: key.into(), lines: vec![("a".into(), 1)] }
}

async fn removed(database: &Database, call: &str) -> i32 {
    let relay = database.as_role("relay").await;
    relay.query_typed(&format!("select holdfast.{call}"), &[]).await.unwrap()[0].get(0)
}

/// What each piece looked at, until nothing is left.
async fn in_pieces(database: &Database, call: &str) -> Vec<i32> {
    let mut pieces = vec![];
    loop {
        match removed(database, call).await {
            0 => return pieces,
            looked_at => pieces.push(looked_at),
        }
    }
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
async fn a_buyer_with_many_keys_does_not_delay_the_removal_of_others() {
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
    assert_eq!(in_pieces(&database, "remove_sent(10, 86400, 360000)").await, [10, 10, 1]);
    assert_eq!((count(&database, "event_outbox").await, count(&database, "delivery").await), (5, 5));
    // Dead letters have a time of their own; it begins again where it began.
    assert_eq!(in_pieces(&database, "remove_sent(10, 86400, 86400)").await, [5]);
    assert_eq!(
        (count(&database, "event_outbox").await, count(&database, "delivery where status = 'PENDING'").await),
        (3, 3)
    );
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
    let owner = stack::database::connect(&database.url()).await.unwrap();
    owner.batch_execute("begin").await.unwrap();
    let rows = owner.query_typed("select holdfast.remove_keys($1, 0)", &[(&1_000_i32, Type::INT4)]).await.unwrap();
    assert_eq!(rows[0].get::<_, i32>(0), 1);
    let began = Instant::now();
    assert_eq!(reserve(&buyer, true, &[ask("new", "k")]).await.unwrap()[0]["outcome"], "granted");
    assert!(began.elapsed() < Duration::from_secs(1), "it waited {:?}", began.elapsed());
    owner.batch_execute("rollback").await.unwrap();

    // Nor a removal for a T1 that has not committed: locked rows are skipped, or left for the next time.
    owner
        .batch_execute(
            "begin; select from holdfast.inventory_counter for update; select from holdfast.event_outbox for update",
        )
        .await
        .unwrap();
    let began = Instant::now();
    let events = count(&database, "event_outbox").await;
    removed(&database, "remove_sent(1000, 86400, 86400)").await;
    assert_eq!(count(&database, "event_outbox").await, events);
    assert_eq!(removed(&database, "remove_keys(1000, 0)").await, 2);
    assert_eq!(count(&database, "idempotency").await, 1);
    assert!(began.elapsed() < Duration::from_secs(1), "it waited {:?}", began.elapsed());
    owner.batch_execute("rollback").await.unwrap();
}

#[tokio::test]
async fn a_piece_costs_the_same_however_many_dead_letters_are_kept() {
    let database = shop().await;
    let subscribed = "insert into holdfast.subscription (subscription_id, kind, endpoint, secret)
        values ('019a9e7c-4b5a-7c3d-8e9f-0123456789ab', 'http', 'https://a.example/', 'whsec_')";
    database.owner.batch_execute(subscribed).await.unwrap();
    let mut read = vec![];
    for kept in [0, 20_000] {
        let dead = format!(
            "with old as (
                 insert into holdfast.event_outbox (event_id, event_type, data, fanned_out_at)
                 select uuidv7(interval '-60 hours'), 'StockAdjusted', '{{}}', now() - interval '60 hours'
                 from generate_series(1, {kept}) returning event_id)
             insert into holdfast.delivery (event_id, subscription_id, status, next_attempt_at, last_error, finalized_at)
             select event_id, '019a9e7c-4b5a-7c3d-8e9f-0123456789ab', 'DEAD', now(), 'x', now() - interval '60 hours' from old;
             with sent as (
                 insert into holdfast.event_outbox (event_id, event_type, data, fanned_out_at)
                 select uuidv7(interval '-50 hours'), 'StockAdjusted', '{{}}', now() - interval '50 hours'
                 from generate_series(1, 300) returning event_id)
             insert into holdfast.delivery (event_id, subscription_id, status, next_attempt_at, finalized_at)
             select event_id, '019a9e7c-4b5a-7c3d-8e9f-0123456789ab', 'DELIVERED', now(), now() - interval '50 hours' from sent;
             update holdfast.retention_cursor set upto = '00000000-0000-0000-0000-000000000000';
             analyze holdfast.event_outbox; analyze holdfast.delivery"
        );
        database.owner.batch_execute(&dead).await.unwrap();
        let relay = database.as_role("relay").await;
        relay.batch_execute("begin").await.unwrap();
        let piece = "select holdfast.remove_sent(100, 86400, 2592000)";
        assert_eq!(relay.query_typed(piece, &[]).await.unwrap()[0].get::<_, i32>(0), 100);
        let rows = "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_xact_all_tables
                    where relname in ('event_outbox', 'delivery')";
        read.push(relay.query_typed(rows, &[]).await.unwrap()[0].get::<_, i64>(0));
        relay.batch_execute("commit").await.unwrap();
    }
    assert!(read[1] <= read[0].max(1_000), "rows that a piece reads, without and with 20 000 dead letters: {read:?}");
    // And it gets to what lies behind them.
    in_pieces(&database, "remove_sent(1000, 86400, 2592000)").await;
    in_pieces(&database, "remove_sent(1000, 86400, 2592000)").await;
    assert_eq!(count(&database, "delivery where status = 'DELIVERED'").await, 0);
    assert_eq!(count(&database, "delivery").await, 20_000);
}

#[tokio::test]
async fn holds_that_ended_unpaid_go_and_the_ledgers_sum_and_what_was_paid_for_stay() {
    let database = shop().await;
    let (buyer, giver) = (database.as_role("reserve").await, database.as_role("release").await);
    let mut holds = vec![];
    for user in ["gone", "paid", "late", "live"] {
        let answers = reserve(&buyer, true, &[ask(user, "k")]).await.unwrap();
        holds.push(answers[0]["hold"]["hold_id"].as_str().unwrap().to_owned());
    }
    release(&giver, "gone", &holds[0]).await.unwrap();
    release(&giver, "late", &holds[2]).await.unwrap();
    let confirmer = database.as_role("confirm").await;
    for (n, user) in [(1, "paid"), (2, "late")] {
        let paid = Paid {
            payment: user.into(),
            hold: holds[n].clone(),
            user: user.into(),
            amount: 100,
            currency: "KRW".into(),
        };
        confirm(&confirmer, &paid).await.unwrap();
    }
    let sums = "select (select sum(qty) from holdfast.inventory_ledger)::bigint, (select available from holdfast.inventory_counter)";
    let before = database.owner.query_one(sums, &[]).await.unwrap();
    assert_eq!(removed(&database, "remove_holds(10, 86400)").await, 0, "younger than they are kept");
    age_holds(&database).await;
    assert_eq!(in_pieces(&database, "remove_holds(2, 86400)").await, [2, 1], "it stops at one that is still held");
    let left = "select string_agg(user_id, ' ' order by user_id) from holdfast.reservation_hold";
    assert_eq!(database.owner.query_one(left, &[]).await.unwrap().get::<_, &str>(0), "late live paid");
    assert_eq!(count(&database, "reservation_hold_item").await, 3);
    let after = database.owner.query_one(sums, &[]).await.unwrap();
    assert_eq!((after.get::<_, i64>(0), after.get::<_, i64>(1)), (before.get(0), before.get(1)));
    let looked: Json<Value> =
        database.owner.query_one("select holdfast.audit_look('holds', 100, 0)", &[]).await.unwrap().get(0);
    assert_eq!(looked.0["found"], json!([]), "nothing is missed");
}

#[tokio::test]
async fn a_hold_whose_payment_waits_for_an_operator_stays() {
    let database = shop().await;
    let (buyer, giver) = (database.as_role("reserve").await, database.as_role("release").await);
    let confirmer = database.as_role("confirm").await;
    for user in ["undecided", "never"] {
        let answers = reserve(&buyer, true, &[ask(user, "k")]).await.unwrap();
        let hold = answers[0]["hold"]["hold_id"].as_str().unwrap();
        let of_hold = format!("'portone', '{user}', '{hold}', '{hold}', '{user}', 100, 'KRW'");
        let noted = format!("select holdfast.note_payment({of_hold}, false)");
        confirmer.query_typed(&noted, &[]).await.unwrap();
        let ends = match user {
            "never" => format!("select holdfast.end_payment('portone', '{user}', 'over')"),
            _ => format!("select holdfast.payment_unanswered('portone', '{user}', '403') from generate_series(1, 12)"),
        };
        confirmer.query_typed(&ends, &[]).await.unwrap();
        release(&giver, user, hold).await.unwrap();
    }
    age_holds(&database).await;
    in_pieces(&database, "remove_holds(10, 86400)").await;
    let left = "select string_agg(h.user_id || ' ' || a.payment_id, ' ')
                from holdfast.reservation_hold h join holdfast.payment_attempt a using (hold_id)";
    assert_eq!(database.owner.query_one(left, &[]).await.unwrap().get::<_, &str>(0), "undecided undecided");
    let letters = "select holdfast.dead_letters('unanswered_payment', null, null, null, null, null, 9)";
    let Json(letters): Json<Value> = database.owner.query_one(letters, &[]).await.unwrap().get(0);
    assert_eq!(letters["dead_letters"][0]["payment_id"], "undecided");
    // Nor does it lose its buyer: a payment that is looked up again is still theirs.
    let by = r#"{"actor": "minji", "reason": "asked", "request_id": "r"}"#;
    let forgotten = format!("select holdfast.forget_user('{by}', 'undecided', 100, 0, 0)");
    let Json(forgotten): Json<Value> = database.owner.query_one(&forgotten, &[]).await.unwrap().get(0);
    assert_eq!(forgotten["forgotten"]["status"], "waiting", "{forgotten}");
    assert_eq!(database.owner.query_one(left, &[]).await.unwrap().get::<_, &str>(0), "undecided undecided");
}

/// Every hold began two days ago, and what ended ended then.
async fn age_holds(database: &Database) {
    let mut aging = "create temporary table aged as
            select hold_id, uuidv7(interval '-48 hours' + row_number() over (order by hold_id) * interval '1 ms') as older
            from holdfast.reservation_hold;
        alter table holdfast.orders drop constraint orders_of_a_hold;
        update holdfast.reservation_hold set created_at = created_at - interval '48 hours',
            expire_at = case status when 'HOLD' then expire_at else expire_at - interval '48 hours' end,
            finalized_at = finalized_at - interval '48 hours';"
        .to_owned();
    for table in [
        "reservation_hold",
        "reservation_hold_item",
        "user_active_hold",
        "idempotency",
        "inventory_ledger",
        "event_outbox",
        "orders",
        "payment",
        "payment_attempt",
    ] {
        aging +=
            &format!("update holdfast.{table} t set hold_id = aged.older from aged where aged.hold_id = t.hold_id;");
    }
    database.owner.batch_execute(&(aging + "delete from holdfast.event_outbox; drop table aged;")).await.unwrap();
}

#[tokio::test]
async fn resolved_findings_and_decided_parked_payments_are_removed_and_open_ones_stay() {
    let database = shop().await;
    let rows = "insert into holdfast.audit_finding (part, check_name, subject, expected, found, saw, gone_at)
            select 'sales', 'counter_sum', n::text, 1, 0, '{}', case when n < 25 then clock_timestamp() - n * interval '1 hour' end
            from generate_series(0, 29) n;
        insert into holdfast.parked_payment (gateway, payment_id, hold_ref, amount, currency, captured, state, created_at, ended_at)
            select 'toss', n::text, 'x', 1, 'KRW', true, case when n < 25 then 'DISMISSED' else 'PARKED' end,
                clock_timestamp() - interval '900 hours', case when n < 25 then clock_timestamp() - n * interval '1 hour' end
            from generate_series(0, 29) n";
    database.owner.batch_execute(rows).await.unwrap();
    // Ten hours, four rows a call.
    for left in [26, 22, 18, 16, 16] {
        removed(&database, "remove_sent(4, 3600, 37800)").await;
        assert_eq!((count(&database, "audit_finding").await, count(&database, "parked_payment").await), (left, left));
    }
    assert_eq!(count(&database, "audit_finding where gone_at is null").await, 5, "what stands");
    assert_eq!(count(&database, "parked_payment where state = 'PARKED'").await, 5, "what is to be decided");
}

#[tokio::test]
async fn a_buyers_history_is_removed_once_no_rule_needs_it() {
    let database = shop().await;
    database.owner.batch_execute("update holdfast.sale set lapse_cooldown_s = 86400").await.unwrap();
    let buyer = database.as_role("reserve").await;
    let mut holds = vec![];
    for user in ["lapses", "cancels", "again", "buys"] {
        let answers = reserve(&buyer, true, &[ask(user, "k")]).await.unwrap();
        holds.push(answers[0]["hold"]["hold_id"].as_str().unwrap().to_owned());
    }
    let confirmer = database.as_role("confirm").await;
    let mut orders = vec![];
    for (n, user) in [(1, "cancels"), (3, "buys")] {
        let (payment, hold) = (user.to_owned(), holds[n].clone());
        let paid = Paid { payment, hold, user: user.into(), amount: 100, currency: "KRW".into() };
        orders.push(confirm(&confirmer, &paid).await.unwrap()["order_id"].as_str().unwrap().to_owned());
    }
    let past = "update holdfast.reservation_hold set created_at = created_at - interval '3 days',
                expire_at = expire_at - interval '3 days' where status = 'HOLD'";
    database.owner.batch_execute(past).await.unwrap();
    sweep(&database.as_role("expire").await).await.unwrap();
    let known = async || {
        let sql = "select string_agg(user_id || ' ' || bought, ', ' order by user_id) from holdfast.buyer_history";
        database.owner.query_one(sql, &[]).await.unwrap().get::<_, Option<String>>(0).unwrap_or_default()
    };
    assert_eq!(known().await, "again 0, buys 1, cancels 1, lapses 0");
    let by = Json(json!({"actor": "minji", "reason": "a reason", "request_id": "r"}));
    let order: uuid::Uuid = orders[0].parse().unwrap();
    let cancel = "select holdfast.cancel_order($1, 'k', sha256(''), $2)";
    let admin = database.as_role("admin").await;
    admin.query_typed(cancel, &[(&by, Type::JSON), (&order, Type::UUID)]).await.unwrap();
    assert_eq!(known().await, "again 0, buys 1, lapses 0", "nothing is left of what was bought");

    // One let another hold lapse within the day that a cool-down may last.
    let again =
        "update holdfast.buyer_history set lapsed_at = clock_timestamp() - interval '20 hours' where user_id = 'again'";
    database.owner.batch_execute(again).await.unwrap();
    age_holds(&database).await;
    in_pieces(&database, "remove_holds(2, 3600)").await;
    assert_eq!(known().await, "again 0, buys 1");
}
