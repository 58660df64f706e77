//! What the gateway sends the shop, when, and how long it goes on.

use super::*;

#[tokio::test]
async fn retries_keep_the_id_and_the_body_and_renew_the_timestamp_until_2xx() {
    let world = World::new().await;
    // A redirect and a 410 are no 2xx either. Five refusals are 3 s of pauses at least, so the second has moved on.
    world.shop.answers.lock().unwrap().extend([503, 500, 302, 410, 401]);
    let payment_id = world.pay(json!({})).await;
    let received = world.received(6).await;
    assert_eq!(received.len(), 6);
    assert_eq!(ids(&received).len(), 1);
    assert!(received.iter().all(|r| r.body == received[0].body));
    assert!(received[5].timestamp > received[0].timestamp);
    for r in &received {
        assert!((r.at.as_second() - r.timestamp).abs() <= 1, "the timestamp is the attempt's");
        assert_eq!(r.signature, sign::sign(SECRET, &r.id, r.timestamp, &r.body));
    }
    let payment = world.books(&payment_id).await;
    let attempts = payment["deliveries"][0]["attempts"].as_array().unwrap();
    let statuses: Vec<_> = attempts.iter().map(|a| a["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [503, 500, 302, 410, 401, 200]);
    assert_eq!(attempts[5]["body"], r#"{"result":"confirmed"}"#);
    assert_eq!(payment["deliveries"][0]["delivered"], true);
}

#[tokio::test]
async fn the_body_is_what_the_contract_says() {
    let world = World::new().await;
    let payment_id = world.pay(json!({})).await;
    let received = world.received(1).await;
    let body: Value = serde_json::from_slice(&received[0].body).unwrap();
    let data =
        json!({"payment_id": payment_id, "hold_id": HOLD, "user_id": "홍길동", "amount": 150_000, "currency": "KRW"});
    let timestamp = body["timestamp"].as_str().unwrap();
    assert!(timestamp.ends_with('Z') && timestamp.parse::<Timestamp>().is_ok(), "{timestamp}");
    assert_eq!(body, json!({"type": "payment.paid", "timestamp": timestamp, "data": data}));
    let books: Value = world.get(&format!("/payments?hold_id={HOLD}")).await.json().await.unwrap();
    assert_eq!(books["totals"], json!({"KRW": {"payments": 1, "captured": 150_000, "refunded": 0}}));
    assert_eq!(books["payments"][0]["payment_id"], payment_id);
}

#[tokio::test]
async fn a_shop_that_is_down_gets_its_webhook_when_it_is_back() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let world = World::before(address.port(), Shop::default()).await;
    let payment_id = world.pay(json!({})).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while world.books(&payment_id).await["deliveries"][0]["attempt_count"] == 0 {
        assert!(Instant::now() < deadline, "nothing was tried");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    serve_shop(TcpListener::bind(address).await.unwrap(), world.shop.clone());
    assert_eq!(world.received(1).await.len(), 1);
    let first = world.books(&payment_id).await["deliveries"][0]["attempts"][0].clone();
    assert_eq!(first["status"], Value::Null);
    assert!(first["error"].as_str().is_some_and(|e| !e.is_empty()), "{first}");
}

#[tokio::test]
async fn repeats_share_an_id_or_have_their_own() {
    let world = World::new().await;
    world.pay(json!({"times": 10})).await;
    assert_eq!(ids(&world.received(10).await).len(), 1);
    world.pay(json!({"times": 10, "fresh_ids": true})).await;
    let received = world.received(20).await;
    assert_eq!((received.len(), ids(&received).len()), (20, 11));
}

#[tokio::test]
async fn nothing_is_sent_before_its_time() {
    let world = World::new().await;
    let begun = Timestamp::now();
    world.pay(json!({"delay_ms": 300})).await;
    assert!(world.received(1).await[0].at >= begun + Duration::from_millis(300));
    let at = Timestamp::now() + Duration::from_millis(400);
    world.pay(json!({"at": at.to_string()})).await;
    assert!(world.received(2).await[1].at >= at);
}

#[tokio::test]
async fn a_thousand_payments_are_reported_once_each() {
    let world = Arc::new(World::new().await);
    let payers: Vec<_> = (0..1_000)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.pay(json!({})).await })
        })
        .collect();
    for payer in payers {
        payer.await.unwrap();
    }
    let received = world.received(1_000).await;
    assert_eq!((received.len(), ids(&received).len()), (1_000, 1_000));
}

#[tokio::test]
async fn a_dropped_gateway_sends_nothing_more() {
    let world = World::new().await;
    world.pay(json!({"delay_ms": 300})).await;
    let World { shop, gateway, client, .. } = world;
    let url = gateway.url.clone();
    drop(gateway);
    let deadline = Instant::now() + Duration::from_secs(5);
    while client.get(format!("{url}/healthz")).send().await.is_ok() {
        assert!(Instant::now() < deadline, "the gateway still answers");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // There is no condition to wait for: what is shown is that nothing happens.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(shop.received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_paid_is_refused() {
    let world = World::new().await;
    let rows = [
        (json!({}), 400, "malformed_request"),
        (json!({"hold_id": HOLD, "user_id": "u", "amount": "1", "currency": "KRW"}), 400, "malformed_request"),
        (json!({"hold_id": "", "user_id": "u", "amount": 1, "currency": "KRW"}), 422, "invalid_request"),
        (json!({"hold_id": HOLD, "user_id": "u", "amount": 0, "currency": "KRW"}), 422, "invalid_request"),
        (json!({"hold_id": HOLD, "user_id": "u", "amount": 1, "currency": "krw"}), 422, "invalid_request"),
        (
            json!({"hold_id": HOLD, "user_id": "u", "amount": 1, "currency": "KRW", "webhooks": {"times": 1001}}),
            422,
            "invalid_request",
        ),
        (
            json!({"hold_id": HOLD, "user_id": "u", "amount": 1, "currency": "KRW", "webhooks": {"at": "soon"}}),
            422,
            "invalid_request",
        ),
    ];
    for (order, status, code) in rows {
        let (got, answer) = world.try_pay(&order).await;
        assert_eq!((got, &answer["code"]), (status, &json!(code)), "{order}: {answer}");
    }
    assert_eq!(world.get("/payments/pay_none").await.status(), 404);
    assert_eq!(world.get("/healthz").await.status(), 200);
}
