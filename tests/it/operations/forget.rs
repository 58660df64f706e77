//! A person is forgotten: a pseudonym in every table past its time, and what is still needed waits.

use serde_json::{Value, json};
use tokio_postgres::types::{Json, Type};

use support::database::{Ask, Database, Paid, confirm, release, reserve};

const DAY_S: f64 = 86_400.0;
/// A name that stands in nothing else.
const ANN: &str = "ann-3f9c";

async fn shop() -> Database {
    let database = Database::new().await;
    database.sale(86_400, &[("a", 100, 10), ("b", 100, 10)]).await;
    database
}

async fn hold(database: &Database, user: &str, sku: &str, key: &str) -> String {
    let client = database.as_role("reserve").await;
    let ask = Ask { user: user.into(), key: key.into(), lines: vec![(sku.into(), 1)] };
    let answers = reserve(&client, true, &[ask]).await.unwrap();
    answers[0]["hold"]["hold_id"].as_str().expect("granted").to_owned()
}

async fn pay(database: &Database, payment: &str, hold: &str, user: &str, amount: i64) {
    let paid = Paid { payment: payment.into(), hold: hold.into(), user: user.into(), amount, currency: "KRW".into() };
    confirm(&database.as_role("confirm").await, &paid).await.unwrap();
}

/// With events kept for a day and the law content with `legal_days`.
async fn forget(database: &Database, user: &str, legal_days: f64) -> Value {
    let admin = database.as_role("admin").await;
    let by = Json(json!({"actor": "minji", "reason": "she asked", "request_id": "r"}));
    let sql = "select holdfast.forget_user($1, $2, 1000, 86400, $3)";
    let legal = legal_days * DAY_S;
    let rows = admin.query_typed(sql, &[(&by, Type::JSON), (&user, Type::TEXT), (&legal, Type::FLOAT8)]).await.unwrap();
    rows[0].get::<_, Json<Value>>(0).0["forgotten"].clone()
}

/// The tables in which the user still stands, in whichever column, with how often.
async fn stands_in(database: &Database, user: &str) -> Vec<String> {
    let tables =
        "select relname from pg_class where relnamespace = 'holdfast'::regnamespace and relkind = 'r' order by 1";
    let mut found = vec![];
    for row in database.owner.query(tables, &[]).await.unwrap() {
        let table: String = row.get(0);
        let sql = format!("select count(*) from holdfast.{table} t where strpos(to_jsonb(t)::text, $1) > 0");
        let count: i64 = database.owner.query_one(&sql, &[&user]).await.unwrap().get(0);
        if count > 0 {
            found.push(format!("{table} {count}"));
        }
    }
    found
}

/// What a pass of the audit finds is written down.
async fn audited(database: &Database) {
    let audit = database.as_role("audit").await;
    for part in ["sales", "holds", "payments"] {
        let write = format!("select holdfast.audit_write(holdfast.audit_look('{part}', 100, 0))");
        audit.query_typed(&write, &[]).await.unwrap();
    }
}

/// Everything so far happened ten days ago, and its keys and events are gone by retention.
async fn ten_days_pass(database: &Database) {
    let aging = "update holdfast.reservation_hold set created_at = created_at - interval '10 days',
            expire_at = expire_at - interval '10 days', finalized_at = finalized_at - interval '10 days' where status <> 'HOLD';
        update holdfast.payment set created_at = created_at - interval '10 days';
        update holdfast.orders set created_at = created_at - interval '10 days';
        update holdfast.payment_attempt set ended_at = ended_at - interval '10 days';
        delete from holdfast.idempotency; delete from holdfast.event_outbox; select holdfast.recount_sold()";
    database.owner.batch_execute(aging).await.unwrap();
}

