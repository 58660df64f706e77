//! The audit sees what nothing else would: for each thing it compares, a database in which just that is wrong. And it
//! sees nothing in a sale that goes on while it looks.

mod busy;

use std::collections::BTreeSet;

use protocol::audit::{PARTS, Written};
use serde_json::{Value, json};
use stack::always;
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};

use support::database::{Ask, Database, Paid, confirm, release, reserve, sweep};

/// A day: nothing of these tests is older.
const KEEP_S: f64 = 86_400.0;

async fn piece(audit: &Client, part: &str, most: i32) -> Written {
    let look = "select holdfast.audit_look($1, $2, $3)";
    let params = [(&part as _, Type::TEXT), (&most as _, Type::INT4), (&KEEP_S as _, Type::FLOAT8)];
    let Json(seen): Json<Value> = audit.query_typed(look, &params).await.unwrap()[0].get(0);
    let write = "select holdfast.audit_write($1)";
    let Json(written) = audit.query_typed(write, &[(&Json(&seen), Type::JSON)]).await.unwrap()[0].get(0);
    serde_json::from_value(written).unwrap()
}

/// A pass through everything: findings seen, findings reported.
async fn pass(audit: &Client, most: i32) -> (u64, u64) {
    let (mut found, mut told) = (0, 0);
    for part in PARTS {
        loop {
            let written = piece(audit, part, most).await;
            found += written.found;
            told += written.new;
            if written.through {
                break;
            }
        }
    }
    (found, told)
}

async fn standing(database: &Database) -> Vec<String> {
    let sql = "select check_name from holdfast.audit_finding where gone_at is null order by 1";
    database.owner.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn told(database: &Database) -> Vec<Value> {
    let sql = "select data from holdfast.event_outbox where event_type = 'AuditFinding' order by event_id";
    database.owner.query(sql, &[]).await.unwrap().iter().map(|row| row.get::<_, Json<Value>>(0).0).collect()
}

fn ask(user: &str, sku: &str) -> Ask {
    Ask { user: user.into(), key: "k".into(), lines: vec![(sku.into(), 1)] }
}

/// One of everything: live, paid, expired, released; a payment that came too late; stock taken out again.
async fn one_of_everything() -> Database {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 3), ("b", 9, 3)]).await;
    let buyer = database.as_role("reserve").await;
    let mut hold = Vec::new();
    for user in ["live", "paid", "gone", "back", "late"] {
        let granted = reserve(&buyer, true, &[ask(user, "a")]).await.unwrap();
        hold.push(granted[0]["hold"]["hold_id"].as_str().unwrap().to_owned());
    }
    let gateway = database.as_role("confirm").await;
    let paid = |payment: &str, user: &str, hold: &str| Paid {
        payment: payment.into(),
        hold: hold.into(),
        user: user.into(),
        amount: 100,
        currency: "KRW".into(),
    };
    assert_eq!(confirm(&gateway, &paid("p1", "paid", &hold[1])).await.unwrap()["result"], "confirmed");
    let lapse = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                 expire_at = expire_at - interval '1 hour' where user_id = 'gone'";
    database.owner.batch_execute(lapse).await.unwrap();
    assert_eq!(sweep(&database.as_role("expire").await).await.unwrap(), 1);
    release(&database.as_role("release").await, "back", &hold[3]).await.unwrap();
    release(&database.as_role("release").await, "late", &hold[4]).await.unwrap();
    assert_eq!(confirm(&gateway, &paid("p2", "late", &hold[4])).await.unwrap()["reason"], "hold_released");
    let take = "select holdfast.adjust_stock('drop', 'b', -2, 'damaged', 'k', sha256('k'))";
    database.as_role("admin").await.query_typed(take, &[]).await.unwrap();
    fan_out(&database).await;
    database
}

/// With nobody to be told: what rankings count, they have counted.
async fn fan_out(database: &Database) {
    let relay = database.as_role("relay").await;
    while relay.query_typed("select holdfast.fan_out(500)", &[]).await.unwrap()[0].get::<_, i32>(0) > 0 {}
}

