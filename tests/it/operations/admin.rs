//! What an operator does, through the edge.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use support::client::{Client, until};

fn new_sale(id: &str) -> Value {
    json!({"sale_id": id, "name": "Drop", "currency": "KRW",
           "skus": [{"sku_id": "a", "name": "A", "unit_price": 1, "stock": 5}]})
}

#[tokio::test]
async fn a_sale_is_created_once_and_the_same_body_again_is_no_conflict() {
    let client = Client::new();
    let id = format!("t-{}", Uuid::new_v4());
    let created = client.admin(Method::POST, "/v1/admin/sales", Some(new_sale(&id))).await.ok(201);
    assert_eq!(
        (&created["status"], &created["hold_ttl_s"], &created["skus"][0]["max_per_user"]),
        (&json!("open"), &json!(300), &json!(1))
    );
    let again = client.admin(Method::POST, "/v1/admin/sales", Some(new_sale(&id))).await.ok(200);
    assert_eq!(created, again);
    let mut other = new_sale(&id);
    other["name"] = json!("Another");
    let refused = client.admin(Method::POST, "/v1/admin/sales", Some(other)).await;
    assert_eq!(refused.refusal(), (409, "already_exists".into()));
}

/// A hundred SKUs with long names are more than a buyer may send.
#[tokio::test]
async fn an_operators_body_may_be_a_mebibyte_long_and_a_buyers_may_not() {
    let client = Client::new();
    let id = format!("t-{}", Uuid::new_v4());
    let name = "봄".repeat(200);
    let skus: Vec<Value> =
        (0..100).map(|n| json!({"sku_id": format!("s{n}"), "name": name, "unit_price": 1, "stock": 5})).collect();
    let sale = json!({"sale_id": id, "name": name, "currency": "KRW", "skus": skus});
    let create = |length: usize| {
        let body = sale.to_string();
        let filled = " ".repeat(length.saturating_sub(body.len())) + &body;
        client.request(Method::POST, "/v1/admin/sales").header("content-type", "application/json").body(filled)
    };
    let token = client.stack["admin_tokens"]["operator"].as_str().unwrap();
    let made = client.send(create(1_048_576).bearer_auth(token)).await.ok(201);
    assert_eq!((made["skus"].as_array().unwrap().len(), &made["skus"][99]["name"]), (100, &json!(name)));
    client.send(create(0).bearer_auth(token)).await.ok(200);
    let refused = client.send(create(1_048_577).bearer_auth(token)).await;
    assert_eq!(refused.refusal(), (413, "payload_too_large".into()));
}

#[tokio::test]
async fn a_sale_that_is_over_is_still_the_sale_it_was_made_as_and_a_new_one_must_end_later_than_now() {
    let client = Client::new();
    let create = async |sale: &Value| client.admin(Method::POST, "/v1/admin/sales", Some(sale.clone())).await;
    let mut sale = new_sale(&format!("t-{}", Uuid::new_v4()));
    sale["closes_at"] = json!((jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2)).to_string());
    create(&sale).await.ok(201);
    let path = format!("/v1/sales/{}", sale["sale_id"].as_str().unwrap());
    until("the sale is over", 10, || async {
        let seen = client.send(client.request(Method::GET, &path)).await.ok(200);
        (seen["status"] == "closed").then_some(())
    })
    .await;
    assert_eq!(create(&sale).await.ok(200)["status"], "closed");
    let mut other = sale.clone();
    other["name"] = json!("Another");
    assert_eq!(create(&other).await.refusal(), (409, "already_exists".into()));
    // The same as a new one: it would never be open.
    sale["sale_id"] = json!(format!("t-{}", Uuid::new_v4()));
    let refused = create(&sale).await;
    assert_eq!(refused.refusal(), (422, "invalid_request".into()));
    assert_eq!(refused.body["errors"][0]["pointer"], "/closes_at");
    let unmade = format!("/v1/admin/sales/{}/report", sale["sale_id"].as_str().unwrap());
    assert_eq!(client.admin(Method::GET, &unmade, None).await.refusal(), (404, "not_found".into()));
    // One that was over before it was written down is no fault where both times are said.
    sale["opens_at"] = json!("2020-01-01T00:00:00Z");
    assert_eq!(create(&sale).await.ok(201)["status"], "closed");
}

