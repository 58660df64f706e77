//! Subscriptions, dead letters and replays, through the edge, and their entries in the ledger.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use support::client::{Answer, Client, until};
use support::receiver::{Behaviour, Receiver};

const SUBSCRIPTIONS: &str = "/v1/admin/subscriptions";

fn operator(client: &Client, method: Method, path: &str) -> RequestBuilder {
    // A header cannot name another operator: the ledger has the token's name.
    client
        .request(method, path)
        .bearer_auth(client.stack["admin_tokens"]["owner"].as_str().unwrap())
        .header("x-operator", "민지")
}

async fn subscribe(client: &Client, key: &str, body: &Value) -> Answer {
    client.send(operator(client, Method::POST, SUBSCRIPTIONS).header("idempotency-key", key).json(body)).await
}

/// A receiver of adjusted stock alone, so that other tests' sales seldom disturb it.
async fn subscribed(client: &Client) -> (Receiver, String, String) {
    let receiver = Receiver::start().await;
    let body = json!({"endpoint": receiver.url(), "event_types": ["StockAdjusted"]});
    let made = subscribe(client, &Uuid::new_v4().to_string(), &body).await.ok(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (receiver, text("subscription_id"), text("secret"))
}

async fn ledger(client: &Client, subject: &str) -> Vec<(String, String, Option<String>)> {
    let owner = stack::database::connect(client.setting("database_url")).await.unwrap();
    let sql = "select action, actor, reason from holdfast.operator_ledger where subject = $1 order by entry_id";
    let rows = owner.query(sql, &[&subject]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

#[tokio::test]
async fn a_subscription_that_is_wrong_is_refused_for_that_before_its_key_is() {
    let client = Client::new();
    let thousand = vec!["OrderConfirmed"; 1_000];
    for (body, pointer) in [
        (json!({"endpoint": ""}), "/endpoint"),
        (json!({"endpoint": "https://shop.example/", "kind": "smtp"}), "/kind"),
        (json!({"endpoint": "https://shop.example/", "event_types": ["OrderConfirmed", "Nothing"]}), "/event_types/1"),
        (json!({"endpoint": "https://shop.example/", "event_types": thousand}), "/event_types/1"),
    ] {
        for key in [None, Some("a b")] {
            let request = operator(&client, Method::POST, SUBSCRIPTIONS).json(&body);
            let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
            let refused = client.send(request).await;
            assert_eq!(refused.refusal(), (422, "invalid_request".into()), "{body} {key:?}");
            assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{body}");
            assert_eq!(refused.body["errors"].as_array().unwrap().len(), 1, "{body}");
        }
    }
    let path = format!("{SUBSCRIPTIONS}/{}/secret", Uuid::now_v7());
    let rotate = client.send(operator(&client, Method::POST, &path).json(&json!({"overlap_s": -1}))).await;
    assert_eq!(rotate.refusal(), (422, "invalid_request".into()));
}

#[tokio::test]
async fn pages_of_subscriptions_show_each_once_newest_first_whatever_is_added_meanwhile() {
    let client = Client::new();
    let add = async || {
        let body = json!({"endpoint": "https://shop.example/paged", "event_types": ["OrderConfirmed"]});
        let made = subscribe(&client, &Uuid::new_v4().to_string(), &body).await.ok(201);
        made["subscription_id"].as_str().unwrap().to_owned()
    };
    let mut mine = vec![add().await, add().await, add().await];
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    let late = loop {
        let page = client.admin(Method::GET, &format!("{SUBSCRIPTIONS}?limit=1{cursor}"), None).await.ok(200);
        let shown = page["subscriptions"].as_array().unwrap();
        seen.extend(shown.iter().map(|one| one["subscription_id"].as_str().unwrap().to_owned()));
        assert!(shown.len() <= 1, "{page}");
        let late = add().await;
        mine.push(late.clone());
        let Some(next) = page["next"].as_str().filter(|_| !seen.contains(&mine[0])) else { break late };
        cursor = format!("&cursor={next}");
    };
    let mut sorted = seen.clone();
    sorted.sort_unstable_by(|one, other| other.cmp(one));
    sorted.dedup();
    assert_eq!(seen, sorted, "newest first, and each once");
    assert!(mine[..3].iter().all(|one| seen.contains(one)) && !seen.contains(&late), "{seen:?}");
    for id in mine {
        client.send(operator(&client, Method::DELETE, &format!("{SUBSCRIPTIONS}/{id}"))).await;
    }
    for wrong in ["limit=0", "limit=101", "cursor=1"] {
        let refused = client.admin(Method::GET, &format!("{SUBSCRIPTIONS}?{wrong}"), None).await;
        assert_eq!(refused.refusal(), (422, "invalid_request".into()), "{wrong}");
    }
    let unknown = client.admin(Method::GET, &format!("{SUBSCRIPTIONS}?page=2"), None).await;
    assert_eq!(unknown.refusal(), (400, "malformed_request".into()));
}

#[tokio::test]
async fn a_subscription_is_created_once_per_key_and_shows_its_secret_to_its_creator() {
    let (client, key) = (Client::new(), Uuid::new_v4().to_string());
    let body =
        json!({"endpoint": "https://shop.example/hooks", "event_types": ["OrderConfirmed"], "reason": "the shop"});
    let made = subscribe(&client, &key, &body).await;
    let id = made.body["subscription_id"].as_str().unwrap().to_owned();
    assert_eq!((made.status, made.header("location")), (201, Some(format!("{SUBSCRIPTIONS}/{id}").as_str())));
    assert!(made.body["secret"].as_str().unwrap().starts_with("whsec_"));
    let again = subscribe(&client, &key, &body).await;
    assert_eq!((again.status, again.header("idempotent-replayed"), &again.body), (201, Some("true"), &made.body));
    let other = subscribe(&client, &key, &json!({"endpoint": "https://other.example/"})).await;
    assert_eq!(other.refusal(), (422, "idempotency_key_reused".into()));

    let owner = stack::database::connect(client.setting("database_url")).await.unwrap();
    let kept = "select s.secret, r.answer::text from holdfast.subscription s, holdfast.operator_request r
                where s.subscription_id::text = $1 and r.idem_key = $2";
    let kept = owner.query_one(kept, &[&id, &key]).await.unwrap();
    let secret = made.body["secret"].as_str().unwrap();
    for text in [kept.get::<_, String>(0), kept.get(1)] {
        assert!(text.contains("sealed:") && !text.contains(secret), "the database does not know it: {text}");
    }

    let path = format!("{SUBSCRIPTIONS}/{id}");
    let shown = client.admin(Method::GET, &path, None).await.ok(200);
    assert_eq!(
        (&shown["status"], &shown["breaker"], &shown["kind"]),
        (&json!("enabled"), &json!("closed"), &json!("http"))
    );
    assert!(shown.get("secret").is_none(), "{shown}");
    let page = client.admin(Method::GET, &format!("{SUBSCRIPTIONS}?limit=100"), None).await.ok(200);
    assert!(page["subscriptions"].as_array().unwrap().iter().any(|one| one["subscription_id"] == id.as_str()));

    for _ in 0..2 {
        let deleted = client.send(operator(&client, Method::DELETE, &path)).await;
        assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    }
    assert_eq!(client.admin(Method::GET, &path, None).await.refusal(), (404, "not_found".into()));
    let done = ledger(&client, &id).await;
    assert_eq!(
        done,
        [
            ("subscription_created".into(), "owner".into(), Some("the shop".into())),
            ("subscription_deleted".into(), "owner".into(), None)
        ]
    );
}

#[tokio::test]
async fn every_field_error_of_a_subscription_is_listed() {
    let client = Client::new();
    for (body, pointer) in [
        (json!({"endpoint": "shop.example"}), "/endpoint"),
        (json!({"endpoint": ""}), "/endpoint"),
        (json!({"endpoint": "https://me:secret@shop.example/"}), "/endpoint"),
        (json!({"endpoint": "https://a.example/", "kind": "carrier-pigeon"}), "/kind"),
        (json!({"endpoint": "https://a.example/", "event_types": ["OrderConfirmed", "Nonsense"]}), "/event_types/1"),
        (json!({"endpoint": "a bus", "kind": "eventbridge"}), "/endpoint"),
        (json!({"endpoint": "https://a.example/", "reason": ""}), "/reason"),
    ] {
        let refused = subscribe(&client, &Uuid::new_v4().to_string(), &body).await;
        assert_eq!(refused.refusal(), (422, "invalid_request".into()), "{body}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{body}");
    }
    let body = json!({"endpoint": "https://a.example/"});
    let keyless = client.send(operator(&client, Method::POST, SUBSCRIPTIONS).json(&body)).await;
    assert_eq!(keyless.refusal(), (400, "idempotency_key_missing".into()));
    let stranger = client.send(client.request(Method::GET, SUBSCRIPTIONS).bearer_auth("wrong")).await;
    assert_eq!(stranger.refusal(), (401, "unauthenticated".into()));
}

#[tokio::test]
async fn a_secret_is_rotated_and_a_target_of_aws_has_none() {
    let client = Client::new();
    let (_receiver, id, old) = subscribed(&client).await;
    let path = format!("{SUBSCRIPTIONS}/{id}/secret");
    let key = Uuid::new_v4().to_string();
    let rotate = || operator(&client, Method::POST, &path).header("idempotency-key", key.clone());
    let rotated = client.send(rotate()).await.ok(200);
    assert!(rotated["secret"] != old.as_str() && rotated["old_secret_until"].is_string(), "{rotated}");
    assert_eq!(client.send(rotate()).await.ok(200), rotated);
    let too_long = client
        .send(operator(&client, Method::POST, &path).header("idempotency-key", "k").json(&json!({"overlap_s": 1e9})));
    assert_eq!(too_long.await.refusal(), (422, "invalid_request".into()));
    client.send(operator(&client, Method::DELETE, &format!("{SUBSCRIPTIONS}/{id}"))).await;

    let body = json!({"kind": "sqs", "endpoint": "https://sqs.ap-northeast-2.amazonaws.com/1/shop", "event_types": ["RefundFailed"]});
    let queue = subscribe(&client, &Uuid::new_v4().to_string(), &body).await.ok(201);
    assert!(queue.get("secret").is_none(), "{queue}");
    let id = queue["subscription_id"].as_str().unwrap();
    let path = format!("{SUBSCRIPTIONS}/{id}/secret");
    let none =
        client.send(operator(&client, Method::POST, &path).header("idempotency-key", Uuid::new_v4().to_string())).await;
    assert_eq!(none.refusal(), (422, "invalid_request".into()));
    client.send(operator(&client, Method::DELETE, &format!("{SUBSCRIPTIONS}/{id}"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_seen_with_its_reason_and_delivered_after_one_replay() {
    let client = Client::new();
    let (receiver, id, secret) = subscribed(&client).await;
    receiver.behave(Behaviour::Answers(410, vec![]));
    let sale = client.sale(300, &[("a", 5, 1)]).await;
    let path = format!("/v1/admin/dead-letters?kind=event&subscription={id}&sale_id={sale}");
    let letter = until("the letter is dead", 20, || async {
        let page = client.admin(Method::GET, &path, None).await.ok(200);
        page["dead_letters"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!((&letter["event_type"], &letter["sale_id"]), (&json!("StockAdjusted"), &json!(sale)));
    assert!(
        letter["reason"].as_str().unwrap().contains("410") || letter["reason"].as_str().unwrap().contains("disabled"),
        "{letter}"
    );
    let report = client.report(&sale).await;
    // Another test's receiver may have got this sale's events too.
    assert!(report["outbox"]["dead"].as_i64().unwrap() >= 1, "{report}");
    let shown = report["outbox"]["receivers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["subscription_id"] == id.as_str())
        .unwrap()
        .clone();
    assert_eq!((&shown["status"], &shown["breaker"]), (&json!("disabled"), &json!("closed")), "{shown}");

    // It is disabled: that has to be put right first.
    let letter_id = letter["id"].as_str().unwrap();
    let replay = || {
        let path = format!("/v1/admin/dead-letters/{letter_id}/replay");
        operator(&client, Method::POST, &path).json(&json!({"reason": "it is back"}))
    };
    assert_eq!(client.send(replay()).await.refusal(), (422, "invalid_request".into()));
    let enable = operator(&client, Method::PATCH, &format!("{SUBSCRIPTIONS}/{id}")).json(&json!({"status": "enabled"}));
    receiver.behave(Behaviour::Takes);
    assert_eq!(client.send(enable).await.ok(200)["status"], "enabled");
    assert_eq!(client.send(replay()).await.ok(200), json!({"id": letter_id, "status": "pending"}));
    let seen = until("it is delivered", 20, || async {
        receiver.taken().into_iter().find(|seen| seen.body["data"]["sale_id"] == sale.as_str())
    })
    .await;
    assert!(seen.is_signed_with(&secret));
    until("it is done", 20, || async {
        let again = client.send(replay()).await.ok(200);
        (again == json!({"id": letter_id, "status": "delivered"})).then_some(())
    })
    .await;
    assert_eq!(
        ledger(&client, letter_id).await,
        [("dead_letter_replayed".into(), "owner".into(), Some("it is back".into()))]
    );
    let page = client.admin(Method::GET, &path, None).await.ok(200);
    assert_eq!(page, json!({"dead_letters": [], "next": null}));
    client.send(operator(&client, Method::DELETE, &format!("{SUBSCRIPTIONS}/{id}"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_listed_a_page_at_a_time_and_replayed_by_the_same_filter() {
    let client = Client::new();
    let (receiver, id, _) = subscribed(&client).await;
    receiver.behave(Behaviour::Answers(410, vec![]));
    let sale = client.sale(300, &[("a", 5, 1), ("b", 5, 1), ("c", 5, 1)]).await;
    let filter = format!("subscription={id}&sale_id={sale}");
    until("three are dead", 20, || async {
        let page = client.admin(Method::GET, &format!("/v1/admin/dead-letters?{filter}"), None).await.ok(200);
        (page["dead_letters"].as_array().unwrap().len() == 3).then_some(())
    })
    .await;
    let (mut listed, mut cursor) = (vec![], String::new());
    loop {
        let page =
            client.admin(Method::GET, &format!("/v1/admin/dead-letters?{filter}&limit=2{cursor}"), None).await.ok(200);
        listed
            .extend(page["dead_letters"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(listed.len(), 2);
        cursor = format!("&cursor={next}");
    }
    listed.sort();
    listed.dedup();
    assert_eq!(listed.len(), 3);

    receiver.behave(Behaviour::Takes);
    let enable = operator(&client, Method::PATCH, &format!("{SUBSCRIPTIONS}/{id}")).json(&json!({"status": "enabled"}));
    client.send(enable).await.ok(200);
    let key = Uuid::new_v4().to_string();
    let replay = || {
        operator(&client, Method::POST, "/v1/admin/dead-letters/replay")
            .header("idempotency-key", key.clone())
            .json(&json!({"kind": "event", "subscription": id, "sale_id": sale}))
    };
    let replayed = client.send(replay()).await;
    assert_eq!(replayed.body, json!({"replayed": 3, "more": false}), "{replayed:?}");
    assert_eq!(client.send(replay()).await.body, replayed.body, "the same key, the same answer");
    until("they are delivered", 20, || async {
        let count = receiver.taken().iter().filter(|seen| seen.body["data"]["sale_id"] == sale.as_str()).count();
        (count == 3).then_some(())
    })
    .await;
    for wrong in ["?kind=order", "?limit=101", "?cursor=x"] {
        let refused = client.admin(Method::GET, &format!("/v1/admin/dead-letters{wrong}"), None).await;
        assert_eq!(refused.refusal(), (422, "invalid_request".into()), "{wrong}");
    }
    let unknown = client.send(operator(&client, Method::POST, "/v1/admin/dead-letters/event-999999999/replay")).await;
    assert_eq!(unknown.refusal(), (404, "not_found".into()));
    client.send(operator(&client, Method::DELETE, &format!("{SUBSCRIPTIONS}/{id}"))).await;
}

#[tokio::test]
async fn a_refund_that_failed_is_a_dead_letter_and_is_required_again_after_one_replay() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 1, 1)]).await;
    let hold = client.reserve("ann", "k", &sale, json!([{"sku_id": "a", "qty": 1}])).await.ok(201);
    let payment = format!("결제 {}", Uuid::new_v4());
    client.pay_with(&payment, &hold, "ann", 999).await.ok(200);
    let owner = stack::database::connect(client.setting("database_url")).await.unwrap();
    let failed = "update holdfast.refund set status = 'FAILED', finalized_at = clock_timestamp() where payment_id = $1";
    owner.execute(failed, &[&payment]).await.unwrap();
    let page =
        client.admin(Method::GET, &format!("/v1/admin/dead-letters?kind=refund&sale_id={sale}"), None).await.ok(200);
    let [letter] = page["dead_letters"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!((&letter["payment_id"], &letter["amount"]), (&json!(payment), &json!(999)));
    let path = format!("/v1/admin/dead-letters/{}/replay", letter["id"].as_str().unwrap());
    let replayed = client.send(operator(&client, Method::POST, &path)).await.ok(200);
    assert_eq!(replayed["status"], "pending");
    assert_eq!(client.report(&sale).await["refunds"]["REQUIRED"], 1);
}
