//! Sales that only operators see: to buyers there is no such sale, until it is opened. And the stock before the opening.

use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};

use support::database::{Ask, Database, reserve};

/// `holdfast.create_sale`, with these members beside what every sale has.
async fn create(database: &Database, more: Value) -> Value {
    let mut sale = json!({"sale_id": "drop", "name": "Drop", "currency": "KRW", "hold_ttl_s": 300,
        "skus": [{"sku_id": "pair", "name": "Pair", "unit_price": 100, "stock": 5, "max_per_user": 1}]});
    sale.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let admin = database.as_role("admin").await;
    let sql = "select holdfast.create_sale($1, $2, sha256('drop'))";
    let by = Json(json!({"actor": "minji"}));
    let rows = admin.query_typed(sql, &[(&by, Type::JSON), (&Json(&sale), Type::JSON)]).await.unwrap();
    rows[0].get::<_, Json<Value>>(0).0
}

async fn press(client: &Client) -> Value {
    let ask = Ask { user: "ann".to_owned(), key: "k".to_owned(), lines: vec![("pair".to_owned(), 1)] };
    reserve(client, true, &[ask]).await.unwrap().remove(0)
}

async fn seen(client: &Client, sql: &str) -> Option<Value> {
    let rows = client.query_typed(sql, &[]).await.unwrap();
    rows[0].get::<_, Option<Json<Value>>>(0).map(|json| json.0)
}

#[tokio::test]
async fn a_draft_is_invisible_to_buyers_until_it_is_opened() {
    let database = Database::new().await;
    let made = create(&database, json!({"status": "draft"})).await;
    assert_eq!(made["sale"]["status"], "draft");
    let (buyer, reader) = (database.as_role("reserve").await, database.as_role("lookup").await);
    assert_eq!(press(&buyer).await["outcome"], "not_found");
    assert_eq!(seen(&reader, "select holdfast.look_up_sale('drop')").await, None);
    assert_eq!(seen(&reader, "select holdfast.look_up_sales()").await, Some(json!([])));
    assert_eq!(database.checked_report().await["status"], "draft", "an operator sees it");

    let admin = database.as_role("admin").await;
    let opened = seen(&admin, "select holdfast.set_sale_status('{\"actor\":\"minji\"}'::json, 'drop', 'open')").await;
    assert_eq!(opened.unwrap()["sale"]["status"], "open");
    assert_eq!(press(&buyer).await["outcome"], "granted");
    assert_eq!(seen(&reader, "select holdfast.look_up_sale('drop')").await.unwrap()["skus"][0]["available"], 4);
}

#[tokio::test]
async fn a_sale_that_is_open_is_listed_however_many_came_and_closed_after_it() {
    let database = Database::new().await;
    create(&database, json!({})).await;
    let later = "insert into holdfast.sale (sale_id, name, status, hold_ttl_s, currency, opens_at, created_from)
                 select 'later-' || n, 'Later', case when n <= 3 then 'paused' else 'closed' end, 300, 'KRW', now(), sha256('')
                 from generate_series(1, 200) n";
    database.owner.batch_execute(later).await.unwrap();
    let listed = seen(&database.as_role("lookup").await, "select holdfast.look_up_sales()").await.unwrap();
    let listed: Vec<&str> = listed.as_array().unwrap().iter().map(|sale| sale["status"].as_str().unwrap()).collect();
    assert_eq!((listed.len(), &listed[..5]), (100, &["open", "paused", "paused", "paused", "closed"][..]));
}

#[tokio::test]
async fn the_stock_is_shown_before_the_opening_unless_the_operator_hides_it() {
    for (setting, before) in [("shown", json!(5)), ("hidden", Value::Null)] {
        let database = Database::new().await;
        let more = json!({"opens_at": "2999-01-01T00:00:00Z", "stock_before_opening": setting});
        assert_eq!(create(&database, more).await["outcome"], "sale");
        let reader = database.as_role("lookup").await;
        let available = async || {
            seen(&reader, "select holdfast.look_up_sale('drop')").await.unwrap()["skus"][0]["available"].clone()
        };
        assert_eq!(available().await, before, "{setting}");
        assert_eq!(database.checked_report().await["skus"][0]["available"], 5, "an operator sees it");
        database.owner.batch_execute("update holdfast.sale set opens_at = now()").await.unwrap();
        assert_eq!(available().await, 5, "{setting}: once it is open every buyer sees it");
    }
}