#[tokio::test]
async fn a_sale_may_last_to_the_end_of_the_last_year_and_its_names_can_be_read() {
    let client = Client::new();
    let mut sale = new_sale(&format!("t-{}", Uuid::new_v4()));
    sale["closes_at"] = json!("9999-12-31T23:59:59Z");
    let made = client.admin(Method::POST, "/v1/admin/sales", Some(sale.clone())).await.ok(201);
    assert_eq!(made["closes_at"], "9999-12-31T23:59:59.000Z");
    sale["sale_id"] = json!(format!("t-{}", Uuid::new_v4()));
    sale["opens_at"] = json!("2026-12-01T00:00:00+25:00");
    sale["name"] = json!("a\u{202e}b");
    sale["skus"][0]["name"] = json!("\u{200b}");
    let refused = client.admin(Method::POST, "/v1/admin/sales", Some(sale)).await;
    let errors = refused.body["errors"].as_array().unwrap();
    let pointers: Vec<&str> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/name", "/opens_at", "/skus/0/name"], "{refused:?}");
}

#[tokio::test]
async fn all_field_errors_of_a_sale_are_listed_at_once() {
    let client = Client::new();
    let mut sale = new_sale("Not A Slug");
    sale["currency"] = json!("XXZ");
    sale["skus"][0]["stock"] = json!(-1);
    let refused = client.admin(Method::POST, "/v1/admin/sales", Some(sale)).await;
    assert_eq!(refused.refusal(), (422, "invalid_request".into()));
    let pointers: Vec<&str> =
        refused.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/sale_id", "/currency", "/skus/0/stock"]);
    let mut unknown = new_sale("x");
    unknown["color"] = json!("red");
    let refused = client.admin(Method::POST, "/v1/admin/sales", Some(unknown)).await;
    assert_eq!(refused.refusal(), (400, "malformed_request".into()));
}

#[tokio::test]
async fn a_sale_is_paused_and_opened_again() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 5, 1)]).await;
    let path = format!("/v1/admin/sales/{sale}");
    let paused = client.admin(Method::PATCH, &path, Some(json!({"status": "paused"}))).await.ok(200);
    assert_eq!(paused["status"], "paused");
    let items = json!([{"sku_id": "a", "qty": 1}]);
    let refused = client.reserve("ann", "k", &sale, items.clone()).await;
    assert_eq!(refused.refusal(), (403, "sale_not_open".into()));
    assert_eq!(refused.body["status"], 403, "the problem's own member");
    client.admin(Method::PATCH, &path, Some(json!({"status": "open"}))).await.ok(200);
    client.reserve("ann", "k", &sale, items).await.ok(201);
    let bogus = client.admin(Method::PATCH, &path, Some(json!({"status": "sleeping"}))).await;
    assert_eq!(bogus.refusal(), (422, "invalid_request".into()));
    let unknown = client.admin(Method::PATCH, "/v1/admin/sales/no-such-sale", Some(json!({"status": "open"}))).await;
    assert_eq!(unknown.refusal(), (404, "not_found".into()));
}

#[tokio::test]
async fn stock_is_adjusted_once_per_key_and_never_below_zero() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 5, 1)]).await;
    let adjust = |key: &str, delta: i64| {
        let body = json!({"sale_id": sale, "delta": delta, "reason": "found a box"});
        client
            .request(Method::POST, "/v1/admin/skus/a/stock")
            .bearer_auth(client.setting("admin_token"))
            .header("idempotency-key", key.to_owned())
            .json(&body)
    };
    let key = Uuid::new_v4().to_string();
    let first = client.send(adjust(&key, 3)).await;
    assert_eq!((&first.body["total"], &first.body["available"]), (&json!(8), &json!(8)), "{first:?}");
    let again = client.send(adjust(&key, 3)).await;
    assert_eq!((again.status, again.header("idempotent-replayed"), &again.text), (200, Some("true"), &first.text));
    assert_eq!(client.send(adjust(&key, 4)).await.refusal(), (422, "idempotency_key_reused".into()));
    let too_much = client.send(adjust(&Uuid::new_v4().to_string(), -9)).await;
    assert_eq!(too_much.refusal(), (409, "sold_out".into()));
    let keyless = client
        .request(Method::POST, "/v1/admin/skus/a/stock")
        .bearer_auth(client.setting("admin_token"))
        .json(&json!({"sale_id": sale, "delta": 1, "reason": "x"}));
    assert_eq!(client.send(keyless).await.refusal(), (400, "idempotency_key_missing".into()));
    assert_eq!(client.report(&sale).await["skus"][0]["total"], 8);
}

#[tokio::test]
async fn only_the_admin_token_operates() {
    let client = Client::new();
    for request in [
        client.request(Method::GET, "/v1/admin/sales/x/report"),
        client.request(Method::GET, "/v1/admin/sales/x/report").bearer_auth("wrong"),
        client.request(Method::GET, "/v1/admin/sales/x/report").bearer_auth(client.token("ann")),
    ] {
        let refused = client.send(request).await;
        assert_eq!(refused.refusal(), (401, "unauthenticated".into()));
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
}
