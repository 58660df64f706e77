//! `PATCH /v1/reservations/{hold_id}`: a buyer changes what is held.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use support::client::{Answer, Client};

async fn patch(client: &Client, user: &str, hold: &Value, if_match: Option<&str>, body: &Value) -> Answer {
    let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
    let request = client.buyer(user, Method::PATCH, &path);
    let request = if_match.into_iter().fold(request, |request, tag| request.header("if-match", tag));
    client.send(request.json(body)).await
}

fn items(lines: &[(&str, i64)]) -> Value {
    let lines: Vec<Value> = lines.iter().map(|(sku, qty)| json!({"sku_id": sku, "qty": qty})).collect();
    json!({"items": lines})
}

#[tokio::test]
async fn a_hold_is_changed_by_version_and_the_same_again_is_the_same() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 5, 5), ("b", 5, 5)]).await;
    let first = client.reserve("ann", "k1", &sale, items(&[("a", 1)])["items"].clone()).await.ok(201);
    let changed = patch(&client, "ann", &first, Some("\"1\""), &items(&[("b", 2), ("a", 1)])).await;
    assert_eq!(changed.header("etag"), Some("\"2\""));
    assert!(changed.header("ratelimit").is_some(), "it counts to the user's limit");
    let changed = changed.ok(200);
    let mut wanted = first.clone();
    wanted["items"] =
        json!([{"sku_id": "b", "qty": 2, "unit_price": 1000}, {"sku_id": "a", "qty": 1, "unit_price": 1000}]);
    (wanted["total_amount"], wanted["subtotal_amount"], wanted["version"]) = (json!(3000), json!(3000), json!(2));
    assert_eq!(changed, wanted);
    for tag in ["\"1\"", "\"2\"", "\"abc\""] {
        assert_eq!(
            patch(&client, "ann", &first, Some(tag), &items(&[("b", 2), ("a", 1)])).await.ok(200),
            wanted,
            "{tag}"
        );
    }
    let seen = client.get("ann", &format!("/v1/reservations/{}", first["hold_id"].as_str().unwrap())).await;
    assert_eq!((seen.header("etag"), &seen.body), (Some("\"2\""), &wanted));
    let replay = client.reserve("ann", "k1", &sale, items(&[("a", 1)])["items"].clone()).await;
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
    assert_eq!(replay.ok(201), first);

    let late = client.pay_with(&format!("pay_{}", Uuid::new_v4()), &first, "ann", 1000).await.ok(200);
    assert_eq!(late["reason"], "amount_mismatch");
    let paid = client.pay(&format!("pay_{}", Uuid::new_v4()), &wanted, "ann").await.ok(200);
    let order = client.get("ann", &format!("/v1/orders/{}", paid["order_id"].as_str().unwrap())).await.ok(200);
    assert_eq!((&order["items"], &order["total_amount"]), (&wanted["items"], &json!(3000)));
    client.report(&sale).await;
}

#[tokio::test]
async fn each_refusal_of_a_change_comes_in_its_order() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 5, 3), ("b", 1, 3)]).await;
    let hold = client.reserve("ann", "k1", &sale, items(&[("a", 1)])["items"].clone()).await.ok(201);
    let nobodys = json!({"hold_id": Uuid::now_v7()});
    for (hold, tag, body, status, code) in [
        (&hold, Some("*"), items(&[]), 400, "malformed_request"),
        (&hold, Some("W/\"1\""), items(&[("a", 2)]), 400, "malformed_request"),
        (&hold, Some("\"1\""), json!({"items": [], "sale_id": sale}), 400, "malformed_request"),
        (&hold, Some("\"1\""), json!({}), 400, "malformed_request"),
        (&hold, Some("\"1\""), json!({"items": [["a", 1]]}), 400, "malformed_request"),
        (&hold, None, items(&[]), 422, "invalid_request"),
        (&hold, None, items(&[("a", 0)]), 422, "invalid_request"),
        (&hold, None, items(&[("a", 1), ("a", 1)]), 422, "invalid_request"),
        (&nobodys, None, items(&[("a", 2)]), 428, "precondition_required"),
        (&nobodys, Some("\"1\""), items(&[("a", 2)]), 404, "not_found"),
        (&hold, Some("\"2\""), items(&[("x", 2)]), 412, "precondition_failed"),
        (&hold, Some("\"1\""), items(&[("x", 2), ("a", 9)]), 404, "not_found"),
        (&hold, Some("\"1\""), items(&[("b", 9), ("a", 9)]), 409, "limit_reached"),
        (&hold, Some("\"1\""), items(&[("b", 2)]), 409, "sold_out"),
    ] {
        let refused = patch(&client, "ann", hold, tag, &body).await;
        assert_eq!(refused.refusal(), (status, code.into()), "{tag:?} {body}");
        if code == "precondition_failed" {
            assert_eq!(refused.body["version"], 1);
        }
    }
    assert_eq!(patch(&client, "bob", &hold, Some("\"1\""), &items(&[("a", 2)])).await.refusal().0, 404);
    client.admin(Method::PATCH, &format!("/v1/admin/sales/{sale}"), Some(json!({"status": "paused"}))).await.ok(200);
    let refused = patch(&client, "ann", &hold, Some("\"1\""), &items(&[("a", 2)])).await;
    assert_eq!(refused.refusal(), (403, "sale_not_open".into()));
    patch(&client, "ann", &hold, Some("\"1\""), &items(&[("a", 1)])).await.ok(200);
    let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
    client.send(client.buyer("ann", Method::DELETE, &path)).await.ok(200);
    let refused = patch(&client, "ann", &hold, Some("\"9\""), &items(&[("a", 1)])).await;
    assert_eq!(refused.refusal(), (409, "hold_not_active".into()));
    assert_eq!(refused.body["hold_status"], "RELEASED");
}

/// The Gates repeat "sold out"; what a change gives up is there for the next press all the same.
#[tokio::test]
async fn what_a_change_gives_up_is_available_to_the_next_buyer_at_once() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 1, 1), ("b", 5, 5)]).await;
    let hold = client.reserve("ann", "k1", &sale, items(&[("a", 1)])["items"].clone()).await.ok(201);
    for n in 0..3 {
        let refused = client.reserve(&format!("late{n}"), "k", &sale, items(&[("a", 1)])["items"].clone()).await;
        assert_eq!(refused.refusal(), (409, "sold_out".into()));
    }
    patch(&client, "ann", &hold, Some("\"1\""), &items(&[("b", 1)])).await.ok(200);
    client.reserve("last", "k", &sale, items(&[("a", 1)])["items"].clone()).await.ok(201);
    client.report(&sale).await;
}
