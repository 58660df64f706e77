//! What costs nothing is bought without a gateway: T2 by the hold alone.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use support::client::{Answer, Client};
use support::database::{Ask, Database, release, reserve, sweep};

async fn free_sale(client: &Client, stock: i64, hold_ttl_s: i64) -> String {
    let sale_id = format!("t-{}", Uuid::new_v4());
    let skus = json!([{"sku_id": "free", "name": "Free", "unit_price": 0, "stock": stock, "max_per_user": 2},
                      {"sku_id": "dear", "name": "Dear", "unit_price": 700, "stock": stock, "max_per_user": 2}]);
    let sale = json!({"sale_id": sale_id, "name": "선착순", "currency": "KRW", "hold_ttl_s": hold_ttl_s, "skus": skus});
    client.admin(Method::POST, "/v1/admin/sales", Some(sale)).await.ok(201);
    sale_id
}

async fn pay(client: &Client, user: &str, hold: &Value, body: Value) -> Answer {
    let path = format!("/v1/reservations/{}/pay", hold["hold_id"].as_str().unwrap());
    client.send(client.buyer(user, Method::POST, &path).json(&body)).await
}

fn one(sku: &str) -> Value {
    json!([{"sku_id": sku, "qty": 1}])
}

#[tokio::test]
async fn a_zero_amount_hold_is_bought_and_cancelled_without_moving_money() {
    let client = Client::new();
    let sale = free_sale(&client, 5, 300).await;
    let hold = client.reserve("ann", "k", &sale, one("free")).await.ok(201);
    assert_eq!(hold["total_amount"], 0);
    let paid = pay(&client, "ann", &hold, json!({"method": "free"})).await;
    assert!(paid.header("ratelimit").is_some(), "it counts against the user's limit: {paid:?}");
    let paid = paid.ok(200);
    assert_eq!((&paid["result"], paid.as_object().unwrap().len()), (&json!("confirmed"), 2));
    for method in ["free", "wallet"] {
        assert_eq!(pay(&client, "ann", &hold, json!({"method": method})).await.ok(200), paid, "{method}");
    }
    let path = format!("/v1/orders/{}", paid["order_id"].as_str().unwrap());
    let order = client.get("ann", &path).await.ok(200);
    assert_eq!((&order["status"], &order["total_amount"]), (&json!("CONFIRMED"), &json!(0)));
    assert_eq!(order["payment"], json!({"method": "free"}));
    // A payment for the same hold is refunded.
    let second = client.pay(&format!("pay_{}", Uuid::new_v4()), &hold, "ann").await.ok(200);
    assert_eq!(second["reason"], "already_paid");

    let cancel = format!("/v1/admin{}/cancel", path.trim_start_matches("/v1"));
    let cancelled = client.admin(Method::POST, &cancel, Some(json!({"reason": "broken"}))).await.ok(200);
    assert_eq!((&cancelled["status"], &cancelled["refund"]), (&json!("CANCELLED"), &Value::Null));
    assert_eq!(pay(&client, "ann", &hold, json!({"method": "free"})).await.ok(200), paid, "its first answer");
    let report = client.report(&sale).await;
    assert_eq!(report["skus"][0], json!({"sku_id": "free", "total": 5, "available": 5, "held": 0, "sold": 0}));
}

#[tokio::test]
async fn a_hold_with_a_price_is_not_bought_for_free_and_stays() {
    let client = Client::new();
    let sale = free_sale(&client, 5, 300).await;
    let hold = client.reserve("ann", "k", &sale, one("dear")).await.ok(201);
    let refused = pay(&client, "ann", &hold, json!({"method": "free"})).await;
    assert_eq!(refused.refusal(), (422, "invalid_request".into()));
    assert_eq!(refused.body["errors"][0]["pointer"], "/method");
    let refused = pay(&client, "ann", &hold, json!({"method": "wallet"})).await;
    assert_eq!(refused.refusal(), (409, "insufficient_balance".into()));
    assert_eq!((&refused.body["balance"], &refused.body["required"]), (&json!(0), &json!(700)));
    for (body, status) in [
        (json!({"method": "card"}), (422, "invalid_request")),
        (json!({"method": ""}), (422, "invalid_request")),
        (json!({"method": 1}), (400, "malformed_request")),
        (json!({}), (400, "malformed_request")),
        (json!(["free"]), (400, "malformed_request")),
        (json!({"method": "free", "amount": 0}), (400, "malformed_request")),
    ] {
        let refused = pay(&client, "ann", &hold, body.clone()).await;
        assert_eq!(refused.refusal(), (status.0, status.1.into()), "{body}");
    }
    assert_eq!(client.get("ann", "/v1/reservations?status=HOLD").await.ok(200)["reservations"], json!([hold]));
}

