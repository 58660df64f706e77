//! What becomes of an order, by HTTP: an operator moves it on by version, its buyer sees it and may cancel it.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use support::client::{Answer, Client};

async fn sale(client: &Client, buyer_cancel: bool) -> String {
    let sale_id = format!("t-{}", Uuid::new_v4());
    let skus = json!([{"sku_id": "a", "name": "A", "unit_price": 700, "stock": 5, "max_per_user": 1}]);
    let mut sale = json!({"sale_id": sale_id, "name": "한정판", "currency": "KRW", "skus": skus});
    if buyer_cancel {
        sale["buyer_cancel"] = json!(true);
    }
    let made = client.admin(Method::POST, "/v1/admin/sales", Some(sale.clone())).await.ok(201);
    assert_eq!(made["buyer_cancel"], buyer_cancel);
    if !buyer_cancel {
        // Said or left out, it is the same sale.
        sale["buyer_cancel"] = json!(false);
        client.admin(Method::POST, "/v1/admin/sales", Some(sale)).await.ok(200);
    }
    sale_id
}

/// The order's path under `/v1`.
async fn bought(client: &Client, sale: &str, user: &str) -> String {
    let hold =
        client.reserve(user, &Uuid::new_v4().to_string(), sale, json!([{"sku_id": "a", "qty": 1}])).await.ok(201);
    let paid = client.pay(&format!("pay_{}", Uuid::new_v4()), &hold, user).await.ok(200);
    format!("/orders/{}", paid["order_id"].as_str().unwrap())
}

async fn patch(client: &Client, order: &str, if_match: Option<&str>, body: &Value) -> Answer {
    let request =
        client.request(Method::PATCH, &format!("/v1/admin{order}")).bearer_auth(client.setting("admin_token"));
    let request = if_match.into_iter().fold(request, |request, tag| request.header("if-match", tag));
    client.send(request.json(body)).await
}

async fn cancel(client: &Client, order: &str, user: &str, body: Option<Value>) -> Answer {
    let request = client.buyer(user, Method::POST, &format!("/v1{order}/cancel"));
    client.send(body.into_iter().fold(request, |request, body| request.json(&body))).await
}

#[tokio::test]
async fn an_operator_moves_an_order_on_by_version_and_its_buyer_sees_it() {
    let client = Client::new();
    let sale = sale(&client, false).await;
    let order = bought(&client, &sale, "ann").await;
    for (version, status, tracking) in
        [(1, "PREPARING", None), (2, "SHIPPED", Some("CJ 1234-5678")), (3, "DELIVERED", None)]
    {
        let mut body = json!({"status": status, "reason": "by the book"});
        tracking.into_iter().for_each(|tracking| body["tracking"] = json!(tracking));
        let moved = patch(&client, &order, Some(&format!("\"{version}\"")), &body).await;
        assert_eq!(moved.header("etag"), Some(format!("\"{}\"", version + 1).as_str()));
        let moved = moved.ok(200);
        assert_eq!((&moved["status"], &moved["user_id"]), (&json!(status), &json!(client.user("ann"))));
        let seen = client.get("ann", &format!("/v1{order}")).await.ok(200);
        let tracking = if version > 1 { json!("CJ 1234-5678") } else { Value::Null };
        assert_eq!(
            (&seen["status"], &seen["tracking"], &seen["version"]),
            (&json!(status), &tracking, &json!(version + 1))
        );
    }
    let full = client.reserve("ann", "k2", &sale, json!([{"sku_id": "a", "qty": 1}])).await;
    assert_eq!(full.refusal(), (409, "limit_reached".into()));
    let back = patch(&client, &order, Some("\"4\""), &json!({"status": "RETURNED", "restock": false})).await.ok(200);
    assert_eq!((&back["status"], &back["refund"]["amount"]), (&json!("RETURNED"), &json!(700)));
    client.reserve("ann", "k2", &sale, json!([{"sku_id": "a", "qty": 1}])).await.ok(201);
    let report = client.report(&sale).await;
    assert_eq!(report["skus"][0], json!({"sku_id": "a", "total": 4, "available": 3, "held": 1, "sold": 0}));
    assert_eq!(report["orders"]["RETURNED"], 1);
}

