//! What sold most, and what was sold out fastest: counted by the fan-out, exactly as the orders say.

use serde_json::{Value, json};
use stack::always;
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use support::database::{Ask, Database, Paid, confirm, reserve};

/// A database with its calls, each with the rights of its function.
struct Shop {
    database: Database,
    buyer: Client,
    gateway: Client,
    relay: Client,
    lookup: Client,
    orders: u32,
}

impl Shop {
    async fn new(skus: &[(&str, i64, i64)]) -> Self {
        let database = Database::new().await;
        database.sale(300, skus).await;
        Self {
            buyer: database.as_role("reserve").await,
            gateway: database.as_role("confirm").await,
            relay: database.as_role("relay").await,
            lookup: database.as_role("lookup").await,
            orders: 0,
            database,
        }
    }

    /// An order of one SKU, and its id.
    async fn buy(&mut self, sku: &str, qty: i32) -> Uuid {
        self.orders += 1;
        let user = format!("user-{}", self.orders);
        let ask = Ask { user: user.clone(), key: "k".into(), lines: vec![(sku.into(), qty)] };
        let granted = reserve(&self.buyer, true, &[ask]).await.unwrap();
        let hold = granted[0]["hold"]["hold_id"].as_str().expect("granted").to_owned();
        let (payment, amount) = (format!("p{}", self.orders), i64::from(qty) * 100);
        let paid = Paid { payment, hold, user, amount, currency: "KRW".into() };
        let order = confirm(&self.gateway, &paid).await.unwrap();
        Uuid::parse_str(order["order_id"].as_str().unwrap()).unwrap()
    }

    /// Before it is fanned out: as if it had been confirmed then.
    async fn was(&self, order: Uuid, ago: &str) {
        let sql = format!(
            "update holdfast.orders set created_at = clock_timestamp() - interval '{ago}' where order_id = '{order}'"
        );
        self.owner(&sql).await;
    }

    async fn cancel(&self, order: Uuid) {
        let by = r#"'{"actor": "minji", "reason": "asked", "request_id": "r"}'"#;
        self.owner(&format!("select holdfast.cancel_order({by}, '{order}', sha256(''), '{order}')")).await;
    }

    async fn adjust(&self, sku: &str, delta: i64) {
        let key = Uuid::new_v4();
        self.owner(&format!("select holdfast.adjust_stock('drop', '{sku}', {delta}, 'why', '{key}', sha256(''))"))
            .await;
    }

