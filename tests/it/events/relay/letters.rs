//! Dead letters of both kinds in the database: pages that go over both, a filter, and replaying many at once.

use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use super::{holds, shop, subscribe};
use support::database::{Database, Paid, confirm};

async fn answer(client: &Client, sql: &str) -> Value {
    client.query_typed(sql, &[]).await.unwrap()[0].get::<_, Json<Value>>(0).0
}

/// Everything that was on its way to it was given up, an hour ago for the first and later for the others.
async fn give_up(database: &Database, subscription: Uuid) {
    let dead = "update holdfast.delivery set status = 'DEAD', ready_at = null, last_error = 'no answer',
                    finalized_at = clock_timestamp() - interval '1 hour' + delivery_id * interval '1 ms'
                where subscription_id = $1";
    database.owner.execute(dead, &[&subscription]).await.unwrap();
}

async fn replay(database: &Database, most: i32) -> Value {
    let admin = database.as_role("admin").await;
    let by = Json(json!({"actor": "minji", "reason": "it is back", "request_id": "r"}));
    let sql = "select holdfast.replay_dead_letters($1, null, null, null, null, null, null, $2)";
    let rows = admin.query_typed(sql, &[(&by, Type::JSON), (&most, Type::INT4)]).await.unwrap();
    rows[0].get::<_, Json<Value>>(0).0["many"].clone()
}

#[tokio::test]
async fn undeliverable_dead_letters_do_not_block_deliverable_ones() {
    let database = shop().await;
    let (gone, _) = subscribe(&database, "http", "https://gone.example/", &["ReservationCreated"]).await;
    holds(&database, 0, 5).await;
    answer(&database.as_role("relay").await, "select to_json(holdfast.fan_out(500))").await;
    give_up(&database, gone).await;
    let (back, _) = subscribe(&database, "http", "https://back.example/", &["ReservationCreated"]).await;
    holds(&database, 5, 3).await;
    answer(&database.as_role("relay").await, "select to_json(holdfast.fan_out(500))").await;
    give_up(&database, gone).await;
    give_up(&database, back).await;
    let disabled = "update holdfast.subscription set status = 'DISABLED' where subscription_id = $1";
    database.owner.execute(disabled, &[&gone]).await.unwrap();

    // A caller that continues while `more` is true comes to an end, and has replayed all deliverable letters.
    let mut replayed = Vec::new();
    while replayed.len() < 10 {
        let many = replay(&database, 2).await;
        replayed.push(many["replayed"].as_i64().unwrap());
        if many["more"] == false {
            break;
        }
    }
    assert_eq!(replayed, [2, 1]);
    let left =
        "select to_json(count(*) filter (where subscription_id = $1)) from holdfast.delivery where status = 'DEAD'";
    let left: Json<Value> = database.owner.query_one(left, &[&gone]).await.unwrap().get(0);
    assert_eq!(left.0, 8, "those of the one that is gone stay where they are, and are shown");
    let ledger = "select json_agg(json_build_array(actor, reason, after ->> 'replayed') order by entry_id)
                  from holdfast.operator_ledger where action = 'dead_letters_replayed'";
    let ledger = answer(&database.owner, ledger).await;
    assert_eq!(ledger, json!([["minji", "it is back", "2"], ["minji", "it is back", "1"]]));
}

#[tokio::test]
async fn a_page_lists_both_kinds_in_the_order_in_which_they_failed() {
    let database = shop().await;
    let (to, _) = subscribe(&database, "http", "https://a.example/", &["ReservationCreated"]).await;
    holds(&database, 0, 3).await;
    answer(&database.as_role("relay").await, "select to_json(holdfast.fan_out(500))").await;
    give_up(&database, to).await;
    let gateway = database.as_role("confirm").await;
    for n in 0..2 {
        let (payment, hold) = (format!("late-{n}"), "none".to_owned());
        let paid = Paid { payment, hold, user: "ann".into(), amount: 100, currency: "KRW".into() };
        confirm(&gateway, &paid).await.unwrap();
        let failed = format!("select holdfast.settle_refund('standard', 'late-{n}', 'refused', 'never', null)");
        answer(&database.as_role("refund").await, &failed).await;
    }
    let admin = database.as_role("admin").await;
    let (mut kinds, mut after) = (Vec::new(), "null, null".to_owned());
    loop {
        let page = answer(&admin, &format!("select holdfast.dead_letters(null, null, null, null, {after}, 2)")).await;
        let letters = page["dead_letters"].as_array().unwrap();
        assert!((1..=2).contains(&letters.len()), "{page}");
        kinds.extend(letters.iter().map(|letter| letter["kind"].as_str().unwrap().to_owned()));
        let Some((us, id)) = page["next"].as_str().and_then(|next| next.split_once('.')) else { break };
        after = format!("{us}, '{id}'");
    }
    assert_eq!(kinds, ["refund", "refund", "event", "event", "event"], "the newest first");
    let of = async |filter: &str| {
        let page = answer(&admin, &format!("select holdfast.dead_letters({filter}, null, null, 100)")).await;
        page["dead_letters"].as_array().unwrap().len()
    };
    assert_eq!((of("'event', null, null, null").await, of("'refund', null, null, null").await), (3, 2));
    assert_eq!((of("null, 'OrderConfirmed', null, null").await, of("null, null, null, 'drop'").await), (0, 3));
    assert_eq!(of(&format!("null, null, '{to}', null")).await, 3);
}
