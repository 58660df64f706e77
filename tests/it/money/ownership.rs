//! Whose money it is, before any of it moves: other products' payments on the same account, a second Holdfast's, another
//! buyer's.

use reqwest::Method;
use serde_json::{Value, json};
use simulator::Dialect;
use uuid::Uuid;

use support::client::until;
use support::shop::{PRICE, Shop, silent};

/// Those whose account others may use, too.
const SHARED: [(&str, Dialect); 3] =
    [("portone", Dialect::PortOne), ("toss", Dialect::Toss), ("stripe", Dialect::Stripe)];

/// Everything that a gateway may say of a payment.
fn messages(gateway: &str, made: &Value) -> Vec<Value> {
    let (id, order) = (&made["payment_id"], &made["order_ref"]);
    let names: &[&str] = match gateway {
        "portone" => &[
            "Ready",
            "Paid",
            "VirtualAccountIssued",
            "PartialCancelled",
            "Cancelled",
            "Failed",
            "PayPending",
            "CancelPending",
            "DisputeCreated",
            "DisputeResolved",
        ],
        "toss" => &["DONE", "IN_PROGRESS", "CANCELED", "EXPIRED", "PARTIAL_CANCELED", "WAITING_FOR_DEPOSIT"],
        _ => &["succeeded", "amount_capturable_updated", "canceled", "payment_failed", "processing"],
    };
    let one = |name: &&str| match gateway {
        "portone" => json!({"type": format!("Transaction.{name}"), "timestamp": "2026-01-15T05:00:00Z",
            "data": {"storeId": "store-1", "paymentId": id, "transactionId": "tx-1"}}),
        "toss" => json!({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-01-15T05:00:00.000000",
            "data": {"paymentKey": id, "orderId": order, "status": name, "totalAmount": PRICE}}),
        _ => json!({"id": "evt_1", "object": "event", "type": format!("payment_intent.{name}"), "livemode": true,
            "data": {"object": {"id": id, "object": "payment_intent", "amount": PRICE, "amount_received": PRICE,
                                "currency": "krw", "livemode": true, "status": "succeeded", "metadata": {}}}}),
    };
    names.iter().map(one).chain(later_messages(gateway, made)).collect()
}

/// What has other names, and other ways to its payment: money that moves afterwards, and deposits.
fn later_messages(gateway: &str, made: &Value) -> Vec<Value> {
    let (id, order) = (&made["payment_id"], &made["order_ref"]);
    let of_intent = |name: &&str| {
        json!({"id": "evt_1", "object": "event", "type": name, "livemode": true,
            "data": {"object": {"id": "x_1", "payment_intent": id, "amount": PRICE, "currency": "krw", "status": "succeeded"}}})
    };
    match gateway {
        "toss" => vec![
            json!({"eventType": "CANCEL_STATUS_CHANGED", "createdAt": "2026-01-15T05:00:00.000000",
                "data": {"paymentKey": id, "orderId": order, "cancelStatus": "DONE", "cancelAmount": PRICE}}),
            json!({"createdAt": "2026-01-15T05:00:00.000000", "secret": "ps_1", "status": "DONE",
                "transactionKey": "9FF", "orderId": order}),
            json!({"createdAt": "2026-01-15T05:00:00.000000", "secret": format!("ps_{}", id.as_str().unwrap()),
                "status": "WAITING_FOR_DEPOSIT", "transactionKey": "9FF", "orderId": order}),
        ],
        "stripe" => [
            "charge.refunded",
            "charge.refund.updated",
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.closed",
            "refund.created",
            "refund.updated",
            "refund.failed",
        ]
        .iter()
        .map(of_intent)
        .collect(),
        _ => vec![],
    }
}

/// What the gateway has of a payment, without its webhook deliveries.
async fn books(shop: &Shop, made: &Value) -> Value {
    let mut payment = shop.gateways.payment(made["payment_id"].as_str().unwrap()).await;
    payment.as_object_mut().unwrap().remove("deliveries");
    payment
}

