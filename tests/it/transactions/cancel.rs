//! An operator cancels an order: its stock comes back by its own ledger entry, once, and its money is due.

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use support::client::until;
use support::database::{Ask, Database, Paid, confirm, reserve};

async fn order(database: &Database, user: &str, payment: &str) -> Uuid {
    order_of(database, user, payment, &[("a", 2), ("b", 1)]).await
}

fn ask(user: &str, key: &str, lines: &[(&str, i32)]) -> Ask {
    Ask { user: user.into(), key: key.into(), lines: lines.iter().map(|(sku, qty)| ((*sku).into(), *qty)).collect() }
}

async fn order_of(database: &Database, user: &str, payment: &str, lines: &[(&str, i32)]) -> Uuid {
    let client = database.as_role("reserve").await;
    let answers = reserve(&client, true, &[ask(user, payment, lines)]).await.unwrap();
    let hold = answers[0]["hold"]["hold_id"].as_str().expect("granted").to_owned();
    let amount = answers[0]["hold"]["total_amount"].as_i64().unwrap();
    let paid = Paid { payment: payment.into(), hold, user: user.into(), amount, currency: "KRW".into() };
    let answer = confirm(&database.as_role("confirm").await, &paid).await.unwrap();
    Uuid::parse_str(answer["order_id"].as_str().expect("confirmed")).unwrap()
}

async fn cancel(database: &Database, order: Uuid, key: &str, asked: &str) -> Value {
    let admin = database.as_role("admin").await;
    let asked = asked.as_bytes().to_vec();
    let by = Json(json!({"actor": "minji", "reason": "broken in transit", "request_id": key}));
    let params: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&by, Type::JSON), (&key, Type::TEXT), (&asked, Type::BYTEA), (&order, Type::UUID)];
    let sql = "select holdfast.cancel_order($1, $2, sha256($3), $4)";
    let rows = admin.query_typed(sql, params).await.unwrap();
    rows[0].get::<_, Option<Json<Value>>>(0).map_or(Value::Null, |json| json.0)
}

async fn payments(database: &Database, state: Option<&str>, after: i64, limit: i32) -> Value {
    let admin = database.as_role("admin").await;
    let params: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&state, Type::TEXT), (&after, Type::INT8), (&limit, Type::INT4), (&4, Type::INT4)];
    let rows = admin.query_typed("select holdfast.payment_page($1, $2, $3, $4)", params).await.unwrap();
    rows[0].get::<_, Json<Value>>(0).0
}

#[tokio::test]
async fn an_order_is_cancelled_once_and_its_stock_comes_back_once() {
    let database = Database::new().await;
    database.sale(300, &[("a", 2, 2), ("b", 1, 1)]).await;
    let id = order(&database, "ann", "p1").await;
    let first = cancel(&database, id, "k1", "x").await;
    assert_eq!((&first["order"]["status"], &first["replayed"]), (&json!("CANCELLED"), &Value::Null));
    assert_eq!(first["order"]["items"].as_array().unwrap().len(), 2, "it still says what it was for");
    let again = cancel(&database, id, "k1", "x").await;
    assert_eq!((&again["order"], &again["replayed"]), (&first["order"], &json!(true)));
    assert_eq!(cancel(&database, id, "k1", "y").await["outcome"], "idempotency_key_reused");
    assert_eq!(cancel(&database, id, "k2", "x").await["order"]["status"], "CANCELLED");
    assert_eq!(cancel(&database, Uuid::now_v7(), "k3", "x").await, Value::Null);

    let report = database.checked_report().await;
    assert_eq!(report["skus"][0], json!({"sku_id": "a", "total": 2, "available": 2, "held": 0, "sold": 0}));
    assert_eq!(
        (&report["orders"], &report["refunds"]["REQUIRED"]),
        (
            &json!({"CONFIRMED": 0, "PREPARING": 0, "SHIPPED": 0, "DELIVERED": 0, "CANCELLED": 1, "RETURNED": 0}),
            &json!(1)
        )
    );
    let ledger = "select json_agg(json_build_array(action, subject, actor, reason)) from holdfast.operator_ledger where action = 'order_cancelled'";
    let ledger: Json<Value> = database.owner.query_one(ledger, &[]).await.unwrap().get(0);
    assert_eq!(
        ledger.0,
        json!([["order_cancelled", id.to_string(), "minji", "broken in transit"]]),
        "who, what and why"
    );
    // The same buyer, who had reached the limit, may buy it again.
    order(&database, "ann", "p2").await;
    database.checked_report().await;
}