/// What is done to the database, by its owner and behind every constraint; and what must be found then.
const DOCTORED: [(&str, &[&str]); 34] = [
    ("update inventory_counter set available = available + 1 where sku_id = 'a'", &["counter_sum"]),
    (
        "update inventory_counter set total = total + 1, available = available + 1 where sku_id = 'a'",
        &["counter_ledger", "ranking_stock"],
    ),
    ("update sku_sold set sold = 5 where sku_id = 'a'", &["ranking_sold"]),
    ("delete from sold_bucket where grain_s = 3600", &["ranking_hours"]),
    ("update sold_bucket set sold = 7 where grain_s = 10", &["ranking_seconds"]),
    ("delete from inventory_counter where sku_id = 'b'", &["counter_missing", "ranking_stock"]),
    (
        "update inventory_ledger set qty = qty + 1 where event_type = 'STOCK_OUT'",
        &["counter_ledger", "event_truth", "stock_told"],
    ),
    ("delete from event_outbox where event_type = 'StockAdjusted' and data ->> 'delta' = '-2'", &["stock_told"]),
    (
        "delete from inventory_ledger l using reservation_hold h where h.hold_id = l.hold_id and user_id = 'live'",
        &["hold_debit", "hold_ledger"],
    ),
    ("update inventory_ledger set qty = 2 where event_type = 'EXPIRE_CREDIT'", &["hold_ledger"]),
    ("delete from inventory_ledger where event_type = 'RELEASE_CREDIT'", &["hold_ledger", "hold_ledger"]),
    (
        "insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id)
         values ('drop', 'b', 'RESERVE_DEBIT', -1, uuidv7())",
        &["ledger_hold"],
    ),
    ("delete from user_active_hold", &["counter_sum", "hold_active"]),
    ("insert into user_active_hold values ('drop', 'nobody', 'b', uuidv7())", &["active_hold"]),
    (
        "insert into user_active_hold select sale_id, user_id, 'a', hold_id from reservation_hold where user_id = 'back'",
        &["active_hold", "counter_sum", "hold_active"],
    ),
    ("update reservation_hold set total_amount = 99 where user_id = 'live'", &["event_truth", "hold_amount"]),
    (
        "delete from reservation_hold_item i using reservation_hold h where h.hold_id = i.hold_id and user_id = 'gone'",
        &["hold_amount", "hold_lines", "ledger_hold", "ledger_hold"],
    ),
    (
        "update reservation_hold set status = 'COMMITTED', finalized_at = created_at where user_id = 'live'",
        &["active_hold", "hold_active", "hold_end_told", "hold_order"],
    ),
    ("delete from orders", &["event_truth", "hold_order", "payment_order", "ranking_hours", "ranking_seconds"]),
    ("update orders set total_amount = 101", &["event_truth", "order_amount", "order_payment"]),
    ("update orders set user_id = 'another'", &["order_owner"]),
    ("update order_items set qty = 2", &["buyer_bought", "counter_sum", "order_lines", "ranking_sold"]),
    ("update buyer_history set bought = 5", &["buyer_bought"]),
    ("insert into buyer_history values ('drop', 'nobody', 'b', 1)", &["buyer_bought"]),
    ("delete from buyer_history", &["buyer_bought"]),
    (
        "delete from event_outbox where event_type = 'ReservationCreated' and data ->> 'user_id' = 'live'",
        &["hold_told"],
    ),
    ("delete from event_outbox where event_type = 'ReservationExpired'", &["hold_end_told"]),
    (
        "insert into reconcile_pass (gateway, from_at, until_at, began_at, next_at, overdue_at)
         values ('toss', now(), now(), now(), now(), now() - interval '1 second')",
        &["gateway_reconciled"],
    ),
    ("delete from refund", &["event_truth", "payment_refund"]),
    ("update refund set amount = 1", &["event_truth", "refund_amount"]),
    ("update refund set currency = 'USD'", &["refund_currency"]),
    ("delete from order_ledger where event_type = 'REFUND_REQUIRED'", &["refund_ledger"]),
    ("delete from event_outbox where event_type = 'RefundRequired'", &["refund_told"]),
    (
        "insert into event_outbox (event_type, sale_id, hold_id, data)
         select 'OrderConfirmed', sale_id, hold_id, '{}' from reservation_hold where user_id = 'back'",
        &["event_truth"],
    ),
];