/// What the shop has written of a payment, anywhere.
async fn written(shop: &Shop, made: &Value, parked: bool) -> i64 {
    let tables = if parked { "'parked_payment'" } else { "'payment', 'payment_attempt', 'refund', 'parked_payment'" };
    let mut found = 0;
    for table in tables.split(", ") {
        let table = table.trim_matches('\'');
        let id = made["payment_id"].as_str().unwrap();
        found += shop.count(&format!("select count(*) from holdfast.{table} where payment_id = '{id}'")).await;
    }
    found
}

async fn first_answer(shop: &Shop, made: &Value) -> Value {
    until("the shop has answered", 20, || async {
        let delivery = shop.gateways.payment(made["payment_id"].as_str().unwrap()).await["deliveries"][0].clone();
        (delivery["delivered"] == true).then(|| delivery["attempts"][0]["body"].clone())
    })
    .await
}

#[tokio::test]
async fn no_message_about_a_foreign_payment_changes_the_gateways_books() {
    let shop = Shop::open().await;
    for (gateway, dialect) in SHARED {
        for authorise in [false, true] {
            let how = json!({"authorise": authorise, "foreign": true});
            let made = shop.gateways.pay(gateway, "room 12", "a guest", PRICE, how).await;
            assert_eq!(first_answer(&shop, &made).await, r#"{"result":"ignored"}"#, "{gateway}");
            let before = books(&shop, &made).await;
            for message in messages(gateway, &made) {
                let body = message.to_string();
                let signed = shop.client.send(shop.client.message_of(dialect, body.as_bytes())).await.ok(200);
                assert_eq!(signed, json!({"result": "ignored"}), "{body}");
                // Toss signs nothing, and has waited its turn for this one.
                if gateway != "toss" {
                    let unsigned = shop.client.request(Method::POST, &dialect.path()).json(&message);
                    assert_eq!(shop.client.send(unsigned).await.status, 401, "{body}");
                }
            }
            if gateway == "toss" {
                assert_eq!(shop.come_back(&made, PRICE).await, (303, "/".to_owned()));
            }
            if gateway == "portone" {
                let body = json!({"payment_id": made["payment_id"], "payment_token": "token"});
                let confirm = shop.client.buyer("ann", Method::POST, "/v1/payments/portone/confirm").json(&body);
                assert_eq!(shop.client.send(confirm).await.ok(200), json!({"result": "ignored"}));
            }
            assert_eq!(books(&shop, &made).await, before, "{gateway}");
            assert_eq!(written(&shop, &made, false).await, 0, "{gateway}");
        }
    }
    // A gateway that requests approval gets "ignored", and captures its own payment.
    let made = shop.gateways.pay("portone", "room 12", "a guest", PRICE, json!({"asks": true, "foreign": true})).await;
    assert_eq!(first_answer(&shop, &made).await, r#"{"result":"ignored"}"#);
    assert_eq!(written(&shop, &made, false).await, 0);
}

/// The dead letter of a payment, if it is one.
async fn letter_of(shop: &Shop, made: &Value) -> Option<Value> {
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/admin/dead-letters?kind=unknown_hold&limit=100{cursor}");
        let page = shop.client.admin(Method::GET, &path, None).await.ok(200);
        let letters = page["dead_letters"].as_array().unwrap();
        assert!(letters.iter().all(|letter| letter["kind"] == "unknown_hold"), "{page}");
        if let Some(letter) = letters.iter().find(|letter| letter["payment_id"] == made["payment_id"]) {
            return Some(letter.clone());
        }
        cursor = format!("&cursor={}", page["next"].as_str()?);
    }
}

async fn decide(shop: &Shop, letter: &Value, decision: &str) -> Value {
    let path = format!("/v1/admin/dead-letters/{}/{decision}", letter["id"].as_str().unwrap());
    let answer = shop.client.admin(Method::POST, &path, Some(json!({"reason": "the other shop's"}))).await.ok(200);
    let by = "select count(*) from holdfast.operator_ledger where reason = 'the other shop''s' and subject = ";
    assert_eq!(shop.count(&format!("{by}'{}'", letter["id"].as_str().unwrap())).await, 1, "{decision}");
    answer["status"].clone()
}

#[tokio::test]
async fn an_id_of_our_form_that_is_no_hold_of_ours_waits_for_an_operator() {
    let shop = Shop::open().await;
    for (gateway, dialect) in SHARED {
        for authorise in [false, true] {
            let pay = async || {
                let hold = Uuid::now_v7().to_string();
                let made = shop.gateways.pay(gateway, &hold, "a guest", PRICE, json!({"authorise": authorise})).await;
                // PortOne has set nothing aside while its buyer is not through.
                let parked = !(authorise && gateway == "portone");
                let said = if parked { r#"{"result":"parked"}"# } else { r#"{"result":"ignored"}"# };
                assert_eq!(first_answer(&shop, &made).await, said, "{gateway} {authorise}");
                (made, parked)
            };
            let (made, parked) = pay().await;
            let before = books(&shop, &made).await;
            for message in messages(gateway, &made) {
                shop.client.send(shop.client.message_of(dialect, message.to_string().as_bytes())).await.ok(200);
            }
            if gateway == "toss" {
                assert_eq!(shop.come_back(&made, PRICE).await, (303, "/".to_owned()));
            }
            assert_eq!(books(&shop, &made).await, before, "{gateway}");
            assert_eq!(written(&shop, &made, true).await, i64::from(parked), "{gateway} {authorise}");
            if !parked {
                continue;
            }
            let letter = letter_of(&shop, &made).await.expect("a dead letter");
            let seen = (&letter["gateway"], &letter["amount"], &letter["captured"]);
            assert_eq!(seen, (&json!(gateway), &json!(PRICE), &json!(!authorise)), "{letter}");
            assert_eq!(decide(&shop, &letter, "dismiss").await, "dismissed");
            let again = messages(gateway, &made)[0].to_string();
            let again = shop.client.send(shop.client.message_of(dialect, again.as_bytes())).await.ok(200);
            assert_eq!(again, json!({"result": "parked"}), "{gateway}");
            assert_eq!((letter_of(&shop, &made).await, books(&shop, &made).await), (None, before), "{gateway}");

            let (made, _) = pay().await;
            let letter = letter_of(&shop, &made).await.expect("a dead letter");
            assert_eq!(decide(&shop, &letter, "settle").await, "settled");

            let (made, _) = pay().await;
            let letter = letter_of(&shop, &made).await.expect("a dead letter");
            assert_eq!(decide(&shop, &letter, "replay").await, "pending");
            let id = made["payment_id"].as_str().unwrap();
            until(&format!("{gateway}: the refund is over"), 40, || async {
                let over = "select count(*) from holdfast.refund where status = 'COMPLETED' and payment_id = ";
                (shop.count(&format!("{over}'{id}'")).await == 1).then_some(())
            })
            .await;
            let theirs = books(&shop, &made).await;
            assert_eq!(theirs["refunded"], if authorise { 0 } else { PRICE }, "{theirs}");
            if gateway == "stripe" && authorise {
                assert_eq!(theirs["state"], "voided", "{theirs}");
            }
        }
    }
}

#[tokio::test]
async fn another_buyers_payment_is_not_found_with_an_invented_token() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("portone", &hold, "ann", silent()).await;
    let id = made["payment_id"].as_str().unwrap();
    let confirm = |user: &str, token: &str| {
        let body = json!({"payment_id": id, "payment_token": token});
        shop.client.send(shop.client.buyer(user, Method::POST, "/v1/payments/portone/confirm").json(&body))
    };
    let attempt = async || {
        let row = "select coalesce(max(state || ' ' || coalesce(token, '-') || ' ' || attempt), 'none')
                   from holdfast.payment_attempt where payment_id = $1";
        shop.owner.query_one(row, &[&id]).await.unwrap().get::<_, String>(0)
    };
    // Whether it is unknown here, or known to its own buyer.
    assert_eq!(confirm("mallory", "made up").await.refusal(), (404, "not_found".into()));
    assert_eq!(attempt().await, "none");
    assert_eq!(confirm("ann", "forged").await.status, 409, "the bank says no");
    let before = attempt().await;
    assert_eq!(confirm("mallory", "made up").await.refusal(), (404, "not_found".into()));
    assert_eq!(attempt().await, before);
    let confirmed = confirm("ann", &format!("token-{id}")).await.ok(200);
    assert_eq!(confirmed["result"], "confirmed");
    assert_eq!(confirm("mallory", "made up").await.refusal(), (404, "not_found".into()), "nor is what it became");
    // Of a hold that this shop does not have.
    let stray = shop.gateways.pay("portone", &Uuid::now_v7().to_string(), "a guest", PRICE, silent()).await;
    let body = json!({"payment_id": stray["payment_id"], "payment_token": "token"});
    let confirm = shop.client.buyer("ann", Method::POST, "/v1/payments/portone/confirm").json(&body);
    assert_eq!(shop.client.send(confirm).await.refusal(), (404, "not_found".into()));
    assert_eq!(written(&shop, &stray, false).await, 0);
}

#[tokio::test]
async fn a_return_from_toss_with_another_order_or_by_head_captures_nothing() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let (hold, other) = (shop.hold(&sale, "ann").await, shop.hold(&sale, "bob").await);
    let made = shop.pay("toss", &hold, "ann", silent()).await;
    let id = made["payment_id"].as_str().unwrap();
    let elsewhere = |order: &str| json!({"payment_id": id, "order_ref": order});
    let order_of_bob = format!("{}07", other["hold_id"].as_str().unwrap().replace('-', ""));
    for order in [order_of_bob.as_str(), "another-order"] {
        assert_eq!(shop.come_back(&elsewhere(order), PRICE).await, (303, "/".to_owned()), "{order}");
    }
    let order = made["order_ref"].as_str().unwrap();
    let path = format!("/v1/payments/toss/return?paymentKey={id}&orderId={order}&amount={PRICE}");
    let head = shop.client.send(shop.client.request(Method::HEAD, &path)).await;
    assert_eq!((head.status, head.header("allow")), (405, Some("GET")));
    assert_eq!(shop.gateways.payment(id).await["captured"], 0);
    assert_eq!(shop.see(&hold, "ann").await["status"], "HOLD");
    assert!(shop.come_back(&made, PRICE).await.1.ends_with("&result=paid"));
    // Nor is a buyer redirected to another buyer's order.
    assert_eq!(shop.come_back(&elsewhere(&order_of_bob), PRICE).await, (303, "/".to_owned()));
}

