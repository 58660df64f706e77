//! What sells best and what was sold out fastest, as everybody sees it half a minute later at most.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use support::client::{Client, until};

async fn buy(client: &Client, user: &str, sale: &str, sku: &str, qty: i64) -> String {
    let hold =
        client.reserve(user, &Uuid::new_v4().to_string(), sale, json!([{"sku_id": sku, "qty": qty}])).await.ok(201);
    let paid = client.pay(&format!("pay_{}", Uuid::new_v4()), &hold, user).await.ok(200);
    paid["order_id"].as_str().unwrap().to_owned()
}

/// Of the other tests' sales nothing is said.
async fn sold(client: &Client, window: &str, sale: &str) -> Value {
    let ranking = client.get("nobody", &format!("/v1/rankings/skus?window={window}&limit=100")).await.ok(200);
    assert_eq!(ranking["window"], window);
    let rows = ranking["skus"].as_array().unwrap().iter();
    let rows = rows.filter(|row| row["sale_id"] == sale).map(|row| json!([row["sku_id"], row["sold"]]));
    rows.collect()
}

#[tokio::test]
async fn what_was_bought_is_ranked_and_what_was_cancelled_is_not() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 100, 100), ("b", 100, 100)]).await;
    // More than other tests sell of one SKU.
    buy(&client, "ann", &sale, "a", 40).await;
    let cancelled = buy(&client, "bob", &sale, "b", 60).await;
    let sees = async |expected: Value| {
        until("the ranking follows", 30, || async { (sold(&client, "1h", &sale).await == expected).then_some(()) })
            .await;
    };
    sees(json!([["b", 60], ["a", 40]])).await;
    let cancel = format!("/v1/admin/orders/{cancelled}/cancel");
    client.admin(Method::POST, &cancel, Some(json!({"reason": "asked"}))).await.ok(200);
    sees(json!([["a", 40]])).await;
    for window in ["24h", "7d"] {
        until("each window", 30, || async { (sold(&client, window, &sale).await == json!([["a", 40]])).then_some(()) })
            .await;
    }
}

#[tokio::test]
async fn a_sale_that_was_sold_out_says_how_fast() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 2, 2), ("b", 1, 1)]).await;
    buy(&client, "ann", &sale, "a", 2).await;
    buy(&client, "bob", &sale, "b", 1).await;
    let row = until("the sale is listed", 30, || async {
        let ranking = client.get("nobody", "/v1/rankings/sales?limit=100").await.ok(200);
        ranking["sales"].as_array().unwrap().iter().find(|row| row["sale_id"] == sale.as_str()).cloned()
    })
    .await;
    assert!(row["sold_out_in_s"].as_u64().is_some_and(|seconds| seconds < 30), "{row}");
    let members: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["name", "rank", "sale_id", "sold_out_in_s"]);
}

#[tokio::test]
async fn a_ranking_is_young_cached_for_ten_seconds_and_has_three_windows() {
    let client = Client::new();
    for path in ["/v1/rankings/skus", "/v1/rankings/skus?window=7d&limit=1", "/v1/rankings/sales"] {
        let answer = client.get("nobody", path).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("public, max-age=10")), "{path}");
        assert!(answer.header("etag").is_some());
        let ranking = answer.ok(200);
        let as_of: jiff::Timestamp = ranking["as_of"].as_str().unwrap().parse().unwrap();
        let age_s = jiff::Timestamp::now().as_second() - as_of.as_second();
        assert!((-1..30).contains(&age_s), "{path}: {age_s} s");
    }
    for (query, pointer) in
        [("window=2h", "/window"), ("window=", "/window"), ("limit=0", "/limit"), ("limit=101", "/limit")]
    {
        let refused = client.get("nobody", &format!("/v1/rankings/skus?{query}")).await;
        assert_eq!(refused.refusal(), (422, "invalid_request".to_owned()), "{query}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{query}");
    }
    let refused = client.get("nobody", "/v1/rankings/sales?window=1h").await;
    assert_eq!(refused.refusal(), (400, "malformed_request".to_owned()));
}
