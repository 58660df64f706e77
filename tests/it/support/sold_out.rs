//! A sale that is sold out, and the response that all buyers get then.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Answer, Client, until};

pub fn pair() -> Value {
    json!([{"sku_id": "pair", "qty": 1}])
}

/// Whether the Gate answered by itself, or the Worker under its lease, as the answer says.
pub fn from_memory(answer: &Answer) -> bool {
    let said = remembered(answer, "sold-out");
    assert!(!said || answer.refusal() == (409, "sold_out".to_owned()), "{answer:?}");
    said
}

/// Whether this was answered without a function, for this reason.
pub fn remembered(answer: &Answer, why: &str) -> bool {
    let timing = answer.header("server-timing").unwrap_or_default();
    assert_eq!(timing.starts_with("lease"), answer.body["as_of"].is_string(), "{answer:?}");
    timing == format!("gate;desc=\"{why}\"") || timing == format!("lease;desc=\"{why}\"")
}

/// Presses until the Gate refuses by itself. A Gate that has just begun waits some seconds first.
pub async fn refused_from_memory(client: &Client, user: &str, sale: &str) -> Answer {
    until("the Gate remembers that it is sold out", 30, || async {
        let answer = client.reserve(user, "k", sale, pair()).await;
        // Its bucket empties; that is not what this is about.
        assert!([409, 429].contains(&answer.status), "{answer:?}");
        from_memory(&answer).then_some(answer)
    })
    .await
}

pub fn fresh(name: &str) -> String {
    format!("{name}-{}", Uuid::new_v4())
}

/// Who has something in a sale that is sold out, as [`earlier_refusals`] knows them.
pub async fn with_something(client: &Client) -> (String, Value, Value) {
    let sale = client.sale(3_600, &[("pair", 2, 1)]).await;
    let held = client.reserve("holder", "held", &sale, pair()).await.ok(201);
    let bought = client.reserve("owner", "bought", &sale, pair()).await.ok(201);
    client.pay(&fresh("pay"), &bought, "owner").await.ok(200);
    let other = client.sale(3_600, &[("pair", 1, 1)]).await;
    client.reserve("stranger", "elsewhere", &other, pair()).await.ok(201);
    (sale, held, bought)
}

/// What comes before "sold out" in the order of refusals still does, while the Gate repeats that to others.
pub async fn earlier_refusals(client: &Client, sale: &str, held: &Value, bought: &Value) {
    for user in 0..32 {
        refused_from_memory(client, &fresh(&format!("crowd-{user}")), sale).await;
    }
    for (user, key, hold) in [("holder", "held", held), ("owner", "bought", bought)] {
        let replay = client.reserve(user, key, sale, pair()).await;
        assert_eq!((replay.status, replay.header("idempotent-replayed")), (201, Some("true")), "{user}: {replay:?}");
        assert_eq!(&replay.body, hold);
    }
    let two = json!([{"sku_id": "pair", "qty": 2}]);
    for (user, key, items, status, code) in [
        ("holder", "held", two.clone(), 422, "idempotency_key_reused"),
        ("stranger", "elsewhere", pair(), 422, "idempotency_key_reused"),
        ("holder", "new", pair(), 409, "already_holding"),
        ("owner", "new", pair(), 409, "limit_reached"),
        ("nobody", "new", two, 409, "limit_reached"),
        ("nobody", "new", json!([{"sku_id": "none", "qty": 1}]), 404, "not_found"),
        ("nobody", "new", json!([{"sku_id": "pair", "qty": 1}, {"sku_id": "none", "qty": 1}]), 404, "not_found"),
        ("stranger", "new", pair(), 409, "sold_out"),
    ] {
        let answer = client.reserve(user, key, sale, items).await;
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{user} {key}");
    }
}
