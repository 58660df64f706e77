//! The lines of a hold become others: all or none, by version, at the same end and the same prices; what is given up is there
//! again, and what is added is taken by T1's rules.

use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use support::database::{Ask, Database, Paid, confirm, release, reserve, sweep};
use support::waiting::until_waiting;

async fn shop(skus: &[(&str, i64, i64)]) -> Database {
    let database = Database::new().await;
    database.sale(300, skus).await;
    database
}

fn ask(user: &str, key: &str, lines: &[(&str, i32)]) -> Ask {
    Ask { user: user.into(), key: key.into(), lines: lines.iter().map(|(sku, qty)| ((*sku).into(), *qty)).collect() }
}

async fn hold(database: &Database, user: &str, key: &str, lines: &[(&str, i32)]) -> Value {
    let answers = reserve(&database.as_role("reserve").await, true, &[ask(user, key, lines)]).await.unwrap();
    assert_eq!(answers[0]["outcome"], "granted", "{answers:?}");
    answers[0]["hold"].clone()
}

async fn change_by(client: &Client, user: &str, hold: &Value, version: i64, lines: &[(&str, i32)]) -> Value {
    let hold_id = Uuid::parse_str(hold["hold_id"].as_str().unwrap()).unwrap();
    let (skus, qtys): (Vec<&str>, Vec<i32>) = lines.iter().copied().unzip();
    let params: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[
        (&user, Type::TEXT),
        (&hold_id, Type::UUID),
        (&version, Type::INT8),
        (&skus, Type::TEXT_ARRAY),
        (&qtys, Type::INT4_ARRAY),
    ];
    let rows = client.query_typed("call holdfast.change_hold($1, $2, $3, $4, $5, null)", params).await.unwrap();
    rows[0].get::<_, Json<Value>>(0).0
}

async fn change(database: &Database, user: &str, hold: &Value, version: i64, lines: &[(&str, i32)]) -> Value {
    change_by(&database.as_role("release").await, user, hold, version, lines).await
}

async fn lapse(database: &Database, user: &str) {
    let sql = format!(
        "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
         expire_at = expire_at - interval '1 hour' where user_id = '{user}' and status = 'HOLD'"
    );
    database.owner.batch_execute(&sql).await.unwrap();
}

