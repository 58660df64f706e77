//! The rights of each role, and the ledger's record of each action.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use support::client::{Answer, Client};

fn as_role(client: &Client, role: &str, method: Method, path: &str) -> RequestBuilder {
    let token = client.stack["admin_tokens"][role].as_str().unwrap();
    client.request(method, path).bearer_auth(token).header("x-operator", "somebody else")
}

async fn change(client: &Client, role: &str, method: Method, path: &str, body: &Value) -> Answer {
    let key = Uuid::new_v4().to_string();
    client.send(as_role(client, role, method, path).header("idempotency-key", key).json(body)).await
}

/// The entries of the ledger about one subject, newest first, as the API shows them; a page at a time.
async fn actions(client: &Client, subject: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (vec![], String::new());
    loop {
        let path = format!("/v1/admin/actions?limit=25{cursor}");
        let page = client.send(as_role(client, "viewer", Method::GET, &path)).await.ok(200);
        let listed = page["actions"].as_array().unwrap();
        found.extend(listed.iter().filter(|one| one["subject"] == subject).cloned());
        let Some(next) = page["next"].as_str() else { return found };
        assert_eq!(listed.len(), 25);
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn a_role_has_its_rights_only_and_a_refusal_names_the_role_it_needs() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 5, 1)]).await;
    let report = format!("/v1/admin/sales/{sale}/report");
    let pause = format!("/v1/admin/sales/{sale}");
    let subscribe = "/v1/admin/subscriptions";
    let hook = json!({"endpoint": "https://shop.example/hooks", "event_types": ["RefundFailed"]});
    for role in ["viewer", "operator", "owner"] {
        client.send(as_role(&client, role, Method::GET, &report)).await.ok(200);
    }
    for (role, method, path, body, required) in [
        ("viewer", Method::PATCH, pause.as_str(), json!({"status": "paused"}), "operator"),
        ("viewer", Method::POST, "/v1/admin/sales", json!({"sale_id": "x"}), "operator"),
        // The role comes before the body, whatever that is.
        ("viewer", Method::POST, subscribe, json!("no subscription"), "owner"),
        ("operator", Method::POST, subscribe, hook.clone(), "owner"),
        (
            "operator",
            Method::DELETE,
            "/v1/admin/subscriptions/019a9e7c-4b5a-7c3d-8e9f-0123456789ab",
            json!({}),
            "owner",
        ),
    ] {
        let refused = change(&client, role, method, path, &body).await;
        assert_eq!(refused.refusal(), (403, "forbidden".into()), "{role} {path}");
        assert_eq!((&refused.body["role"], &refused.body["required"]), (&json!(role), &json!(required)), "{path}");
    }
    change(&client, "operator", Method::PATCH, &pause, &json!({"status": "paused"})).await.ok(200);
    let made = change(&client, "owner", Method::POST, subscribe, &hook).await.ok(201);
    let path = format!("{subscribe}/{}", made["subscription_id"].as_str().unwrap());
    assert_eq!(change(&client, "owner", Method::DELETE, &path, &json!({})).await.status, 204);
}

#[tokio::test]
async fn every_change_of_a_sale_is_in_the_ledger_with_its_actor_reason_and_former_value() {
    let client = Client::new();
    let sale = format!("t-{}", Uuid::new_v4());
    let body = json!({"sale_id": sale, "name": "Drop", "currency": "KRW", "reason": "봄 한정판",
                      "skus": [{"sku_id": "a", "name": "A", "unit_price": 1, "stock": 5}]});
    let made = change(&client, "operator", Method::POST, "/v1/admin/sales", &body).await;
    made.ok(201);
    // The same sale for another reason is the same sale, and no change.
    let mut again = body.clone();
    again["reason"] = json!("once more");
    change(&client, "owner", Method::POST, "/v1/admin/sales", &again).await.ok(200);
    let path = format!("/v1/admin/sales/{sale}");
    let paused = json!({"status": "paused", "reason": "결제가 느림"});
    let answer = change(&client, "operator", Method::PATCH, &path, &paused).await;
    let request_id = answer.header("x-request-id").unwrap().to_owned();
    answer.ok(200);
    change(&client, "owner", Method::PATCH, &path, &json!({"status": "paused"})).await.ok(200);
    change(&client, "owner", Method::PATCH, &path, &json!({"status": "open"})).await.ok(200);
    let delta = json!({"sale_id": sale, "delta": -2, "reason": "damaged"});
    change(&client, "operator", Method::POST, "/v1/admin/skus/a/stock", &delta).await.ok(200);

    let told: Vec<Value> = actions(&client, &sale)
        .await
        .iter()
        .map(|one| json!([one["action"], one["actor"], one["reason"], one["before"], one["after"]["status"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["sale_status_set", "owner", null, {"status": "paused"}, "open"]),
            json!(["sale_status_set", "operator", "결제가 느림", {"status": "open"}, "paused"]),
            json!(["sale_created", "operator", "봄 한정판", null, null]),
        ]
    );
    assert_eq!(actions(&client, &sale).await[1]["request_id"], request_id.as_str());
    let [stock] = actions(&client, &format!("{sale}/a")).await.try_into().unwrap();
    assert_eq!(
        (&stock["action"], &stock["reason"], &stock["before"], &stock["after"]),
        (
            &json!("stock_adjusted"),
            &json!("damaged"),
            &json!({"total": 5, "available": 5}),
            &json!({"total": 3, "available": 3, "delta": -2})
        )
    );
}

#[tokio::test]
async fn an_unprintable_reason_is_refused_by_every_route_that_takes_one() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 5, 1)]).await;
    for reason in ["", "a\u{202e}b", "a\u{200b}b", "\u{2066}", "a\u{0}b"] {
        for (method, path, mut body) in [
            (Method::PATCH, format!("/v1/admin/sales/{sale}"), json!({"status": "paused"})),
            (Method::POST, "/v1/admin/skus/a/stock".to_owned(), json!({"sale_id": sale, "delta": 1})),
            (Method::POST, "/v1/admin/subscriptions".to_owned(), json!({"endpoint": "https://shop.example/"})),
            (Method::POST, "/v1/admin/dead-letters/replay".to_owned(), json!({"sale_id": sale})),
        ] {
            body["reason"] = json!(reason);
            let refused = change(&client, "owner", method, &path, &body).await;
            assert_eq!(refused.refusal(), (422, "invalid_request".into()), "{path} {reason:?}");
            assert_eq!(refused.body["errors"][0]["pointer"], "/reason", "{path}");
        }
    }
    for wrong in ["?cursor=x", "?limit=0"] {
        let refused = client.send(as_role(&client, "viewer", Method::GET, &format!("/v1/admin/actions{wrong}"))).await;
        assert_eq!(refused.refusal(), (422, "invalid_request".into()), "{wrong}");
    }
}