#[tokio::test]
async fn a_buyer_sees_the_newest_refund_and_no_other_buyers() {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 9), ("b", 9, 9)]).await;
    let id = order(&database, "ann", "p1").await;
    let hold: Uuid = database.owner.query_one("select hold_id from holdfast.orders", &[]).await.unwrap().get(0);
    let (confirming, reading) = (database.as_role("confirm").await, database.as_role("lookup").await);
    let pay = async |payment: &str, user: &str, amount: i64| {
        let (payment, user, hold) = (payment.into(), user.into(), hold.to_string());
        let paid = Paid { payment, hold, user, amount, currency: "KRW".into() };
        assert_eq!(confirm(&confirming, &paid).await.unwrap()["reason"], "already_paid");
    };
    let read = async || {
        let params: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[(&hold, Type::UUID)];
        let rows = reading.query_typed("select holdfast.read_hold('ann', $1) -> 'refund'", params).await.unwrap();
        rows[0].get::<_, Option<Json<Value>>>(0).map_or(Value::Null, |json| json.0)
    };
    let pending = |amount: i64, reason| json!({"status": "pending", "reason": reason, "amount": amount, "currency": "KRW", "currency_decimals": 0});
    assert_eq!(read().await, Value::Null);
    pay("p2", "ann", 8).await;
    pay("p3", "ann", 7).await;
    pay("p4", "bob", 6).await;
    assert_eq!(read().await, pending(7, "already_paid"));
    cancel(&database, id, "k1", "x").await;
    assert_eq!(read().await, pending(300, "order_cancelled"));
}

#[tokio::test]
async fn ten_cancellations_at_once_are_one() {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 9), ("b", 9, 9)]).await;
    let id = order(&database, "ann", "p1").await;
    let keys: Vec<String> = (0..10).map(|n| format!("k{}", n % 5)).collect();
    let answers = futures_util::future::join_all(keys.iter().map(|key| cancel(&database, id, key, "x"))).await;
    assert!(answers.iter().all(|answer| answer["order"]["status"] == "CANCELLED"), "{answers:?}");
    assert_eq!(database.checked_report().await["skus"][0]["available"], 9);
}

/// A reservation that has read, and waits for a transaction that has inserted the same key and not committed.
async fn looked(database: &Database, ask: Ask) -> (Client, JoinHandle<Vec<Value>>) {
    let holder = stack::database::connect(&database.url()).await.unwrap();
    let planted = format!(
        "begin; insert into holdfast.idempotency (user_id, idem_key, fingerprint, hold_id)
         values ('{}', '{}', sha256(''), uuidv7())",
        ask.user, ask.key
    );
    holder.batch_execute(&planted).await.unwrap();
    let client = database.as_role("reserve").await;
    let asking = tokio::spawn(async move { reserve(&client, true, &[ask]).await.unwrap() });
    support::waiting::until_waiting(database, 1).await;
    (holder, asking)
}

#[tokio::test]
async fn an_order_and_a_cancellation_while_a_reservation_waited_do_not_hide_each_other() {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 1), ("b", 9, 2)]).await;
    let first = order_of(&database, "ann", "p1", &[("b", 1)]).await;
    let (holder, asking) = looked(&database, ask("ann", "k", &[("a", 1), ("b", 1)])).await;
    // She has bought as many of the SKUs that she asks for as before, and another one.
    order_of(&database, "ann", "p2", &[("a", 1)]).await;
    cancel(&database, first, "c", "x").await;
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(asking.await.unwrap()[0]["outcome"], "limit_reached");
    database.checked_report().await;
}

/// Whether T1 looks again (`o_lapsed`) in place of refusing two of `a` to ann, asked as `reserve` asks it.
async fn looks_again(client: &Client, takes_back: bool) -> bool {
    let sql = "select o_lapsed from holdfast.reserve_batch(
                   'drop', '{ann}', '{k}', array[sha256('')], '{1}', '{a}', '{2}', $1)";
    client.query_typed(sql, &[(&takes_back, Type::BOOL)]).await.unwrap()[0].get(0)
}

#[tokio::test]
async fn stock_that_returns_while_a_reservation_looks_again_is_not_sold_out() {
    // `reserve` looks without taking back once others have taken ten times what came back.
    let stopped =
        "select exists (select from pg_locks where not granted and relation = 'holdfast.idempotency'::regclass)";
    for takes_back in [true, false] {
        let database = Database::new().await;
        database.sale(300, &[("a", 3, 3)]).await;
        let bought = order_of(&database, "ann", "p1", &[("a", 2)]).await;
        let client = database.as_role("reserve").await;
        assert!(!looks_again(&client, takes_back).await, "she is over her limit, and nothing comes back");
        // It has looked at the stock, and is stopped before it looks at what she has bought.
        let has_the_keys = stack::database::connect(&database.url()).await.unwrap();
        has_the_keys.batch_execute("begin; lock table holdfast.idempotency in access exclusive mode").await.unwrap();
        let asking = tokio::spawn(async move { looks_again(&client, takes_back).await });
        until("it is stopped", 20, || async {
            database.owner.query_one(stopped, &[]).await.unwrap().get::<_, bool>(0).then_some(())
        })
        .await;
        cancel(&database, bought, "c", "x").await;
        has_the_keys.batch_execute("commit").await.unwrap();
        assert!(asking.await.unwrap(), "before it was too many for her, after it there are three");
        database.checked_report().await;
    }

    // And the reservation itself, which does both.
    let database = Database::new().await;
    database.sale(300, &[("a", 3, 3)]).await;
    let bought = order_of(&database, "ann", "p1", &[("a", 2)]).await;
    let client = database.as_role("reserve").await;
    let has_the_keys = stack::database::connect(&database.url()).await.unwrap();
    has_the_keys.batch_execute("begin; lock table holdfast.idempotency in access exclusive mode").await.unwrap();
    let asking =
        tokio::spawn(async move { reserve(&client, true, &[ask("ann", "again", &[("a", 2)])]).await.unwrap() });
    until("it is stopped", 20, || async {
        database.owner.query_one(stopped, &[]).await.unwrap().get::<_, bool>(0).then_some(())
    })
    .await;
    cancel(&database, bought, "c", "x").await;
    has_the_keys.batch_execute("commit").await.unwrap();
    assert_eq!(asking.await.unwrap()[0]["outcome"], "granted");
    database.checked_report().await;
}