/// And what came after: an order cancelled, its refund given up; a late payment's refund given up, tried again and done;
/// stock taken again after the sweep and before it; money that is being taken.
async fn one_of_everything_and_after() -> Database {
    let database = one_of_everything().await;
    let buyer = database.as_role("reserve").await;
    let mut hold = Vec::new();
    for user in ["again", "unswept", "undone"] {
        let granted = reserve(&buyer, true, &[ask(user, "b")]).await.unwrap();
        hold.push(granted[0]["hold"]["hold_id"].as_str().unwrap().to_owned());
    }
    let gateway = database.as_role("confirm").await;
    let pay = async |payment: &str, user: &str, hold: &str| {
        let (payment, hold, user) = (payment.to_owned(), hold.to_owned(), user.to_owned());
        let paid = Paid { payment, hold, user, amount: 100, currency: "KRW".into() };
        assert_eq!(confirm(&gateway, &paid).await.unwrap()["result"], "confirmed");
    };
    pay("p3", "undone", &hold[2]).await;
    let lapse = async |user: &str| {
        let sql = format!(
            "update holdfast.sale set late_payment = 'retake';
             update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                 expire_at = expire_at - interval '1 hour' where user_id = '{user}'"
        );
        database.owner.batch_execute(&sql).await.unwrap();
    };
    lapse("again").await;
    assert_eq!(sweep(&database.as_role("expire").await).await.unwrap(), 1);
    pay("p4", "again", &hold[0]).await;
    lapse("unswept").await;
    pay("p5", "unswept", &hold[1]).await;
    let later = "
        select holdfast.cancel_order('{\"actor\": \"minji\", \"request_id\": \"c\"}', 'c', sha256('c'), o.order_id)
            from holdfast.orders o where o.payment_id = 'p3';
        select holdfast.settle_refund('standard', 'p3', 'refused', 'no', null);
        select holdfast.settle_refund('standard', 'p2', 'refused', 'no', null);
        select holdfast.replay_refund('standard', 'p2');
        select holdfast.settle_refund('standard', 'p2', 'done', null, null);
        select holdfast.secure('standard', 'p6', h.hold_id::text, h.hold_id, 'live', 100, 'KRW', null)
            from holdfast.reservation_hold h where h.user_id = 'live'";
    database.owner.batch_execute(later).await.unwrap();
    fan_out(&database).await;
    database
}