#[tokio::test]
async fn a_user_past_every_retention_time_is_gone_from_every_table_and_the_ledger_names_the_operator() {
    let database = shop().await;
    let bought = hold(&database, ANN, "a", "1").await;
    pay(&database, "p1", &bought, ANN, 100).await;
    let given_back = hold(&database, ANN, "b", "2").await;
    release(&database.as_role("release").await, ANN, &given_back).await.unwrap();
    let other = hold(&database, "bob", "a", "1").await;
    pay(&database, "p2", &other, "bob", 100).await;
    let attempt = "insert into holdfast.payment_attempt (gateway, payment_id, hold_ref, user_id, amount, currency, attempt, state,
                   outcome, ask_at, ended_at) values ('toss', 'x', 'x', 'ann-3f9c', 1, 'KRW', 1, 'ENDED', 'over', now(), now())";
    database.owner.batch_execute(attempt).await.unwrap();
    // What the audit finds has the rows with the name, and one rule has the name itself.
    let wrong = "update holdfast.buyer_history set bought = bought + 1; update holdfast.orders set total_amount = 101";
    database.owner.batch_execute(wrong).await.unwrap();
    audited(&database).await;
    let right = "update holdfast.buyer_history set bought = bought - 1; update holdfast.orders set total_amount = 100";
    database.owner.batch_execute(right).await.unwrap();
    assert!(
        stands_in(&database, ANN).await.iter().any(|one| one == "audit_finding 3"),
        "{:?}",
        stands_in(&database, ANN).await
    );
    ten_days_pass(&database).await;

    let forgotten = forget(&database, ANN, 5.0).await;
    assert_eq!((&forgotten["status"], &forgotten["waits_for"]), (&json!("done"), &json!([])), "{forgotten}");
    assert_eq!(stands_in(&database, ANN).await, [""; 0]);
    let pseudonym = forgotten["pseudonym"].as_str().unwrap();
    assert!(pseudonym.starts_with("forgotten-"));
    assert_eq!(
        stands_in(&database, pseudonym).await.iter().map(|one| one.split(' ').next().unwrap()).collect::<Vec<_>>(),
        [
            "audit_finding",
            "buyer_history",
            "operator_ledger",
            "order_items",
            "orders",
            "payment",
            "payment_attempt",
            "reservation_hold"
        ]
    );
    let subjects = "select count(*) from holdfast.audit_finding where check_name = 'buyer_bought' and subject = 'drop/a/' || $1::text";
    assert_eq!(database.owner.query_one(subjects, &[&pseudonym]).await.unwrap().get::<_, i64>(0), 1);
    assert!(!stands_in(&database, "bob").await.is_empty(), "no other user is changed");
    let ledger = "select json_agg(json_build_array(action, subject, actor, reason)) from holdfast.operator_ledger where action = 'user_forgotten'";
    let ledger: Json<Value> = database.owner.query_one(ledger, &[]).await.unwrap().get(0);
    assert_eq!(ledger.0, json!([["user_forgotten", pseudonym, "minji", "she asked"]]));
    for part in ["sales", "holds", "payments"] {
        let look = format!("select holdfast.audit_look('{part}', 100, 0) -> 'found'");
        let found: Json<Value> = database.owner.query_one(&look, &[]).await.unwrap().get(0);
        assert_eq!(found.0, json!([]), "{part}");
    }
}

#[tokio::test]
async fn data_that_is_still_needed_is_deleted_by_itself_later() {
    let database = shop().await;
    let bought = hold(&database, ANN, "a", "1").await;
    pay(&database, "p1", &bought, ANN, 100).await;
    pay(&database, "p2", &bought, ANN, 100).await;
    let live = hold(&database, ANN, "b", "2").await;
    ten_days_pass(&database).await;
    let first = forget(&database, ANN, 365.0).await;
    assert_eq!(
        (&first["status"], &first["waits_for"]),
        (&json!("waiting"), &json!(["live_hold", "refund", "legal_time"]))
    );
    let before = stands_in(&database, ANN).await;

    // The law is content, but the money is not back, and she still holds something.
    let second = forget(&database, ANN, 5.0).await;
    assert_eq!(second["pseudonym"], first["pseudonym"]);
    assert_eq!(second["waits_for"], json!(["live_hold", "refund", "legal_time"]));
    assert_eq!(stands_in(&database, ANN).await, before);

    release(&database.as_role("release").await, ANN, &live).await.unwrap();
    let refund = database.as_role("refund").await;
    refund.query_typed("select holdfast.settle_refund('standard', 'p2', 'done', null, null)", &[]).await.unwrap();
    ten_days_pass(&database).await;
    let relay = database.as_role("relay").await;
    let due = "select holdfast.forget_due(1000, 86400, 432000)";
    while relay.query_typed(due, &[]).await.unwrap()[0].get::<_, i32>(0) > 0 {}
    assert_eq!(stands_in(&database, ANN).await, [""; 0], "nor in the list of who is to be forgotten");
    // Requested once more: there is nothing to do.
    assert_eq!(forget(&database, ANN, 5.0).await["status"], "done");
    assert_eq!(stands_in(&database, ANN).await, [""; 0]);
}

/// Nothing else is in the way.
#[tokio::test]
async fn legally_required_data_stays_in_clear_until_its_retention_ends() {
    let database = shop().await;
    let bought = hold(&database, ANN, "a", "1").await;
    pay(&database, "p1", &bought, ANN, 100).await;
    ten_days_pass(&database).await;
    let before = stands_in(&database, ANN).await;
    for legal_days in [365.0, 11.0] {
        let forgotten = forget(&database, ANN, legal_days).await;
        assert_eq!((&forgotten["status"], &forgotten["waits_for"]), (&json!("waiting"), &json!(["legal_time"])));
        let now: Vec<_> = stands_in(&database, ANN).await.into_iter().filter(|one| one != "forget_request 1").collect();
        assert_eq!(now, before);
    }
    assert_eq!(forget(&database, ANN, 9.0).await["status"], "done");
    assert_eq!(stands_in(&database, ANN).await, [""; 0]);
}