#[tokio::test]
async fn each_refusal_of_a_change_comes_in_its_order() {
    let client = Client::new();
    let sale = sale(&client, false).await;
    let order = bought(&client, &sale, "ann").await;
    let nobodys = format!("/orders/{}", Uuid::now_v7());
    let prepare = || json!({"status": "PREPARING"});
    for (order, tag, body, status, code) in [
        (&order, Some("*"), json!({"status": "x"}), 400, "malformed_request"),
        (&order, Some("W/\"1\""), prepare(), 400, "malformed_request"),
        (&order, Some("\"1\", \"2\""), prepare(), 400, "malformed_request"),
        (&order, Some("1"), prepare(), 400, "malformed_request"),
        (&order, Some("\"1\""), json!({"status": "PREPARING", "items": []}), 400, "malformed_request"),
        (&order, Some("\"1\""), json!({"tracking": "CJ 1"}), 400, "malformed_request"),
        (&order, Some("\"1\""), json!({"status": "RETURNED", "restock": "no"}), 400, "malformed_request"),
        (&order, None, json!({"status": "x"}), 422, "invalid_request"),
        (&order, None, json!({"status": "PREPARING", "tracking": "CJ 1"}), 422, "invalid_request"),
        (&order, None, json!({"status": "PREPARING", "reason": "\u{202e}"}), 422, "invalid_request"),
        (&nobodys, None, prepare(), 428, "precondition_required"),
        (&nobodys, Some("\"1\""), prepare(), 404, "not_found"),
        (&order, Some("\"2\""), json!({"status": "RETURNED"}), 412, "precondition_failed"),
        (&order, Some("\"abc\""), prepare(), 412, "precondition_failed"),
        (&order, Some("\"1\""), json!({"status": "CONFIRMED"}), 409, "transition_not_allowed"),
        (&order, Some("\"1\""), json!({"status": "SHIPPED", "tracking": "CJ 1"}), 409, "transition_not_allowed"),
    ] {
        let refused = patch(&client, order, tag, &body).await;
        assert_eq!(refused.refusal(), (status, code.into()), "{tag:?} {body}");
        match code {
            "precondition_failed" => assert_eq!(refused.body["version"], 1),
            "transition_not_allowed" => assert_eq!(refused.body["order_status"], "CONFIRMED"),
            _ => {}
        }
    }
    let viewer = client.stack["admin_tokens"]["viewer"].as_str().unwrap();
    let request = client.request(Method::PATCH, &format!("/v1/admin{order}")).bearer_auth(viewer);
    let refused = client.send(request.header("if-match", "\"1\"").json(&prepare())).await;
    assert_eq!(refused.refusal(), (403, "forbidden".into()));
    // Of what was shipped an operator's cancellation is refused too.
    patch(&client, &order, Some("\"1\""), &prepare()).await.ok(200);
    patch(&client, &order, Some("\"2\""), &json!({"status": "SHIPPED"})).await.ok(200);
    let refused = client.admin(Method::POST, &format!("/v1/admin{order}/cancel"), Some(json!({}))).await;
    assert_eq!(refused.refusal(), (409, "transition_not_allowed".into()));
    assert_eq!(refused.body["order_status"], "SHIPPED");
}

#[tokio::test]
async fn a_buyer_cancels_where_the_sale_lets_them_and_the_piece_is_there_at_once() {
    let client = Client::new();
    let sale = sale(&client, true).await;
    assert_eq!(client.get("ann", &format!("/v1/sales/{sale}")).await.ok(200)["buyer_cancel"], true);
    let order = bought(&client, &sale, "ann").await;
    assert_eq!(cancel(&client, &order, "bob", None).await.refusal(), (404, "not_found".into()));
    let refused = cancel(&client, &order, "ann", Some(json!({"reason": ""}))).await;
    assert_eq!(refused.refusal(), (422, "invalid_request".into()));
    let cancelled = cancel(&client, &order, "ann", Some(json!({"reason": "too small"}))).await;
    assert_eq!(cancelled.header("etag"), Some("\"2\""));
    assert!(cancelled.header("ratelimit").is_some(), "it counts to the user's limit");
    let cancelled = cancelled.ok(200);
    assert_eq!((&cancelled["status"], &cancelled["refund"]["status"]), (&json!("CANCELLED"), &json!("pending")));
    assert_eq!(cancelled.get("user_id"), None);
    let again = cancel(&client, &order, "ann", None).await.ok(200);
    assert_eq!((&again["status"], &again["version"]), (&json!("CANCELLED"), &json!(2)));
    let other = bought(&client, &sale, "ann").await;
    patch(&client, &other, Some("\"1\""), &json!({"status": "PREPARING"})).await.ok(200);
    let refused = cancel(&client, &other, "ann", None).await;
    assert_eq!(refused.refusal(), (409, "transition_not_allowed".into()));
    assert_eq!(refused.body["order_status"], "PREPARING");

    let strict = self::sale(&client, false).await;
    let order = bought(&client, &strict, "ann").await;
    assert_eq!(cancel(&client, &order, "ann", None).await.refusal(), (403, "forbidden".into()));
}

/// The last piece is sold out for everybody until its buyer cancels, and then the next press has it.
#[tokio::test]
async fn stock_that_a_buyer_gave_back_is_available_to_the_next_buyer_at_once() {
    let client = Client::new();
    let sale = sale(&client, true).await;
    let mut orders = Vec::new();
    for n in 0..5 {
        orders.push(bought(&client, &sale, &format!("u{n}")).await);
    }
    let next = |user: &'static str| client.reserve(user, "k", &sale, json!([{"sku_id": "a", "qty": 1}]));
    assert_eq!(next("late").await.refusal(), (409, "sold_out".into()));
    assert_eq!(next("later").await.refusal(), (409, "sold_out".into()));
    cancel(&client, &orders[2], "u2", None).await.ok(200);
    next("last").await.ok(201);
    client.report(&sale).await;
}

#[tokio::test]
async fn operators_and_a_buyer_at_once_move_an_order_one_step() {
    let client = Client::new();
    let sale = sale(&client, true).await;
    for round in 0..5 {
        let user = format!("u{round}");
        let order = bought(&client, &sale, &user).await;
        let prepare = json!({"status": "PREPARING"});
        let (one, other, own) = tokio::join!(
            patch(&client, &order, Some("\"1\""), &prepare),
            patch(&client, &order, Some("\"1\""), &prepare),
            cancel(&client, &order, &user, None),
        );
        let answers = [&one, &other, &own];
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
        for refused in answers.into_iter().filter(|answer| answer.status != 200) {
            let heard = refused.refusal();
            let late = [(412, "precondition_failed".to_owned()), (409, "transition_not_allowed".to_owned())];
            assert!(late.contains(&heard), "{heard:?}");
        }
        let seen = client.get(&user, &format!("/v1{order}")).await.ok(200);
        assert_eq!(seen["version"], 2, "{seen}");
    }
    client.report(&sale).await;
}
