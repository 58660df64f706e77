//! An order goes on after it was made: along its table of transitions, one version a step, whoever wants to move it at the
//! same moment; and what it had goes back once.

use serde_json::{Value, json};
use tokio_postgres::types::{Json, ToSql, Type};
use uuid::Uuid;

use support::database::{Ask, Database, Paid, confirm, reserve};
use support::waiting::until_waiting;

const STATUSES: [&str; 6] = ["CONFIRMED", "PREPARING", "SHIPPED", "DELIVERED", "CANCELLED", "RETURNED"];

/// How an order comes to each status, and what it may become there.
const WAYS: [(&[&str], &[&str]); 6] = [
    (&[], &["PREPARING", "CANCELLED"]),
    (&["PREPARING"], &["SHIPPED", "CANCELLED"]),
    (&["PREPARING", "SHIPPED"], &["DELIVERED"]),
    (&["PREPARING", "SHIPPED", "DELIVERED"], &["RETURNED"]),
    (&["PREPARING", "CANCELLED"], &[]),
    (&["PREPARING", "SHIPPED", "DELIVERED", "RETURNED"], &[]),
];

async fn shop() -> Database {
    let database = Database::new().await;
    database.sale(300, &[("a", 20, 2), ("b", 20, 2)]).await;
    database.owner.batch_execute("update holdfast.sale set buyer_cancel = true").await.unwrap();
    database
}

async fn order_with(database: &Database, user: &str, payment: &str) -> (Uuid, Paid) {
    let lines = vec![("b".into(), 2), ("a".into(), 1)];
    let ask = Ask { user: user.into(), key: payment.into(), lines };
    let answers = reserve(&database.as_role("reserve").await, true, &[ask]).await.unwrap();
    let hold = answers[0]["hold"]["hold_id"].as_str().expect("granted").to_owned();
    let paid = Paid { payment: payment.into(), hold, user: user.into(), amount: 300, currency: "KRW".into() };
    let answer = confirm(&database.as_role("confirm").await, &paid).await.unwrap();
    (Uuid::parse_str(answer["order_id"].as_str().expect("confirmed")).unwrap(), paid)
}

async fn order(database: &Database, user: &str, payment: &str) -> Uuid {
    order_with(database, user, payment).await.0
}

