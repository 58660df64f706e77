//! Every change has an event of a type that the one list has, made as its example is, and the events of a hold stand in
//! the order in which they were written, whatever the clock said.

use std::collections::{BTreeMap, BTreeSet};

use protocol::event::EVENT_TYPES;
use serde_json::{Value, json};
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use support::database::{Ask, Database, Paid, confirm, release, reserve, sweep};

async fn hold(database: &Database, user: &str) -> String {
    let client = database.as_role("reserve").await;
    let ask = Ask { user: user.into(), key: "k".into(), lines: vec![("a".into(), 1)] };
    let answers = reserve(&client, true, &[ask]).await.unwrap();
    answers[0]["hold"]["hold_id"].as_str().expect("granted").to_owned()
}

async fn pay(database: &Database, payment: &str, hold: &str, user: &str) -> Value {
    let paid =
        Paid { payment: payment.into(), hold: hold.into(), user: user.into(), amount: 100, currency: "KRW".into() };
    confirm(&database.as_role("confirm").await, &paid).await.unwrap()
}

/// The members of an object and of the objects in it.
fn members(value: &Value, at: &str, into: &mut BTreeSet<String>) {
    match value {
        // What the audit saw is the rows of whatever it looked at.
        _ if at == ".saw" => {}
        Value::Object(members_of) => {
            for (name, value) in members_of {
                into.insert(format!("{at}.{name}"));
                members(value, &format!("{at}.{name}"), into);
            }
        }
        Value::Array(all) => all.iter().for_each(|one| members(one, at, into)),
        _ => {}
    }
}

fn shape(value: &Value) -> BTreeSet<String> {
    let mut shape = BTreeSet::new();
    members(value, "", &mut shape);
    // Of refunds only that of a cancelled or returned order has one.
    shape.remove(".order_id");
    shape
}

#[tokio::test]
async fn the_outbox_takes_the_types_of_the_list_and_no_others() {
    let database = Database::new().await;
    let sql = "select pg_get_constraintdef(oid) from pg_constraint where conname = 'event_outbox_type_known'";
    let check: String = database.owner.query_one(sql, &[]).await.unwrap().get(0);
    let known: BTreeSet<&str> = check.split('\'').skip(1).step_by(2).collect();
    assert_eq!(known, EVENT_TYPES.iter().map(|event| event.name).collect());
}

#[tokio::test]
async fn every_change_emits_an_event_like_the_example_of_its_type() {
    let database = Database::new().await;
    database.sale(300, &[("a", 10, 1), ("b", 10, 1)]).await;
    let given_back = hold(&database, "gives back").await;
    release(&database.as_role("release").await, "gives back", &given_back).await.unwrap();
    let bought = hold(&database, "buys").await;
    let order = pay(&database, "p1", &bought, "buys").await["order_id"].as_str().unwrap().to_owned();
    let changed = hold(&database, "changes").await;
    let more = format!("call holdfast.change_hold('changes', '{changed}', 1, '{{b}}', '{{1}}', null)");
    database.as_role("release").await.query_typed(&more, &[]).await.unwrap();
    let kept = hold(&database, "keeps").await;
    let kept_order = pay(&database, "p3", &kept, "keeps").await["order_id"].clone();
    let lapsed = hold(&database, "lapses").await;
    let past = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                expire_at = expire_at - interval '1 hour' where hold_id = $1";
    database.owner.execute(past, &[&Uuid::parse_str(&lapsed).unwrap()]).await.unwrap();
    sweep(&database.as_role("expire").await).await.unwrap();
    pay(&database, "p2", &lapsed, "lapses").await;

    let admin = database.as_role("admin").await;
    let by = Json(json!({"actor": "minji", "reason": "a reason", "request_id": "r"}));
    let order = Uuid::parse_str(&order).unwrap();
    let cancel = "select holdfast.cancel_order($1, 'k', sha256(''), $2)";
    admin.query_typed(cancel, &[(&by, Type::JSON), (&order, Type::UUID)]).await.unwrap();
    let kept = Uuid::parse_str(kept_order.as_str().unwrap()).unwrap();
    let prepare = "select holdfast.change_order($1, $2, 1, 'PREPARING', null, true)";
    admin.query_typed(prepare, &[(&by, Type::JSON), (&kept, Type::UUID)]).await.unwrap();
    let pause = "select holdfast.set_sale_status($1, 'drop', 'paused')";
    admin.query_typed(pause, &[(&by, Type::JSON)]).await.unwrap();
    let refund = database.as_role("refund").await;
    for (payment, outcome) in [("p1", "done"), ("p2", "refused")] {
        let settle = format!("select holdfast.settle_refund('standard', '{payment}', '{outcome}', 'no', null)");
        refund.query_typed(&settle, &[]).await.unwrap();
    }
    // Later its gateway has paid part of another one back, and the rest is disputed.
    let later =
        "select holdfast.record_present('standard', 'p3', clock_timestamp()::text, 'paid', 100, 40, 'KRW', 'open', 60)";
    database.as_role("confirm").await.query_typed(later, &[]).await.unwrap();
    database
        .owner
        .execute("update holdfast.inventory_counter set available = available - 1 where sku_id = 'a'", &[])
        .await
        .unwrap();
    let audit = "select holdfast.audit_write(holdfast.audit_look('sales', 10, 86400))";
    database.as_role("audit").await.query_typed(audit, &[]).await.unwrap();

    let rows = database.owner.query("select event_type, data from holdfast.event_outbox", &[]).await.unwrap();
    let told: BTreeMap<String, Value> = rows.iter().map(|row| (row.get(0), row.get::<_, Json<Value>>(1).0)).collect();
    let types = [
        "AuditFinding",
        "HoldChanged",
        "OrderCancelled",
        "OrderConfirmed",
        "OrderStatusChanged",
        "PaymentDisputed",
        "PaymentRefundedOutside",
        "RefundCompleted",
        "RefundFailed",
        "RefundRequired",
        "ReservationCreated",
        "ReservationExpired",
        "ReservationReleased",
        "SaleChanged",
        "StockAdjusted",
    ];
    assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), types);
    for (name, data) in told {
        let event = EVENT_TYPES.iter().find(|event| event.name == name).unwrap();
        let example: Value = serde_json::from_str(event.example).unwrap();
        assert_eq!(shape(&data), shape(&example), "{name}: {data}");
    }
}