const DOCTORED_AFTER: [(&str, &[&str]); 18] = [
    ("delete from inventory_ledger where event_type = 'CANCEL_CREDIT'", &["hold_ledger"]),
    ("delete from inventory_ledger where event_type = 'RETAKE_DEBIT'", &["hold_ledger"]),
    ("update inventory_ledger set qty = -2 where event_type = 'RETAKE_DEBIT'", &["hold_ledger"]),
    (
        "insert into order_items select o.order_id, 'b', 1, 100, 1, 'drop', 'undone' from orders o where status = 'CANCELLED'",
        &["buyer_bought", "counter_sum", "order_lines", "ranking_sold"],
    ),
    (
        "update orders set status = 'CONFIRMED', cancelled_at = null where status = 'CANCELLED'",
        &[
            "event_truth",
            "hold_ledger",
            "order_ledger",
            "order_lines",
            "payment_refund",
            "ranking_hours",
            "ranking_seconds",
        ],
    ),
    ("delete from order_ledger where event_type = 'ORDER_CANCELLED'", &["order_ledger"]),
    ("update order_ledger set amount = 1 where event_type = 'ORDER_CANCELLED'", &["order_ledger"]),
    ("delete from order_ledger where event_type = 'ORDER_CONFIRMED' and payment_id = 'p4'", &["payment_ledger"]),
    ("delete from refund where payment_id = 'p3'", &["event_truth", "payment_refund"]),
    ("delete from order_ledger where event_type = 'REFUND_COMPLETED'", &["event_truth", "refund_ledger"]),
    (
        "delete from order_ledger where event_type = 'REFUND_FAILED' and payment_id = 'p3'",
        &["event_truth", "refund_ledger"],
    ),
    ("delete from event_outbox where event_type = 'RefundCompleted'", &["refund_end_told"]),
    (
        "delete from event_outbox where event_type = 'RefundFailed' and data ->> 'payment_id' = 'p3'",
        &["refund_end_told"],
    ),
    (
        "delete from event_outbox where event_type = 'RefundRequired' and data ->> 'reason' = 'order_cancelled'",
        &["refund_told"],
    ),
    ("update refund set status = 'REQUIRED', finalized_at = null where status = 'COMPLETED'", &["refund_ledger"]),
    (
        "delete from event_outbox e using reservation_hold h where h.hold_id = e.hold_id and h.user_id = 'again'
         and event_type = 'ReservationExpired'",
        &["hold_expiry_told"],
    ),
    (
        "delete from event_outbox e using reservation_hold h where h.hold_id = e.hold_id and h.user_id = 'again'
         and event_type = 'OrderConfirmed'",
        &["hold_end_told"],
    ),
    ("update reservation_hold set retaken_at = finalized_at where user_id = 'again'", &["event_truth"]),
];

/// Does it behind every constraint, looks twice, and finds just that.
pub async fn finds(database: &Database, doctoring: &str, expected: &[&str]) {
    let sql = format!("set search_path = holdfast; set session_replication_role = replica; {doctoring}; reset all");
    database.owner.batch_execute(&sql).await.unwrap();
    let audit = database.as_role("audit").await;
    let seen = pass(&audit, 2).await;
    assert_eq!(standing(database).await, expected, "{doctoring}");
    assert_eq!(seen, (expected.len() as u64, expected.len() as u64), "{doctoring}");
    // Seen again, not reported again.
    assert_eq!(pass(&audit, 1_000).await, (expected.len() as u64, 0), "{doctoring}");
    assert_eq!(told(database).await.len(), expected.len(), "{doctoring}");
}

#[tokio::test]
async fn every_inconsistency_is_found_and_nothing_else() {
    for healthy in [one_of_everything().await, one_of_everything_and_after().await] {
        assert_eq!(pass(&healthy.as_role("audit").await, 2).await, (0, 0), "{:?}", told(&healthy).await);
        healthy.checked_report().await;
    }
    let mut checks = BTreeSet::new();
    for (doctoring, expected) in DOCTORED {
        finds(&one_of_everything().await, doctoring, expected).await;
        checks.extend(expected.iter().copied());
    }
    for (doctoring, expected) in DOCTORED_AFTER {
        finds(&one_of_everything_and_after().await, doctoring, expected).await;
        checks.extend(expected.iter().copied());
    }
    checks.extend(crate::present::DOCTORED.iter().map(|(_, check)| *check));
    checks.extend(crate::change::DOCTORED.iter().flat_map(|(_, expected)| expected.iter().copied()));
    checks.extend(crate::orders::DOCTORED.iter().flat_map(|(_, expected)| expected.iter().copied()));
    let rules = "select check_name, part is not null from holdfast.invariant";
    let rows = Database::new().await.owner.query(rules, &[]).await.unwrap();
    let rules: Vec<(String, bool)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let looked_for: BTreeSet<&str> =
        rules.iter().filter(|(_, looked)| *looked).map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(checks, looked_for, "every comparison has its doctored database");

    // And every rule of the views is in their list.
    let of_a_check = [
        "counter_", "hold_", "order_", "payment_", "refund_", "active_", "stock_", "ledger_", "event_", "buyer_",
        "gateway_", "ranking_",
    ];
    let views = stack::migrate::REPEATABLE.iter().filter(|file| file.path.starts_with("views/"));
    let views = views.flat_map(|file| file.text.lines()).filter(|line| !line.trim_start().starts_with("--"));
    let no_rule = |word: &str| word.ends_with("_id") || word == "event_type";
    for word in views.flat_map(|line| line.split('\'').skip(1).step_by(2)) {
        let is_rule = of_a_check.iter().any(|start| word.starts_with(start)) && !no_rule(word);
        assert!(!is_rule || rules.iter().any(|(rule, _)| rule == word), "{word} is not in holdfast.invariant");
    }
}