async fn called(database: &Database, role: &str, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Value {
    let rows = database.as_role(role).await.query_typed(sql, params).await.unwrap();
    rows[0].get::<_, Option<Json<Value>>>(0).map_or(Value::Null, |json| json.0)
}

async fn change(database: &Database, order: Uuid, version: i64, status: &str, more: Value) -> Value {
    let by = Json(json!({"actor": "minji", "reason": "a reason", "request_id": "r"}));
    let (tracking, restock) = (more["tracking"].as_str(), more["restock"] != json!(false));
    let sql = "select holdfast.change_order($1, $2, $3, $4, $5, $6)";
    let params: &[(&(dyn ToSql + Sync), Type)] = &[
        (&by, Type::JSON),
        (&order, Type::UUID),
        (&version, Type::INT8),
        (&status, Type::TEXT),
        (&tracking, Type::TEXT),
        (&restock, Type::BOOL),
    ];
    called(database, "admin", sql, params).await
}

async fn cancel_own(database: &Database, user: &str, order: Uuid) -> Value {
    let sql = "select holdfast.cancel_own_order($1, $2, 'too small')";
    called(database, "release", sql, &[(&user, Type::TEXT), (&order, Type::UUID)]).await
}

/// The order after these steps, which is then of this version.
async fn come_to(database: &Database, user: &str, steps: &[&str]) -> (Uuid, i64) {
    let id = order(database, user, user).await;
    for (version, status) in (1..).zip(steps) {
        let moved = change(database, id, version, status, json!({})).await;
        assert_eq!((&moved["order"]["status"], &moved["order"]["version"]), (&json!(status), &json!(version + 1)));
    }
    (id, 1 + i64::try_from(steps.len()).unwrap())
}

async fn rows(database: &Database, sql: &str) -> Value {
    database
        .owner
        .query_one(&format!("select json_agg(r) from ({sql}) r"), &[])
        .await
        .unwrap()
        .get::<_, Json<Value>>(0)
        .0
}

#[tokio::test]
async fn an_order_goes_on_along_its_table_and_in_no_other_way() {
    let database = shop().await;
    for (n, (steps, allowed)) in WAYS.iter().enumerate() {
        let at = steps.last().copied().unwrap_or("CONFIRMED");
        assert_eq!(STATUSES.iter().filter(|status| **status == at).count(), 1);
        for next in STATUSES {
            let (id, version) = come_to(&database, &format!("u{n}{next}"), steps).await;
            assert_eq!(change(&database, Uuid::now_v7(), version, next, json!({})).await, Value::Null);
            for other in [version - 1, version + 1, 0] {
                let early = change(&database, id, other, next, json!({})).await;
                assert_eq!(early, json!({"outcome": "precondition_failed", "version": version}), "{at} {next}");
            }
            let moved = change(&database, id, version, next, json!({})).await;
            if allowed.contains(&next) {
                assert_eq!(
                    (&moved["order"]["status"], &moved["order"]["version"]),
                    (&json!(next), &json!(version + 1))
                );
            } else {
                assert_eq!(moved, json!({"outcome": "transition_not_allowed", "order_status": at}), "{next}");
            }
            // Whatever came of it, there is stock for the next one.
            database.owner.batch_execute("update holdfast.sku set max_per_user = 1000").await.unwrap();
            let add = "select holdfast.adjust_stock('{\"actor\": \"m\", \"reason\": \"more\"}', 'drop', s, 5, uuidv7()::text, sha256(s::bytea))
                       from unnest(array['a', 'b']) s";
            database.owner.execute(add, &[]).await.unwrap();
        }
    }
    database.checked_report().await;
}

#[tokio::test]
async fn each_step_is_in_the_ledgers_and_is_told_with_its_tracking_number() {
    let database = shop().await;
    let id = order(&database, "ann", "p1").await;
    change(&database, id, 1, "PREPARING", json!({})).await;
    change(&database, id, 2, "SHIPPED", json!({"tracking": "CJ 1"})).await;
    let seen = called(&database, "lookup", "select holdfast.look_up_order('ann', $1)", &[(&id, Type::UUID)]).await;
    assert_eq!((&seen["status"], &seen["tracking"], &seen["version"]), (&json!("SHIPPED"), &json!("CJ 1"), &json!(3)));
    let moved = change(&database, id, 3, "DELIVERED", json!({})).await;
    assert_eq!(moved["order"]["tracking"], "CJ 1", "it stays");
    let moved = change(&database, id, 4, "RETURNED", json!({"tracking": "CJ 2"})).await;
    assert_eq!(moved["order"]["tracking"], "CJ 2");

    let told = rows(
        &database,
        "select data ->> 'before' as was, data ->> 'status' as is, data ->> 'tracking' as tracking
         from holdfast.event_outbox where event_type = 'OrderStatusChanged' order by seq",
    )
    .await;
    let step = |was, is, tracking: Value| json!({"was": was, "is": is, "tracking": tracking});
    let steps = json!([
        step("CONFIRMED", "PREPARING", Value::Null),
        step("PREPARING", "SHIPPED", json!("CJ 1")),
        step("SHIPPED", "DELIVERED", json!("CJ 1")),
        step("DELIVERED", "RETURNED", json!("CJ 2")),
    ]);
    assert_eq!(told, steps);
    let ledger =
        "select event_type, moved_by, reason from holdfast.order_ledger where order_id is not null order by entry_id";
    let entry = |kind: &str| json!({"event_type": kind, "moved_by": "operator", "reason": "a reason"});
    let mut ledger = rows(&database, ledger).await;
    let confirmed = ledger.as_array_mut().unwrap().remove(0);
    assert_eq!(confirmed, json!({"event_type": "ORDER_CONFIRMED", "moved_by": null, "reason": null}));
    assert_eq!(ledger, json!(["ORDER_PREPARING", "ORDER_SHIPPED", "ORDER_DELIVERED", "ORDER_RETURNED"].map(entry)));
    let by = "select action, before ->> 'status' as was, after ->> 'status' as is from holdfast.operator_ledger
              where subject <> 'drop' order by entry_id";
    let by = rows(&database, by).await;
    assert_eq!(by[3], json!({"action": "order_status_set", "was": "DELIVERED", "is": "RETURNED"}), "{by}");
    database.checked_report().await;
}

#[tokio::test]
async fn a_return_pays_back_and_restocks_unless_it_is_not_to_be_sold_again() {
    for restock in [true, false] {
        let database = shop().await;
        let (id, version) = come_to(&database, "ann", &["PREPARING", "SHIPPED", "DELIVERED"]).await;
        let moved = change(&database, id, version, "RETURNED", json!({"restock": restock})).await;
        assert_eq!(moved["order"]["refund"]["amount"], 300, "{moved}");
        assert_eq!(moved["order"]["items"].as_array().unwrap().len(), 2, "it still says what it was for");
        let report = database.checked_report().await;
        let left = if restock { 20 } else { 18 };
        assert_eq!(report["skus"][1], json!({"sku_id": "b", "total": left, "available": left, "held": 0, "sold": 0}));
        assert_eq!((&report["orders"]["RETURNED"], &report["refunds"]["REQUIRED"]), (&json!(1), &json!(1)));
        let due = rows(&database, "select reason, amount, status from holdfast.refund").await;
        assert_eq!(due, json!([{"reason": "order_returned", "amount": 300, "status": "REQUIRED"}]));
        // She had reached the limit, and may buy again.
        order(&database, "ann", "again").await;
        database.checked_report().await;
    }
}

#[tokio::test]
async fn a_buyer_cancels_an_own_order_until_it_is_prepared_where_the_sale_lets_them() {
    let database = shop().await;
    let id = order(&database, "ann", "p1").await;
    assert_eq!(cancel_own(&database, "bob", id).await, json!({"outcome": "not_found"}));
    assert_eq!(cancel_own(&database, "ann", Uuid::now_v7()).await, json!({"outcome": "not_found"}));
    database.owner.batch_execute("update holdfast.sale set buyer_cancel = false").await.unwrap();
    assert_eq!(cancel_own(&database, "ann", id).await, json!({"outcome": "not_for_buyers"}));
    database.owner.batch_execute("update holdfast.sale set buyer_cancel = true").await.unwrap();
    let first = cancel_own(&database, "ann", id).await;
    assert_eq!((&first["outcome"], &first["moved"]), (&json!("cancelled"), &json!(true)));
    assert_eq!((&first["order"]["status"], &first["order"]["user_id"]), (&json!("CANCELLED"), &Value::Null));
    let again = cancel_own(&database, "ann", id).await;
    assert_eq!((&again["order"], &again["moved"]), (&first["order"], &json!(false)));
    let told = "select data ->> 'by' as by, data ->> 'reason' as reason from holdfast.event_outbox where event_type = 'OrderCancelled'";
    assert_eq!(rows(&database, told).await, json!([{"by": "buyer", "reason": "too small"}]));
    let operators = "select count(*) as n from holdfast.operator_ledger where action <> 'sale_created'";
    assert_eq!(rows(&database, operators).await, json!([{"n": 0}]), "no operator did it");

    for steps in [&["PREPARING"][..], &["PREPARING", "SHIPPED"]] {
        let (id, _) = come_to(&database, &format!("cho{}", steps.len()), steps).await;
        let refused = cancel_own(&database, &format!("cho{}", steps.len()), id).await;
        assert_eq!(refused, json!({"outcome": "transition_not_allowed", "order_status": steps.last()}));
    }
    database.checked_report().await;
}

#[tokio::test]
async fn an_operators_cancellation_stops_at_what_was_shipped_and_leaves_its_key_unused() {
    let database = shop().await;
    let (id, _) = come_to(&database, "ann", &["PREPARING", "SHIPPED"]).await;
    let by = Json(json!({"actor": "minji", "request_id": "r"}));
    let cancel = async |order: Uuid| {
        let sql = "select holdfast.cancel_order($1, 'k', sha256('x'), $2)";
        called(&database, "admin", sql, &[(&by, Type::JSON), (&order, Type::UUID)]).await
    };
    assert_eq!(cancel(id).await, json!({"outcome": "transition_not_allowed", "order_status": "SHIPPED"}));
    let (prepared, _) = come_to(&database, "bob", &["PREPARING"]).await;
    assert_eq!(cancel(prepared).await["order"]["status"], "CANCELLED");
    database.checked_report().await;
}

/// All of them wait for the order's hold, and go on when it is free: one moves the order, the others hear why not.
#[tokio::test]
async fn two_operators_and_a_buyer_move_one_order_at_once_and_one_of_them_does() {
    for round in 0..6 {
        let database = shop().await;
        let id = order(&database, "ann", "p1").await;
        let holder = stack::database::connect(&database.url()).await.unwrap();
        holder.batch_execute("begin; select from holdfast.reservation_hold for update").await.unwrap();
        let second = if round % 2 == 0 { "PREPARING" } else { "CANCELLED" };
        let let_go = async {
            until_waiting(&database, 3).await;
            holder.batch_execute("commit").await.unwrap();
        };
        let (one, other, own, ()) = tokio::join!(
            change(&database, id, 1, "PREPARING", json!({})),
            change(&database, id, 1, second, json!({})),
            cancel_own(&database, "ann", id),
            let_go
        );
        let won = [&one, &other, &own]
            .iter()
            .filter(|answer| answer["order"].is_object() && answer["moved"] != false)
            .count();
        assert_eq!(won, 1, "{one} {other} {own}");
        for late in [&one, &other].into_iter().filter(|answer| answer["order"].is_null()) {
            assert_eq!(*late, json!({"outcome": "precondition_failed", "version": 2}));
        }
        let steps = "select count(*) as n from holdfast.order_ledger where order_id is not null";
        assert_eq!(rows(&database, steps).await, json!([{"n": 2}]), "confirmed, and one step");
        database.checked_report().await;
    }
}

#[tokio::test]
async fn a_cancellation_beside_the_gateways_message_leaves_money_and_stock_in_agreement() {
    let database = shop().await;
    for round in 0..15 {
        let user = format!("u{round}");
        let (id, paid) = order_with(&database, &user, &user).await;
        let second = Paid { payment: format!("{user}-2"), ..paid.clone() };
        let gateway = [database.as_role("confirm").await, database.as_role("confirm").await];
        let (again, second, own, moved) = tokio::join!(
            confirm(&gateway[0], &paid),
            confirm(&gateway[1], &second),
            cancel_own(&database, &user, id),
            change(&database, id, 1, "CANCELLED", json!({})),
        );
        assert_eq!(again.unwrap()["order_id"], id.to_string());
        assert_eq!(second.unwrap()["reason"], "already_paid");
        assert_eq!(own["order"]["status"], "CANCELLED");
        assert!(moved["order"].is_object() != (own["moved"] == true), "{own} {moved}");
    }
    let report = database.checked_report().await;
    assert_eq!(report["skus"][0], json!({"sku_id": "a", "total": 20, "available": 20, "held": 0, "sold": 0}));
    assert_eq!((&report["orders"]["CANCELLED"], &report["refunds"]["REQUIRED"]), (&json!(15), &json!(30)));
}

/// What is done to a database with an order that was returned and one that was cancelled, and what the audit finds.
pub const DOCTORED: [(&str, &[&str]); 8] = [
    ("delete from order_ledger where event_type = 'ORDER_SHIPPED'", &["order_ledger"]),
    ("update order_ledger set event_type = 'ORDER_SHIPPED' where event_type = 'ORDER_CANCELLED'", &["order_ledger"]),
    // What waits to be fanned out is part of what the rankings are compared with: two SKUs each.
    (
        "delete from event_outbox where event_type = 'OrderCancelled'",
        &[
            "order_told",
            "ranking_hours",
            "ranking_hours",
            "ranking_seconds",
            "ranking_seconds",
            "ranking_sold",
            "ranking_sold",
        ],
    ),
    (
        "delete from event_outbox where event_type = 'OrderStatusChanged' and data ->> 'status' = 'DELIVERED'",
        &["order_told"],
    ),
    (
        "update orders set returned_at = null, status = 'DELIVERED' where status = 'RETURNED'",
        &["event_truth", "hold_ledger", "order_ledger", "order_lines", "payment_refund"],
    ),
    ("delete from inventory_ledger where event_type = 'RETURN_CREDIT' and sku_id = 'a'", &["hold_ledger"]),
    ("delete from refund where reason = 'order_returned'", &["event_truth", "payment_refund"]),
    (
        "update event_outbox set data = '{\"order_id\": \"x\", \"status\": \"SHIPPED\"}'
         where event_type = 'OrderStatusChanged' and data ->> 'status' = 'SHIPPED'",
        &["event_truth"],
    ),
];

#[tokio::test]
async fn the_audit_finds_each_step_that_lacks_what_belongs_to_it() {
    for (doctoring, expected) in DOCTORED {
        let database = shop().await;
        let (returned, version) = come_to(&database, "ann", &["PREPARING", "SHIPPED", "DELIVERED"]).await;
        change(&database, returned, version, "RETURNED", json!({"restock": false})).await;
        come_to(&database, "bob", &["PREPARING", "CANCELLED"]).await;
        database.checked_report().await;
        crate::audit::finds(&database, doctoring, expected).await;
    }
}

/// Each transition has its CHECK: what no routine does, no statement can do either.
#[tokio::test]
async fn the_table_itself_refuses_an_order_that_skipped_a_step() {
    let database = shop().await;
    order(&database, "ann", "p1").await;
    for (change, check) in [
        ("status = 'PREPARING'", "orders_prepared_before_it_goes_on"),
        ("preparing_at = now()", "orders_confirmed_is_not_prepared"),
        ("status = 'SHIPPED', shipped_at = now()", "orders_prepared_before_it_goes_on"),
        ("status = 'SHIPPED', preparing_at = now()", "orders_shipped_has_its_time"),
        ("status = 'PREPARING', preparing_at = now(), shipped_at = now()", "orders_shipped_has_its_time"),
        ("status = 'DELIVERED', preparing_at = now(), delivered_at = now()", "orders_shipped_has_its_time"),
        ("status = 'DELIVERED', preparing_at = now(), shipped_at = now()", "orders_delivered_has_its_time"),
        (
            "status = 'RETURNED', preparing_at = now(), shipped_at = now(), returned_at = now()",
            "orders_delivered_has_its_time",
        ),
        (
            "status = 'RETURNED', preparing_at = now(), shipped_at = now(), delivered_at = now()",
            "orders_returned_has_its_time",
        ),
        ("status = 'CANCELLED'", "orders_cancelled_has_its_time"),
        (
            "status = 'CANCELLED', cancelled_at = now(), preparing_at = now(), shipped_at = now()",
            "orders_shipped_has_its_time",
        ),
        ("tracking = 'CJ 1'", "orders_tracked_when_shipped"),
        ("status = 'LOST', preparing_at = now()", "orders_status_known"),
    ] {
        let refused = database.owner.execute(&format!("update holdfast.orders set {change}"), &[]).await.unwrap_err();
        assert_eq!(refused.as_db_error().unwrap().constraint(), Some(check), "{change}");
    }
}