fn available(report: &Value) -> Vec<i64> {
    report["skus"].as_array().unwrap().iter().map(|sku| sku["available"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn lines_become_others_at_the_same_end_and_what_stays_keeps_its_price() {
    let database = shop(&[("a", 9, 9), ("b", 9, 9), ("c", 9, 9)]).await;
    let first = hold(&database, "ann", "k", &[("a", 2), ("b", 1)]).await;
    database.owner.batch_execute("update holdfast.sku set unit_price = 150").await.unwrap();
    let changed = change(&database, "ann", &first, 1, &[("c", 1), ("a", 3)]).await;
    let items = json!([{"sku_id": "c", "qty": 1, "unit_price": 150}, {"sku_id": "a", "qty": 3, "unit_price": 100}]);
    let now = &changed["hold"];
    assert_eq!((&now["items"], &now["total_amount"], &now["version"]), (&items, &json!(450), &json!(2)), "{changed}");
    assert_eq!((&now["expire_at"], &now["status"]), (&first["expire_at"], &json!("HOLD")));
    assert_eq!(changed["returned"], true);
    assert_eq!(available(&database.checked_report().await), [6, 9, 8]);

    // What it is already is answered whatever version was seen; another line is not.
    let again = change(&database, "ann", &first, 1, &[("a", 3), ("c", 1)]).await;
    assert_eq!((&again["hold"], &again["returned"]), (now, &json!(false)));
    let late = change(&database, "ann", &first, 1, &[("a", 1)]).await;
    assert_eq!(late, json!({"outcome": "precondition_failed", "version": 2}));
    let less = change(&database, "ann", &first, 2, &[("c", 1)]).await;
    assert_eq!((&less["hold"]["total_amount"], &less["hold"]["version"]), (&json!(150), &json!(3)));
    // Back again it costs what it costs now.
    let back = change(&database, "ann", &first, 3, &[("a", 1)]).await;
    assert_eq!(back["hold"]["total_amount"], 150);

    let told =
        "select json_agg(json_build_array(data -> 'version', data -> 'total_amount', data -> 'user_id') order by seq)
                from holdfast.event_outbox where event_type = 'HoldChanged'";
    let told: Json<Value> = database.owner.query_one(told, &[]).await.unwrap().get(0);
    assert_eq!(told.0, json!([[2, 450, "ann"], [3, 150, "ann"], [4, 150, "ann"]]));
    let ledger =
        "select json_agg(json_build_array(sku_id, event_type, qty, hold_version) order by hold_version, sku_id)
                  from holdfast.inventory_ledger where hold_version is not null";
    let ledger: Json<Value> = database.owner.query_one(ledger, &[]).await.unwrap().get(0);
    let moved = json!([
        ["a", "CHANGE_DEBIT", -1, 2],
        ["b", "CHANGE_CREDIT", 1, 2],
        ["c", "CHANGE_DEBIT", -1, 2],
        ["a", "CHANGE_CREDIT", 3, 3],
        ["a", "CHANGE_DEBIT", -1, 4],
        ["c", "CHANGE_CREDIT", 1, 4]
    ]);
    assert_eq!(ledger.0, moved);
    assert_eq!(available(&database.checked_report().await), [8, 9, 9]);
}

#[tokio::test]
async fn a_replayed_key_says_what_was_granted_and_the_former_amount_pays_for_nothing() {
    let database = shop(&[("a", 9, 9), ("b", 9, 9)]).await;
    let first = hold(&database, "ann", "k", &[("a", 1)]).await;
    let changed = change(&database, "ann", &first, 1, &[("a", 1), ("b", 2)]).await;
    let changed_again = change(&database, "ann", &first, 2, &[("b", 2)]).await;
    assert_eq!((&changed["hold"]["total_amount"], &changed_again["hold"]["total_amount"]), (&json!(300), &json!(200)));
    let again = reserve(&database.as_role("reserve").await, true, &[ask("ann", "k", &[("a", 1)])]).await.unwrap();
    let mut granted = again[0]["hold"].clone();
    granted["user_id"] = first["user_id"].clone();
    assert_eq!((&granted, &again[0]["replayed"]), (&first, &json!(true)));
    let gateway = database.as_role("confirm").await;
    let hold = first["hold_id"].as_str().unwrap().to_owned();
    let paid = |payment: &str, amount| Paid {
        payment: payment.into(),
        hold: hold.clone(),
        user: "ann".into(),
        amount,
        currency: "KRW".into(),
    };
    assert_eq!(confirm(&gateway, &paid("p1", 100)).await.unwrap()["reason"], "amount_mismatch");
    assert_eq!(confirm(&gateway, &paid("p2", 200)).await.unwrap()["result"], "confirmed");
    let sold = "select json_agg(json_build_array(sku_id, qty)) from holdfast.order_items";
    let sold: Json<Value> = database.owner.query_one(sold, &[]).await.unwrap().get(0);
    assert_eq!(sold.0, json!([["b", 2]]));
    assert_eq!(available(&database.checked_report().await), [9, 7]);
    let ended = change(&database, "ann", &first, 3, &[("a", 1)]).await;
    assert_eq!(ended, json!({"outcome": "hold_not_active", "hold_status": "COMMITTED"}));
}

/// Each in its order: of two that apply the first is told. Nothing of a refused change is left.
#[tokio::test]
async fn each_refusal_of_a_change_leaves_everything_as_it_was() {
    let database = shop(&[("a", 9, 3), ("b", 1, 3), ("c", 9, 3), ("d", 9, 3)]).await;
    let first = hold(&database, "ann", "k", &[("a", 1)]).await;
    let other = hold(&database, "ann", "k2", &[("d", 1)]).await;
    let before = available(&database.checked_report().await);
    for (user, version, lines, outcome, member) in [
        ("bob", 1, &[("a", 2)][..], "no_such_hold", Value::Null),
        ("ann", 2, &[("x", 1)], "precondition_failed", json!(1)),
        ("ann", 1, &[("a", 9), ("x", 1)], "not_found", json!("x")),
        ("ann", 1, &[("c", 9), ("d", 1)], "already_holding", other["hold_id"].clone()),
        ("ann", 1, &[("b", 2), ("a", 4)], "limit_reached", json!("a")),
        ("ann", 1, &[("a", 2), ("b", 2)], "sold_out", json!("b")),
    ] {
        let refused = change(&database, user, &first, version, lines).await;
        assert_eq!(refused["outcome"], outcome, "{refused}");
        let name = match outcome {
            "precondition_failed" => "version",
            "already_holding" => "hold_id",
            _ => "sku_id",
        };
        assert_eq!(refused[name], member, "{refused}");
        assert_eq!(available(&database.checked_report().await), before, "{outcome}");
    }
    database.owner.batch_execute("update holdfast.sale set status = 'paused'").await.unwrap();
    assert_eq!(change(&database, "ann", &first, 1, &[("a", 9)]).await["outcome"], "sale_not_open");
    let same = change(&database, "ann", &first, 7, &[("a", 1)]).await;
    assert_eq!(same["outcome"], "changed", "what it has already is no change");
    database.owner.batch_execute("update holdfast.sale set status = 'open'").await.unwrap();

    let secure = "select holdfast.secure('standard', 'p1', h.hold_id::text, h.hold_id, 'ann', 100, 'KRW', null)
                  from holdfast.reservation_hold h where h.total_amount = 100 and h.user_id = 'ann' order by h.hold_id limit 1";
    database.owner.batch_execute(secure).await.unwrap();
    let taking = change(&database, "ann", &first, 1, &[("a", 2)]).await;
    assert_eq!(taking, json!({"outcome": "hold_not_active", "hold_status": "HOLD"}), "its money is being taken");
    for (user, status) in [("lapses", "EXPIRED"), ("gives back", "RELEASED")] {
        let ended = hold(&database, user, "k", &[("a", 1)]).await;
        match status {
            "EXPIRED" => lapse(&database, user).await,
            _ => drop(
                release(&database.as_role("release").await, user, ended["hold_id"].as_str().unwrap()).await.unwrap(),
            ),
        }
        let refused = change(&database, user, &ended, 9, &[("a", 1)]).await;
        assert_eq!(refused, json!({"outcome": "hold_not_active", "hold_status": status}), "before its version");
    }
}

#[tokio::test]
async fn lapsed_holds_in_the_way_of_a_change_are_taken_back() {
    let database = shop(&[("a", 1, 9), ("b", 3, 9)]).await;
    let first = hold(&database, "ann", "k", &[("a", 1)]).await;
    for (user, qty) in [("bob", 2), ("cho", 1)] {
        hold(&database, user, "k", &[("b", qty)]).await;
        lapse(&database, user).await;
    }
    let changed = change(&database, "ann", &first, 1, &[("b", 3)]).await;
    assert_eq!(changed["hold"]["items"][0]["qty"], 3, "{changed}");
    assert_eq!(available(&database.checked_report().await), [1, 0]);
    // One of her own, too.
    hold(&database, "ann", "k2", &[("a", 1)]).await;
    let mine = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                expire_at = expire_at - interval '1 hour' where total_amount = 100 and user_id = 'ann'";
    database.owner.batch_execute(mine).await.unwrap();
    let changed = change(&database, "ann", &first, 2, &[("a", 1)]).await;
    assert_eq!(changed["outcome"], "changed", "{changed}");
    assert_eq!(sweep(&database.as_role("expire").await).await.unwrap(), 0);
    assert_eq!(available(&database.checked_report().await), [0, 3]);
}

/// All of them wait for the hold: one changes it, the others hear of another version.
#[tokio::test]
async fn two_devices_change_one_hold_at_once_and_one_of_them_does() {
    let database = shop(&[("a", 9, 9), ("b", 9, 9)]).await;
    let first = hold(&database, "ann", "k", &[("a", 1)]).await;
    let holder = stack::database::connect(&database.url()).await.unwrap();
    holder.batch_execute("begin; select from holdfast.reservation_hold for update").await.unwrap();
    let let_go = async {
        until_waiting(&database, 3).await;
        holder.batch_execute("commit").await.unwrap();
    };
    let (one, other, third, ()) = tokio::join!(
        change(&database, "ann", &first, 1, &[("a", 2)]),
        change(&database, "ann", &first, 1, &[("b", 1)]),
        change(&database, "ann", &first, 1, &[("a", 5)]),
        let_go
    );
    let answers = [one, other, third];
    assert_eq!(answers.iter().filter(|answer| answer["outcome"] == "changed").count(), 1, "{answers:?}");
    let late = json!({"outcome": "precondition_failed", "version": 2});
    assert_eq!(answers.iter().filter(|answer| **answer == late).count(), 2, "{answers:?}");
    database.checked_report().await;
}

/// Everybody swaps for the other SKU at once, beside buyers who want both: no deadlock, no piece twice, none lost.
#[tokio::test]
async fn a_crowd_that_changes_its_holds_sells_each_piece_once() {
    let database = shop(&[("a", 6, 3), ("b", 6, 3)]).await;
    let mut holds = Vec::new();
    for n in 0..8 {
        let sku = if n % 2 == 0 { "a" } else { "b" };
        holds.push(hold(&database, &format!("u{n}"), "k", &[(sku, 1)]).await);
    }
    for round in 0..12 {
        let moves = holds.iter().enumerate().map(async |(n, hold)| {
            let client = database.as_role("release").await;
            let lines: &[(&str, i32)] = match (n + round) % 4 {
                0 => &[("a", 2)],
                1 => &[("b", 2), ("a", 1)],
                2 => &[("a", 1), ("b", 1)],
                _ => &[("b", 1)],
            };
            let mut version = 1;
            loop {
                let answer = change_by(&client, &format!("u{n}"), hold, version, lines).await;
                match answer["outcome"].as_str().unwrap() {
                    "precondition_failed" => version = answer["version"].as_i64().unwrap(),
                    "changed" | "sold_out" => break,
                    _ => panic!("{answer}"),
                }
            }
        });
        let other = async {
            let client = database.as_role("reserve").await;
            reserve(&client, true, &[ask("late", &format!("k{round}"), &[("b", 1), ("a", 1)])]).await.unwrap();
        };
        tokio::join!(futures_util::future::join_all(moves), other);
        database.checked_report().await;
    }
}

/// What is done to a database with a changed hold behind every constraint, and what the audit finds.
pub const DOCTORED: [(&str, &[&str]); 6] = [
    ("delete from event_outbox where event_type = 'HoldChanged'", &["hold_change_told"]),
    ("delete from inventory_ledger where event_type = 'CHANGE_CREDIT'", &["ledger_hold"]),
    ("delete from inventory_ledger where event_type = 'CHANGE_DEBIT'", &["hold_debit", "hold_ledger"]),
    ("update reservation_hold set version = 3", &["hold_changes"]),
    (
        "update event_outbox set data = '{\"user_id\": \"bob\", \"version\": 2, \"total_amount\": 100}' where event_type = 'HoldChanged'",
        &["event_truth"],
    ),
    ("update reservation_hold_item set qty = 2", &["counter_sum", "hold_amount", "hold_debit", "hold_ledger"]),
];

#[tokio::test]
async fn the_audit_finds_a_change_that_lacks_what_belongs_to_it() {
    for (doctoring, expected) in DOCTORED {
        let database = shop(&[("a", 9, 9), ("b", 9, 9)]).await;
        let first = hold(&database, "ann", "k", &[("a", 1)]).await;
        change(&database, "ann", &first, 1, &[("b", 1)]).await;
        database.checked_report().await;
        crate::audit::finds(&database, doctoring, expected).await;
    }
}