/// A refund as an earlier release recorded it, or an intruder with the database's password; until it has ended.
async fn written_down(shop: &Shop, gateway: &str, made: &Value, amount: i64, status: &str) {
    let id = made["payment_id"].as_str().unwrap();
    let payment = format!("'{gateway}', '{id}'");
    let due = format!(
        "insert into holdfast.payment (gateway, payment_id, hold_ref, user_id, amount, currency, state, refund_reason)
         values ({payment}, 'room 12', 'a guest', {amount}, 'KRW', 'REFUND_REQUIRED', 'hold_unknown');
         insert into holdfast.order_ledger (event_type, gateway, payment_id, amount, currency)
         values ('REFUND_REQUIRED', {payment}, {amount}, 'KRW');
         insert into holdfast.event_outbox (event_type, data) values ('RefundRequired',
            json_build_object('gateway', '{gateway}', 'payment_id', '{id}', 'amount', {amount}));
         insert into holdfast.refund (gateway, payment_id, reason, amount, currency)
         values ({payment}, 'hold_unknown', {amount}, 'KRW')"
    );
    shop.owner.batch_execute(&due).await.unwrap();
    until(&format!("{gateway}: it is {status}"), 40, || async {
        let ended = format!("select count(*) from holdfast.refund where status = '{status}' and payment_id = '{id}'");
        (shop.count(&ended).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_recorded_refund_of_a_foreign_payment_is_not_sent() {
    let shop = Shop::open().await;
    for (gateway, _) in SHARED {
        let silent = json!({"foreign": true, "webhooks": {"delay_ms": 3_600_000}});
        let made = shop.gateways.pay(gateway, "room 12", "a guest", PRICE, silent).await;
        let before = books(&shop, &made).await;
        written_down(&shop, gateway, &made, PRICE, "FAILED").await;
        assert_eq!(books(&shop, &made).await, before, "{gateway}");
    }
}

#[tokio::test]
async fn play_money_is_not_refunded_in_a_live_shop() {
    let shop = Shop::open().await;
    for gateway in ["standard", "portone", "stripe"] {
        let play = json!({"live": false, "webhooks": {"delay_ms": 3_600_000}});
        let made = shop.gateways.pay(gateway, &Uuid::now_v7().to_string(), "a guest", PRICE, play).await;
        let before = books(&shop, &made).await;
        written_down(&shop, gateway, &made, PRICE, "FAILED").await;
        assert_eq!(books(&shop, &made).await, before, "{gateway}");
    }
}

#[tokio::test]
async fn no_more_is_refunded_than_is_due_whatever_the_gateway_has() {
    let shop = Shop::open().await;
    for (gateway, _) in SHARED {
        let silent = json!({"webhooks": {"delay_ms": 3_600_000}});
        let made = shop.gateways.pay(gateway, &Uuid::now_v7().to_string(), "a guest", PRICE, silent).await;
        written_down(&shop, gateway, &made, 300, "COMPLETED").await;
        assert_eq!(books(&shop, &made).await["refunded"], 300, "{gateway}");
        // What is left at the gateway is no refund of ours that failed.
        let id = made["payment_id"].as_str().unwrap();
        let seen =
            format!("select count(*) from holdfast.payment where payment_id = '{id}' and seen_left = {}", PRICE - 300);
        until(&format!("{gateway}: it was looked at again"), 40, || async {
            (shop.count(&seen).await == 1).then_some(())
        })
        .await;
        let reopened = format!(
            "select count(*) from holdfast.order_ledger where event_type = 'REFUND_REOPENED' and payment_id = '{id}'"
        );
        assert_eq!(shop.count(&reopened).await, 0, "{gateway}");
    }
}

/// The return to a settled payment redirects to its hold only with its own order, and its buyer always.
#[tokio::test]
async fn a_return_to_a_settled_payment_must_name_its_own_order() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for (user, reference) in [("ann", None), ("bob", Some("shop-order-77"))] {
        let hold = shop.hold(&sale, user).await;
        let mut how = silent();
        if let Some(reference) = reference {
            how["reference"] = json!(reference);
        }
        let made = shop.pay("toss", &hold, user, how).await;
        let (status, own) = shop.come_back(&made, PRICE).await;
        assert!(status == 303 && own.ends_with("&result=paid"), "{user}: {own}");
        for order in ["another-order", "shop-order-78", "019a9e7c4b5a7c3d8e9f0123456789ab01"] {
            let elsewhere = json!({"payment_id": made["payment_id"], "order_ref": order});
            assert_eq!(shop.come_back(&elsewhere, PRICE).await, (303, "/".to_owned()), "{user}: {order}");
        }
        assert_eq!(shop.come_back(&made, PRICE).await, (303, own), "{user}: a reload finds what was done");
        assert_eq!(shop.gateways.payment(made["payment_id"].as_str().unwrap()).await["captured"], PRICE);
    }
}