#[tokio::test]
async fn events_are_delivered_in_the_order_of_writing_although_the_clock_steps_back() {
    let database = Database::new().await;
    database.sale(300, &[("a", 10, 1)]).await;
    let subscribed =
        "insert into holdfast.subscription (kind, endpoint, secret) values ('http', 'https://a.example/', 'whsec_')";
    database.owner.batch_execute(subscribed).await.unwrap();
    for user in ["ann", "bob", "cho"] {
        let hold = hold(&database, user).await;
        // The clock steps back: what is written so far has ids and times of what is now the future.
        let stepped = "update holdfast.event_outbox set event_id = uuidv7(interval '2 seconds'),
                       created_at = created_at + interval '2 seconds' where hold_id = $1";
        database.owner.execute(stepped, &[&Uuid::parse_str(&hold).unwrap()]).await.unwrap();
        pay(&database, user, &hold, user).await;
    }
    let relay = database.as_role("relay").await;
    while relay.query_typed("select holdfast.fan_out(3)", &[]).await.unwrap()[0].get::<_, i32>(0) > 0 {}
    let sql = "select array_agg(e.event_type order by d.delivery_id), bool_and(d.ready_at is not null = (e.event_type = 'ReservationCreated'))
               from holdfast.delivery d join holdfast.event_outbox e using (event_id) where d.hold_id is not null group by d.hold_id";
    for row in database.owner.query(sql, &[]).await.unwrap() {
        assert_eq!(row.get::<_, Vec<String>>(0), ["ReservationCreated", "OrderConfirmed"]);
        assert!(row.get::<_, bool>(1), "the later one waits for the earlier one");
    }
}

#[tokio::test]
async fn a_subscription_that_was_disabled_for_a_while_gets_the_events_of_that_time() {
    let database = Database::new().await;
    database.sale(300, &[("a", 10, 1)]).await;
    let admin = database.as_role("admin").await;
    let by = Json(json!({"actor": "minji", "reason": "maintenance", "request_id": "r"}));
    let create = "select holdfast.create_subscription($1, 'k', sha256(''), 'http', 'https://a.example/',
                  '{ReservationCreated,OrderConfirmed}', 'whsec_', 10)
                  #>> '{subscription,subscription_id}'";
    let id: String = admin.query_typed(create, &[(&by, Type::JSON)]).await.unwrap()[0].get(0);
    let set = async |status: &str| {
        let sql = format!("select holdfast.set_subscription_status($1, '{id}', '{status}')");
        admin.query_typed(&sql, &[(&by, Type::JSON)]).await.unwrap();
    };
    let relay = database.as_role("relay").await;
    let fan_out = async || {
        while relay.query_typed("select holdfast.fan_out(100)", &[]).await.unwrap()[0].get::<_, i32>(0) > 0 {}
    };
    let due = async || -> usize {
        let rows = relay.query_typed("select holdfast.due_subscriptions(60)", &[]).await.unwrap();
        rows[0].get::<_, Vec<Uuid>>(0).len()
    };
    let taken = async || -> Vec<String> {
        let sql = format!("select holdfast.claim_deliveries('{id}', 10, 0, 60)");
        let claimed: Option<Json<Value>> = relay.query_typed(&sql, &[]).await.unwrap()[0].get(0);
        let deliveries = claimed.map(|claimed| claimed.0["deliveries"].as_array().unwrap().clone()).unwrap_or_default();
        deliveries.iter().map(|one| one["event"]["type"].as_str().unwrap().to_owned()).collect()
    };

    // Events that wait when it is disabled, and those from while it is, wait for it alone.
    let before = hold(&database, "ann").await;
    fan_out().await;
    set("DISABLED").await;
    pay(&database, "p1", &before, "ann").await;
    hold(&database, "bob").await;
    fan_out().await;
    assert_eq!((due().await, taken().await), (0, vec![]), "nothing is sent to it");
    let dead = "select count(*) from holdfast.delivery where status = 'DEAD'";
    assert_eq!(database.owner.query_one(dead, &[]).await.unwrap().get::<_, i64>(0), 0, "nothing was given up");
    set("ENABLED").await;
    assert_eq!(due().await, 1);
    assert_eq!(taken().await, ["ReservationCreated", "ReservationCreated"], "of a hold one at a time");

    // One that is disabled for longer than events are kept does not get the older ones.
    set("DISABLED").await;
    let older = "alter table holdfast.delivery drop constraint delivery_of_an_event;
                 create temporary table aged as select event_id, uuidv7(interval '-50 hours') as older from holdfast.event_outbox
                     where event_type = 'ReservationCreated';
                 update holdfast.delivery d set event_id = older from aged where aged.event_id = d.event_id;
                 update holdfast.event_outbox e set event_id = older, fanned_out_at = fanned_out_at - interval '50 hours'
                     from aged where aged.event_id = e.event_id";
    database.owner.batch_execute(older).await.unwrap();
    relay.query_typed("select holdfast.remove_sent(100, 86400, 86400)", &[]).await.unwrap();
    set("ENABLED").await;
    assert_eq!(taken().await, ["OrderConfirmed"], "what stood behind the removed one goes on");
}