    async fn owner(&self, sql: &str) {
        self.database.owner.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    async fn fan_out(&self) {
        while self.relay.query_typed("select holdfast.fan_out(3)", &[]).await.unwrap()[0].get::<_, i32>(0) > 0 {}
    }

    /// Fans out and ranks, as `relay` does; and all that must hold does.
    async fn ranked(&self, name: &str) -> Value {
        self.fan_out().await;
        self.relay.query_typed("select holdfast.rank(0)", &[]).await.unwrap();
        assert_eq!(always::broken(&self.database.owner).await.unwrap(), []);
        self.shown(name).await
    }

    async fn shown(&self, name: &str) -> Value {
        let sql = "select holdfast.look_up_ranking($1)";
        let rows = self.lookup.query_typed(sql, &[(&name, Type::TEXT)]).await.unwrap();
        rows[0].get::<_, Json<Value>>(0).0["ranked"].take()
    }

    async fn sold(&self, name: &str) -> Vec<(String, i64)> {
        let ranked = self.ranked(name).await;
        let rows = ranked.as_array().unwrap().iter().enumerate().map(|(at, row)| {
            assert_eq!(row["rank"], json!(at + 1));
            (row["sku_id"].as_str().unwrap().to_owned(), row["sold"].as_i64().unwrap())
        });
        rows.collect()
    }

    async fn buckets(&self) -> Vec<String> {
        let sql = "select (b.*)::text from holdfast.sold_bucket b where sold <> 0
                   union all select (k.*)::text from holdfast.sku_sold k order by 1";
        self.database.owner.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

fn pairs(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(sku, sold)| ((*sku).to_owned(), *sold)).collect()
}

#[tokio::test]
async fn what_sold_more_is_first_and_of_as_many_the_one_that_sold_earlier() {
    let mut shop = Shop::new(&[("a", 9, 9), ("b", 9, 9), ("c", 9, 9), ("d", 9, 9), ("none", 9, 9)]).await;
    assert_eq!(shop.sold("1h").await, []);
    let at_one_moment = [shop.buy("c", 2).await, shop.buy("a", 2).await];
    for order in at_one_moment {
        let sql = "update holdfast.orders set created_at = date_trunc('hour', created_at) where order_id = $1";
        shop.database.owner.execute(sql, &[&order]).await.unwrap();
    }
    shop.buy("b", 1).await;
    shop.buy("d", 3).await;
    shop.buy("b", 1).await;
    let all = [("d", 3), ("a", 2), ("c", 2), ("b", 2)];
    assert_eq!(shop.sold("24h").await, pairs(&all));
    assert_eq!(
        shop.shown("24h").await[0],
        json!({"rank": 1, "sale_id": "drop", "sku_id": "d", "name": "d", "sold": 3, "sale_name": "Drop"})
    );
    // What sold before the window is in no place of it, but its first sale stays its first.
    let early = shop.buy("b", 2).await;
    shop.was(early, "2 days").await;
    assert_eq!(shop.sold("24h").await, pairs(&[("d", 3), ("b", 2), ("a", 2), ("c", 2)]));
    assert_eq!(shop.sold("7d").await, pairs(&[("b", 4), ("d", 3), ("a", 2), ("c", 2)]));
}

#[tokio::test]
async fn a_cancelled_order_is_not_counted_whenever_it_was_cancelled() {
    let mut shop = Shop::new(&[("a", 9, 9), ("b", 9, 9)]).await;
    let (first, second) = (shop.buy("a", 2).await, shop.buy("a", 3).await);
    shop.buy("b", 1).await;
    assert_eq!(shop.sold("1h").await, pairs(&[("a", 5), ("b", 1)]));
    shop.cancel(first).await;
    assert_eq!(shop.sold("1h").await, pairs(&[("a", 3), ("b", 1)]));
    shop.cancel(second).await;
    // Confirmed and cancelled before anybody looked.
    let third = shop.buy("a", 4).await;
    shop.cancel(third).await;
    assert_eq!(shop.sold("1h").await, pairs(&[("b", 1)]));
    // And one whose buckets are gone.
    let old = shop.buy("b", 1).await;
    shop.was(old, "9 days").await;
    shop.fan_out().await;
    shop.cancel(old).await;
    assert_eq!(shop.sold("7d").await, pairs(&[("b", 1)]));
}

#[tokio::test]
async fn an_order_counts_until_its_window_is_over_and_ten_seconds_less_at_most() {
    for (window, within, almost, beyond) in [
        ("1h", "58 minutes", "59 minutes 40 seconds", "60 minutes 1 second"),
        ("24h", "23 hours 1 minute", "23 hours 59 minutes 40 seconds", "24 hours 1 second"),
        ("7d", "6 days 23 hours", "6 days 23 hours 59 minutes 40 seconds", "7 days 1 second"),
    ] {
        let mut shop = Shop::new(&[("a", 9, 9)]).await;
        for (ago, sold) in [(within, 1), (almost, 2), (beyond, 2)] {
            let order = shop.buy("a", 1).await;
            shop.was(order, ago).await;
            assert_eq!(shop.sold(window).await, pairs(&[("a", sold)]), "{window}: {ago}");
        }
        // At every moment of an hour the window is of one length: whole hours and the rest of one.
        for ago in 0..60 {
            let sql = format!(
                "select holdfast.ranked_skus('1 hour', clock_timestamp() + interval '{ago} minutes') #>> '{{0,sold}}'"
            );
            let sold: Option<String> = shop.database.owner.query_one(&sql, &[]).await.unwrap().get(0);
            let expected = i64::from(window == "1h" && ago < 2) + i64::from(window == "1h" && ago < 1);
            assert_eq!(sold, (expected > 0).then(|| expected.to_string()), "{window}: {ago} minutes later");
        }
    }
}

#[tokio::test]
async fn a_draft_is_in_no_ranking() {
    let mut shop = Shop::new(&[("a", 1, 1)]).await;
    shop.buy("a", 1).await;
    assert_eq!(shop.ranked("sales").await[0]["sale_id"], "drop");
    shop.owner("update holdfast.sale set status = 'draft'").await;
    assert_eq!((shop.sold("1h").await, shop.ranked("sales").await), (vec![], json!([])));
}

#[tokio::test]
async fn a_sale_is_sold_out_when_its_last_sku_was_for_the_first_time_and_stays_so() {
    let mut shop = Shop::new(&[("a", 2, 2), ("b", 1, 1), ("nothing", 0, 1)]).await;
    shop.owner("update holdfast.sale set opens_at = date_trunc('seconds', opens_at) - interval '100 seconds'").await;
    let first = shop.buy("a", 2).await;
    let at = async |shop: &Shop, order: Uuid, after_s: i64| {
        let sql = format!(
            "update holdfast.orders o set created_at = s.opens_at + interval '{after_s}.7 seconds'
             from holdfast.sale s where o.order_id = '{order}'"
        );
        shop.owner(&sql).await;
    };
    at(&shop, first, 20).await;
    assert_eq!(shop.ranked("sales").await, json!([]));
    // The one that was sold out first is available again, and sold out again, before the other one is.
    shop.cancel(first).await;
    shop.fan_out().await;
    let again = shop.buy("a", 2).await;
    at(&shop, again, 70).await;
    shop.fan_out().await;
    shop.cancel(again).await;
    let second = shop.buy("b", 1).await;
    at(&shop, second, 50).await;
    let row = json!([{"rank": 1, "sale_id": "drop", "name": "Drop", "sold_out_in_s": 50}]);
    assert_eq!(shop.ranked("sales").await, row);
    // What happens later changes nothing.
    shop.buy("a", 2).await;
    shop.adjust("b", 5).await;
    shop.cancel(second).await;
    shop.owner("update holdfast.sale set opens_at = opens_at - interval '1 day'").await;
    assert_eq!(shop.ranked("sales").await, row);
}

#[tokio::test]
async fn stock_that_was_added_before_is_to_be_sold_too_and_taking_the_rest_out_sells_out() {
    let mut shop = Shop::new(&[("a", 1, 9), ("b", 1, 9)]).await;
    shop.buy("a", 1).await;
    shop.adjust("b", 1).await;
    shop.buy("b", 1).await;
    assert_eq!(shop.ranked("sales").await, json!([]), "one more than at first");
    shop.adjust("b", -1).await;
    // All in one call: added in the end, it was sold out before.
    shop.adjust("b", 4).await;
    assert_eq!(shop.ranked("sales").await[0]["sale_id"], "drop");
}

/// They finish while another transaction has the rankings' tables for itself; `fan_out` does not.
#[tokio::test]
async fn reserving_paying_and_cancelling_touch_no_ranking() {
    let mut shop = Shop::new(&[("a", 9, 9)]).await;
    let keeper = stack::database::connect(&shop.database.url()).await.unwrap();
    keeper
        .batch_execute(
            "begin; lock table holdfast.sold_bucket, holdfast.sku_sold, holdfast.sale_sold_out, holdfast.ranking
             in access exclusive mode",
        )
        .await
        .unwrap();
    for client in [&shop.buyer, &shop.gateway, &shop.database.owner] {
        client.batch_execute("set lock_timeout = '2s'").await.unwrap();
    }
    let order = shop.buy("a", 1).await;
    shop.cancel(order).await;
    shop.buy("a", 1).await;
    shop.relay.batch_execute("set lock_timeout = '100ms'").await.unwrap();
    let waits = shop.relay.query_typed("select holdfast.fan_out(100)", &[]).await.expect_err("it counts");
    assert_eq!(waits.code().unwrap().code(), "55P03");
    keeper.batch_execute("rollback").await.unwrap();
    assert_eq!(shop.sold("1h").await, pairs(&[("a", 1)]), "and nothing was lost by it");
}

#[tokio::test]
async fn what_former_routines_have_fanned_out_is_counted_when_these_are_applied() {
    let mut shop = Shop::new(&[("a", 9, 9), ("b", 2, 9)]).await;
    let mut orders = Vec::new();
    for (sku, ago) in [("a", "2 hours"), ("a", "30 hours"), ("b", "1 minute"), ("a", "8 days"), ("b", "2 minutes")] {
        let order = shop.buy(sku, 1).await;
        shop.was(order, ago).await;
        orders.push(order);
    }
    shop.fan_out().await;
    shop.cancel(orders[0]).await;
    let counted = {
        shop.fan_out().await;
        shop.buckets().await
    };
    // Not fanned out yet.
    shop.cancel(orders[1]).await;
    shop.buy("a", 3).await;
    shop.owner("delete from holdfast.sold_bucket; update holdfast.sku_sold set sold = 7, total = 7").await;
    shop.owner(include_str!("../../../schema/routines/relay.sql")).await;
    assert_eq!(shop.buckets().await, counted);
    assert_eq!(shop.sold("7d").await, pairs(&[("a", 3), ("b", 2)]));

    // And where nothing was counted before.
    shop.owner("truncate holdfast.sold_bucket, holdfast.sku_sold, holdfast.sale_sold_out").await;
    shop.owner("update holdfast.inventory_counter set total = 4, available = 0 where sku_id = 'a'").await;
    shop.owner("select holdfast.recount_sold()").await;
    shop.relay.query_typed("select holdfast.rank(0)", &[]).await.unwrap();
    assert_eq!(shop.shown("sales").await[0]["sale_id"], "drop", "a: 3 and one that is older than a week");
}

#[tokio::test]
async fn buckets_of_no_window_are_removed_and_those_of_one_are_not() {
    let mut shop = Shop::new(&[("a", 9, 9)]).await;
    for ago in ["1 minute", "7 days 30 minutes"] {
        let order = shop.buy("a", 1).await;
        shop.was(order, ago).await;
    }
    shop.fan_out().await;
    let remove = async |shop: &Shop| -> i32 {
        shop.relay.query_typed("select holdfast.remove_sold(1)", &[]).await.unwrap()[0].get(0)
    };
    assert_eq!((shop.buckets().await.len(), remove(&shop).await), (5, 0));
    let old = "insert into holdfast.sold_bucket select grain_s, began_at - interval '2 days', sale_id, sku_id, sold from holdfast.sold_bucket";
    shop.owner(old).await;
    assert_eq!((remove(&shop).await, remove(&shop).await), (2, 0));
    assert_eq!(shop.buckets().await.len(), 7);
}

#[tokio::test]
async fn a_ranking_is_made_again_when_it_is_old_and_by_one_at_a_time() {
    let mut shop = Shop::new(&[("a", 9, 9)]).await;
    let rank = async |relay: &Client, every_s: f64| -> bool {
        relay.query_typed("select holdfast.rank($1)", &[(&every_s, Type::FLOAT8)]).await.unwrap()[0].get(0)
    };
    assert!(rank(&shop.relay, 60.0).await, "never before");
    shop.buy("a", 1).await;
    shop.fan_out().await;
    assert!(!rank(&shop.relay, 60.0).await);
    assert_eq!(shop.shown("1h").await, json!([]));
    let another = stack::database::connect(&shop.database.url()).await.unwrap();
    another.batch_execute("begin; select from holdfast.ranking for update").await.unwrap();
    assert!(!rank(&shop.relay, 0.0).await, "another one is at it");
    another.batch_execute("rollback").await.unwrap();
    assert!(rank(&shop.relay, 0.0).await);
    assert_eq!(shop.shown("1h").await[0]["sold"], 1);
    shop.owner("update holdfast.ranking set as_of = as_of + interval '1 day'").await;
    assert!(rank(&shop.relay, 60.0).await, "the clock was set back");
}

/// A million orders in a week of a thousand SKUs: who reads a ranking reads one row, and what makes all four of them is done
/// within the time that `relay`'s role has for a statement.
#[tokio::test]
#[ignore = "long"]
async fn a_million_orders_do_not_slow_the_reading_of_a_ranking() {
    let shop = Shop::new(&[("a", 9, 9)]).await;
    for sql in [
        "insert into holdfast.sku (sale_id, sku_id, name, unit_price, max_per_user, position)
         select 'drop', 'sku-' || n, 'SKU', 100, 1, n + 1 from generate_series(1, 1000) n",
        "insert into holdfast.sku_sold (sale_id, sku_id, total, sold, first_sold_at)
         select 'drop', 'sku-' || n, 5000, 1000, now() from generate_series(1, 1000) n",
        "insert into holdfast.sold_bucket (grain_s, began_at, sale_id, sku_id, sold)
         select g, date_bin(make_interval(secs => g), now() - n * interval '0.6 seconds', 'epoch'), 'drop',
                'sku-' || (n::bigint * 7919 % 1000 + 1), count(*)
         from generate_series(1, 1000000) n, unnest(array[10, 3600]) g group by 1, 2, 3, 4",
        "vacuum (analyze) holdfast.sold_bucket",
    ] {
        shop.owner(sql).await;
    }
    shop.relay.batch_execute("set statement_timeout = '2500ms'").await.unwrap();
    shop.relay.query_typed("select holdfast.rank(0)", &[]).await.unwrap();
    assert_eq!(shop.shown("7d").await.as_array().unwrap().len(), 100);
    // The second time: the first one reads the catalog.
    let mut blocks = 0;
    for _ in 0..2 {
        let plan = "explain (analyze, buffers, format json) select holdfast.look_up_ranking('7d')";
        let Json(plan): Json<Value> = shop.database.owner.query_one(plan, &[]).await.unwrap().get(0);
        let of = |name: &str| plan[0]["Plan"][name].as_i64().unwrap();
        blocks = of("Shared Hit Blocks") + of("Shared Read Blocks");
    }
    assert!(blocks < 20, "{blocks} blocks");
}