/// The rows have the pseudonym by then, so the audit finds them by it.
#[tokio::test]
async fn what_the_audit_has_found_by_name_and_by_pseudonym_stands_once() {
    let database = shop().await;
    let bought = hold(&database, ANN, "a", "1").await;
    pay(&database, "p1", &bought, ANN, 100).await;
    let live = hold(&database, ANN, "b", "2").await;
    database.owner.batch_execute("update holdfast.buyer_history set bought = bought + 1").await.unwrap();
    audited(&database).await;
    ten_days_pass(&database).await;
    let first = forget(&database, ANN, 5.0).await;
    assert_eq!(first["waits_for"], json!(["live_hold"]), "{first}");
    assert!(stands_in(&database, ANN).await.contains(&"audit_finding 1".to_owned()), "not before the rest");
    // Her order has the pseudonym, her history not yet.
    audited(&database).await;
    release(&database.as_role("release").await, ANN, &live).await.unwrap();
    ten_days_pass(&database).await;
    assert_eq!(forget(&database, ANN, 5.0).await["status"], "done");
    assert_eq!(stands_in(&database, ANN).await, [""; 0]);
    let standing = "select count(*) from holdfast.audit_finding where gone_at is null and check_name = 'buyer_bought'";
    assert_eq!(database.owner.query_one(standing, &[]).await.unwrap().get::<_, i64>(0), 1);
}

/// Neither is the user's own payment, and both have the name.
#[tokio::test]
async fn a_hold_that_another_paid_for_and_a_payment_for_anothers_hold_are_waited_for() {
    let database = shop().await;
    let anns = hold(&database, ANN, "a", "1").await;
    pay(&database, "p1", &anns, "bob", 100).await;
    release(&database.as_role("release").await, ANN, &anns).await.unwrap();
    let bobs = hold(&database, "bob", "b", "2").await;
    let confirm = database.as_role("confirm").await;
    let secure = format!("select holdfast.secure('toss', 'p2', '{bobs}', '{bobs}', '{ANN}', 100, 'KRW', null)");
    confirm.query_typed(&secure, &[]).await.unwrap();
    let refunded = "select holdfast.settle_refund('standard', 'p1', 'done', null, null)";
    database.as_role("refund").await.query_typed(refunded, &[]).await.unwrap();
    ten_days_pass(&database).await;

    let first = forget(&database, ANN, 30.0).await;
    let waits = (&first["status"], &first["waits_for"], first["until"].is_string());
    assert_eq!(waits, (&json!("waiting"), &json!(["legal_time", "retention"]), true), "{first}");
    let second = forget(&database, ANN, 5.0).await;
    assert_eq!((&second["status"], &second["waits_for"]), (&json!("waiting"), &json!(["retention"])), "{second}");
    confirm.query_typed("select holdfast.end_payment('toss', 'p2', 'over')", &[]).await.unwrap();
    ten_days_pass(&database).await;
    assert_eq!(forget(&database, ANN, 5.0).await["status"], "done");
    assert_eq!(stands_in(&database, ANN).await, [""; 0]);
}

/// Of two orders in a sale one has to wait: what counts as bought is what the orders say, under either name.
#[tokio::test]
async fn what_counts_as_bought_goes_with_each_order() {
    let database = shop().await;
    for (key, payment) in [("1", "p1"), ("2", "p2")] {
        let bought = hold(&database, ANN, "a", key).await;
        pay(&database, payment, &bought, ANN, 100).await;
        if key == "1" {
            // Paid twice: her money is on its way back.
            pay(&database, "again", &bought, ANN, 100).await;
        }
    }
    ten_days_pass(&database).await;
    let counted = async || {
        let sql = "select array_agg(user_id = $1 order by user_id = $1), array_agg(bought order by user_id = $1)
                   from holdfast.buyer_history";
        let row = database.owner.query_one(sql, &[&ANN]).await.unwrap();
        let broken = "select count(*) from holdfast.invariant_violation where needs_event_of is null";
        let broken: i64 = database.owner.query_one(broken, &[]).await.unwrap().get(0);
        (row.get::<_, Vec<bool>>(0), row.get::<_, Vec<i64>>(1), broken)
    };
    assert_eq!(forget(&database, ANN, 5.0).await["status"], "waiting");
    assert_eq!(counted().await, (vec![false, true], vec![1, 1], 0));
    let refunded = "select holdfast.settle_refund('standard', 'again', 'done', null, null)";
    database.as_role("refund").await.query_typed(refunded, &[]).await.unwrap();
    database.owner.batch_execute("delete from holdfast.event_outbox").await.unwrap();
    assert_eq!(forget(&database, ANN, 5.0).await["status"], "done");
    assert_eq!(counted().await, (vec![false], vec![2], 0));
    assert_eq!(stands_in(&database, ANN).await, [""; 0]);
}