#[tokio::test]
async fn another_users_hold_or_an_ended_one_is_not_bought() {
    let client = Client::new();
    let sale = free_sale(&client, 5, 1).await;
    let hold = client.reserve("ann", "k", &sale, one("free")).await.ok(201);
    let free = || json!({"method": "free"});
    assert_eq!(pay(&client, "bob", &hold, free()).await.refusal(), (404, "not_found".into()));
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    // Which refusal comes first: the hold has ended, whatever the method.
    for method in ["free", "wallet"] {
        let refused = pay(&client, "ann", &hold, json!({"method": method})).await;
        assert_eq!(refused.refusal(), (409, "hold_not_active".into()));
        assert_eq!(refused.body["hold_status"], "EXPIRED");
    }
    let dear = client.reserve("bob", "k", &sale, one("dear")).await.ok(201);
    let path = format!("/v1/reservations/{}", dear["hold_id"].as_str().unwrap());
    client.send(client.buyer("bob", Method::DELETE, &path)).await.ok(200);
    assert_eq!(pay(&client, "bob", &dear, free()).await.body["hold_status"], "RELEASED");
}

/// A hundred who press at once, each twice: each has one order, and the sums agree.
#[tokio::test]
async fn a_hundred_free_orders_at_once_are_a_hundred() {
    let client = Client::new();
    let sale = free_sale(&client, 50, 300).await;
    let buyers = (0..100).map(async |n| {
        let user = format!("buyer-{n}");
        let held = client.reserve(&user, "k", &sale, one("free")).await;
        if held.status != 201 {
            return assert_eq!(held.refusal(), (409, "sold_out".into()));
        }
        let press = || pay(&client, &user, &held.body, json!({"method": "free"}));
        let (one, other) = tokio::join!(press(), press());
        assert_eq!(one.ok(200), other.ok(200));
    });
    futures_util::future::join_all(buyers).await;
    let report = client.report(&sale).await;
    assert_eq!(report["skus"][0], json!({"sku_id": "free", "total": 50, "available": 0, "held": 0, "sold": 50}));
    assert_eq!(report["orders"]["CONFIRMED"], 50);
}

#[tokio::test]
async fn a_free_purchase_beside_a_release_or_a_sweep_ends_as_one_of_them() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1000, 1000)]).await;
    database.owner.batch_execute("update holdfast.sku set unit_price = 0").await.unwrap();
    let (reserving, taking) = (database.as_role("reserve").await, database.as_role("confirm").await);
    let (releasing, sweeping) = (database.as_role("release").await, database.as_role("expire").await);
    for round in 0..50 {
        let ask = Ask { user: "ann".into(), key: format!("k{round}"), lines: vec![("a".into(), 1)] };
        let granted = reserve(&reserving, true, &[ask]).await.unwrap();
        let hold = granted[0]["hold"]["hold_id"].as_str().unwrap().to_owned();
        let id = Uuid::parse_str(&hold).unwrap();
        let take = async {
            let rows =
                taking.query_typed("select holdfast.pay('ann', $1, 'free')", &[(&id, Type::UUID)]).await.unwrap();
            rows[0].get::<_, Json<Value>>(0).0["outcome"].as_str().unwrap().to_owned()
        };
        if round % 2 == 0 {
            let (taken, released) = tokio::join!(take, release(&releasing, "ann", &hold));
            assert_eq!(taken == "confirmed", released.unwrap()["outcome"] != "released", "{taken}");
        } else {
            let lapse = "update holdfast.reservation_hold set created_at = now() - interval '2 s', expire_at = now()
                         where hold_id = $1 and status = 'HOLD'";
            database.owner.execute(lapse, &[&id]).await.unwrap();
            // The sweep skips locked rows, and comes again.
            let (taken, swept) = tokio::join!(take, sweep(&sweeping));
            assert!(taken == "hold_not_active" && swept.unwrap() <= 1, "{taken}");
        }
        database.checked_report().await;
    }
}