#[tokio::test]
async fn payments_are_listed_by_what_they_are_now_a_page_at_a_time() {
    let database = Database::new().await;
    database.sale(300, &[("a", 99, 9), ("b", 99, 9)]).await;
    let mut orders = Vec::new();
    for n in 0..5 {
        orders.push(order(&database, &format!("u{n}"), &format!("p{n}")).await);
    }
    cancel(&database, orders[2], "k", "x").await;
    let page = payments(&database, Some("ordered"), 0, 3).await;
    let ids = |page: &Value| -> Vec<String> {
        page["payments"].as_array().unwrap().iter().map(|row| row["payment_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&page), ["p0", "p1", "p3"]);
    let next = page["next"].as_str().unwrap().parse().unwrap();
    let rest = payments(&database, Some("ordered"), next, 3).await;
    assert_eq!((ids(&rest), &rest["next"]), (vec!["p4".to_owned()], &Value::Null));
    let due = payments(&database, Some("refund_pending"), 0, 3).await;
    assert_eq!(ids(&due), ["p2"]);
    assert_eq!(due["payments"][0]["refund_reason"], "order_cancelled");
    let next = |page: &Value| page["next"].as_str().map(|next| next.parse::<i64>().unwrap());
    // A page looks at four: there may be more where there was nothing.
    let nothing = payments(&database, Some("unsettled"), 0, 3).await;
    assert_eq!((ids(&nothing), next(&nothing).is_some()), (vec![], true));
    let nothing = payments(&database, Some("unsettled"), next(&nothing).unwrap(), 3).await;
    assert_eq!((ids(&nothing), next(&nothing)), (vec![], None));
    let all = payments(&database, None, 0, 100).await;
    assert_eq!(ids(&all).len() + ids(&payments(&database, None, next(&all).unwrap(), 100).await).len(), 5);
}

/// An order that is cancelled once it is paid for.
async fn cancelled(database: &Database, user: &str, payment: &str) {
    let id = order(database, user, payment).await;
    cancel(database, id, payment, "x").await;
}

#[tokio::test]
async fn a_payment_is_in_one_state_and_money_that_is_neither_is_seen() {
    let database = Database::new().await;
    database.sale(300, &[("a", 99, 9), ("b", 99, 9)]).await;
    order(&database, "u0", "p0").await;
    for (user, payment) in [("u1", "p1"), ("u2", "p2"), ("u3", "p3")] {
        cancelled(&database, user, payment).await;
    }
    order(&database, "u4", "p4").await;
    let later = "select holdfast.settle_refund('standard', 'p2', 'done', null, null);
                 select holdfast.settle_refund('standard', 'p3', 'refused', 'account closed', null)";
    database.owner.batch_execute(later).await.unwrap();
    assert_eq!(payments(&database, Some("unsettled"), 0, 9).await["payments"], json!([]));
    // Nothing but a hand in the tables can do this.
    let lost = "set session_replication_role = replica; delete from holdfast.orders where payment_id = 'p4'; reset all";
    database.owner.batch_execute(lost).await.unwrap();
    for (state, payment) in
        [("ordered", "p0"), ("refund_pending", "p1"), ("refunded", "p2"), ("refund_failed", "p3"), ("unsettled", "p4")]
    {
        let mut found = Vec::new();
        let mut after = 0;
        loop {
            let page = payments(&database, Some(state), after, 9).await;
            let rows = page["payments"].as_array().unwrap();
            assert!(rows.iter().all(|row| row["state"] == state), "{page}");
            found.extend(rows.iter().map(|row| row["payment_id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            after = next.parse().unwrap();
        }
        assert_eq!(found, [payment], "{state}");
    }
    let failed = payments(&database, Some("refund_failed"), 0, 9).await["payments"][0].clone();
    assert_eq!(
        (&failed["refund_failure"], &failed["refund_reason"]),
        (&json!("account closed"), &json!("order_cancelled"))
    );
}