#[tokio::test]
async fn what_no_scheduled_run_compares_is_found_in_the_whole_database() {
    for (doctoring, rule) in [
        ("delete from inventory_ledger where event_type = 'EXPIRE_CREDIT'", "end_credit"),
        ("update inventory_ledger set qty = -2 where event_type = 'RETAKE_DEBIT'", "retake_debit"),
        ("delete from inventory_ledger where event_type = 'CANCEL_CREDIT'", "cancel_credit"),
        ("update sku set max_per_user = 1; update order_items set qty = 2", "buyer_limit"),
    ] {
        let database = one_of_everything_and_after().await;
        assert_eq!(always::broken(&database.owner).await.unwrap(), []);
        let sql = format!("set search_path = holdfast; set session_replication_role = replica; {doctoring}; reset all");
        database.owner.batch_execute(&sql).await.unwrap();
        let whole = always::broken(&database.owner).await.unwrap();
        let in_its_sale = always::in_sales(&database.owner, &["drop".to_owned()]).await.unwrap();
        for found in [whole, in_its_sale] {
            let found = found.iter().find(|found| found.says.starts_with(&format!("{rule}: ")));
            assert!(found.is_some_and(|found| found.broken > 0), "{doctoring}");
        }
    }
}

#[tokio::test]
async fn a_finding_emits_an_event_is_shown_until_it_is_gone_and_kept_after_that() {
    let database = one_of_everything().await;
    let audit = database.as_role("audit").await;
    database
        .owner
        .batch_execute("update holdfast.inventory_counter set available = 3 where sku_id = 'a'")
        .await
        .unwrap();
    assert_eq!(pass(&audit, 1_000).await, (1, 1));
    let event = told(&database).await.remove(0);
    assert_eq!(
        (&event["check"], &event["subject"], &event["sale_id"]),
        (&json!("counter_sum"), &json!("drop/a"), &json!("drop"))
    );
    assert_eq!((&event["expected"], &event["found"], &event["saw"]["held"]), (&json!(5), &json!(9), &json!(1)));

    let report = async || -> Value {
        let sql = "select holdfast.report('drop') -> 'report' -> 'audit'";
        database.owner.query_one(sql, &[]).await.unwrap().get::<_, Json<Value>>(0).0
    };
    let shown = report().await;
    assert_eq!(shown["ok"], false);
    let mismatches = shown["mismatches"].as_array().unwrap();
    assert!(
        mismatches.iter().any(|one| one["finding_id"] == event["finding_id"] && one["check"] == "counter_sum"),
        "{shown}"
    );
    let counter: i64 = database
        .owner
        .query_one("select available from holdfast.inventory_counter where sku_id = 'a'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(counter, 3, "nothing is corrected");

    database
        .owner
        .batch_execute("update holdfast.inventory_counter set available = 7 where sku_id = 'a'")
        .await
        .unwrap();
    assert_eq!(pass(&audit, 1_000).await, (0, 0));
    assert_eq!(report().await, json!({"ok": true, "mismatches": []}));
    let gone = "select count(*) from holdfast.audit_finding where gone_at is not null";
    assert_eq!(database.owner.query_one(gone, &[]).await.unwrap().get::<_, i64>(0), 1);
    // The same again is another finding.
    database
        .owner
        .batch_execute("update holdfast.inventory_counter set available = 3 where sku_id = 'a'")
        .await
        .unwrap();
    assert_eq!(pass(&audit, 1_000).await, (1, 1));
}

#[tokio::test]
async fn what_is_older_than_events_are_kept_is_not_missed() {
    let database = one_of_everything().await;
    let old = "update holdfast.reservation_hold set created_at = created_at - interval '2 days',
                   expire_at = expire_at - interval '2 days', finalized_at = finalized_at - interval '2 days';
               update holdfast.refund set created_at = created_at - interval '2 days';
               update holdfast.inventory_ledger set created_at = created_at - interval '2 days';
               delete from holdfast.event_outbox";
    database.owner.batch_execute(old).await.unwrap();
    pass(&database.as_role("audit").await, 1_000).await;
    assert_eq!(standing(&database).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_pass_goes_on_where_it_stopped_and_two_at_once_skip_nothing() {
    let database = one_of_everything().await;
    let (one, two) = (database.as_role("audit").await, database.as_role("audit").await);
    let sql = "update holdfast.reservation_hold set total_amount = 99";
    database.owner.batch_execute(sql).await.unwrap();
    // Five holds, a piece each; both look at the first before either writes.
    let look = "select holdfast.audit_look('holds', 1, 86400)";
    let seen = async |audit: &Client| -> Json<Value> { audit.query_typed(look, &[]).await.unwrap()[0].get(0) };
    let (first, same) = (seen(&one).await, seen(&two).await);
    assert_eq!(first.0, same.0);
    for (audit, seen) in [(&one, &first), (&two, &same)] {
        let _ = audit.query_typed("select holdfast.audit_write($1)", &[(seen, Type::JSON)]).await.unwrap();
    }
    assert_eq!(seen(&one).await.0["after"], first.0["upto"], "moved once");
    while !piece(&one, "holds", 1).await.through {}
    let found = standing(&database).await;
    // And the one order that was made of them.
    assert_eq!(found, ["hold_amount", "hold_amount", "hold_amount", "hold_amount", "hold_amount", "order_amount"]);
    assert_eq!(told(&database).await.len(), found.len());
}

/// Pages that looking at the next piece touches.
async fn touched(audit: &Client, part: &str) -> i64 {
    let sql = format!(
        "explain (analyze, buffers, format json) select holdfast.audit_look('{part}', {}, {KEEP_S})",
        functions::runtime::limits::AUDIT_PIECE
    );
    let Json(plan): Json<Value> = audit.query_one(&sql, &[]).await.unwrap().get(0);
    let pages = |name: &str| plan[0]["Plan"][name].as_i64().unwrap();
    pages("Shared Hit Blocks") + pages("Shared Read Blocks")
}

#[tokio::test]
#[ignore = "long"]
async fn a_piece_touches_as_much_whatever_the_history() {
    let database = Database::new().await;
    for sql in [include_str!("../../load/bench/tables.sql"), include_str!("../../load/bench/fill.sql")] {
        database.owner.batch_execute(sql).await.unwrap();
    }
    let audit = database.as_role("audit").await;
    let mut before = Vec::new();
    for sales in [1..=1, 2..=4] {
        for sale in sales {
            // Recent enough that its events are still there.
            database.owner.batch_execute(&format!("call bench.past_sale({sale}, 20000, '3 days')")).await.unwrap();
        }
        // Its events are told already, and were not counted.
        database.owner.batch_execute("select holdfast.recount_sold()").await.unwrap();
        database.owner.batch_execute("vacuum (analyze)").await.unwrap();
        // Warm: what the planner itself looks up is counted too.
        let mut pages = Vec::new();
        for part in PARTS {
            touched(&audit, part).await;
            pages.push(touched(&audit, part).await);
        }
        println!("| pages a piece of {PARTS:?}: {pages:?}");
        for ((part, pages), before) in PARTS.iter().zip(&pages).zip(&before) {
            assert!(pages * 2 <= before * 3, "{part}: {before} pages, and {pages} with four times the history");
        }
        before = pages;
    }
    assert_eq!(pass(&audit, functions::runtime::limits::AUDIT_PIECE).await, (0, 0), "{:?}", standing(&database).await);
}
