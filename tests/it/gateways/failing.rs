//! Gateways that are down, busy, or answer what nobody can read: what is done then is asked about, and nobody else waits
//! for it.

use reqwest::Method;
use serde_json::json;
use simulator::Dialect;

use support::client::until;
use support::shop::{PRICE, Shop, silent};

#[tokio::test]
async fn a_capture_whose_answer_is_lost_is_asked_about_and_one_that_failed_is_taken_up_by_the_sweep() {
    let shop = Shop::open_alone().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    shop.gateways.fault("toss", "capture", 1, "cut").await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("toss", &hold, "ann", silent()).await;
    assert!(shop.come_back(&made, PRICE).await.1.ends_with("&result=paid"));
    assert_eq!(shop.see(&hold, "ann").await["status"], "COMMITTED");

    shop.gateways.well_again().await;
    shop.gateways.fault("toss", "capture", 1, "down").await;
    let short = shop.client.sale(3, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&short, "bob").await;
    let made = shop.pay("toss", &hold, "bob", silent()).await;
    assert_eq!(shop.come_back(&made, PRICE).await.0, 503);
    assert_eq!(shop.gateways.payment(made["payment_id"].as_str().unwrap()).await["captured"], 0);
    // While its money may be on the way the hold is nobody's to give away.
    let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
    assert_eq!(shop.client.send(shop.client.buyer("bob", Method::DELETE, &path)).await.refusal().0, 409);
    shop.gateways.well_again().await;
    // Nobody comes back and nobody tells: the sweep asks, after the end that was promised and before the real one.
    let seen = shop.until_status(&hold, "bob", "COMMITTED").await;
    assert_eq!(seen["expire_at"], hold["expire_at"], "what was promised stays what was promised");
}

#[tokio::test]
async fn a_gateway_that_is_down_stops_nobody_else_and_its_buyers_are_confirmed_when_it_is_back() {
    let shop = Shop::open_alone().await;
    let sale = shop.client.sale(3_600, &[("pair", 99, 1)]).await;
    shop.gateways.fault("toss", "ask", 1, "down").await;
    let mut waiting = Vec::new();
    for n in 0..6 {
        let (user, hold) = (format!("toss-{n}"), shop.hold(&sale, &format!("toss-{n}")).await);
        shop.pay("toss", &hold, &user, json!({})).await;
        waiting.push((user, hold));
    }
    let breaker = |state: &'static str| {
        let (shop, sale) = (&shop, &sale);
        async move {
            until(&format!("the breaker is {state}"), 20, || async {
                let gateways = shop.client.report(sale).await["gateways"].clone();
                gateways
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|g| g["gateway"] == "toss" && g["breaker"] == state)
                    .then_some(())
            })
            .await;
        }
    };
    breaker("open").await;
    for gateway in ["standard", "portone", "stripe"] {
        let hold = shop.hold(&sale, gateway).await;
        shop.pay(gateway, &hold, gateway, json!({})).await;
        shop.until_status(&hold, gateway, "COMMITTED").await;
    }
    shop.gateways.well_again().await;
    for (user, hold) in &waiting {
        shop.until_status(hold, user, "COMMITTED").await;
    }
    breaker("closed").await;
}

async fn failures(shop: &Shop, gateway: &str) -> i64 {
    let sql = "select coalesce(max(failures), 0)::bigint from holdfast.gateway_breaker where gateway = ";
    shop.count(&format!("{sql}'{gateway}'")).await
}

#[tokio::test]
async fn too_many_questions_slow_the_asking_and_turn_no_buyer_away() {
    let shop = Shop::open_alone().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    shop.gateways.fault("toss", "ask", 1, "busy").await;
    for n in 0..8 {
        let body = json!({"eventType": "PAYMENT_STATUS_CHANGED", "data": {"paymentKey": format!("tgen_{n}")}});
        let answer = shop.client.send(shop.client.request(Method::POST, "/v1/webhooks/toss").json(&body)).await;
        assert_eq!(answer.refusal(), (503, "unavailable".into()));
    }
    assert_eq!(failures(&shop, "toss").await, 0, "it has answered each time");
    shop.gateways.well_again().await;
    let hold = shop.hold(&sale, "ann").await;
    let made = shop.pay("toss", &hold, "ann", silent()).await;
    assert!(shop.come_back(&made, PRICE).await.1.ends_with("&result=paid"));
    shop.owner.batch_execute("update holdfast.gateway_breaker set ask_after = null").await.unwrap();
}

#[tokio::test]
async fn a_payment_of_which_nothing_can_be_read_is_given_up_by_itself_and_no_other_is() {
    let shop = Shop::open_alone().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for kind in ["forbidden", "garbled"] {
        let hold = shop.hold(&sale, kind).await;
        let made = shop.pay("portone", &hold, kind, silent()).await;
        let id = made["payment_id"].as_str().unwrap().to_owned();
        let noted = "insert into holdfast.payment_attempt
                         (gateway, payment_id, hold_ref, hold_id, amount, currency, attempt, state, ask_at, unanswered)
                     values ('portone', $1, $2::uuid::text, $2::uuid, 1000, 'KRW', 1, 'UNDER_WAY', clock_timestamp(), 10)";
        let hold_id: uuid::Uuid = hold["hold_id"].as_str().unwrap().parse().unwrap();
        shop.gateways.fault("portone", "ask", 1, kind).await;
        shop.owner.execute(noted, &[&id, &hold_id]).await.unwrap();
        let path = format!("/v1/admin/dead-letters?kind=unanswered_payment&sale_id={sale}");
        let again = format!("update holdfast.payment_attempt set ask_at = clock_timestamp() where payment_id = '{id}'");
        let letter = until("it is a dead letter", 60, || async {
            // Its distances are hours by now.
            shop.owner.batch_execute(&again).await.unwrap();
            let page = shop.client.admin(Method::GET, &path, None).await.ok(200);
            page["dead_letters"].as_array().unwrap().iter().find(|letter| letter["payment_id"] == id.as_str()).cloned()
        })
        .await;
        assert_eq!((failures(&shop, "portone").await, &letter["attempts"]), (0, &json!(12)), "{letter}");
        shop.gateways.well_again().await;
        // Asked about again it is what it is.
        let replay = format!("/v1/admin/dead-letters/{}/replay", letter["id"].as_str().unwrap());
        shop.client.admin(Method::POST, &replay, Some(json!({"reason": "they are well again"}))).await.ok(200);
        until("it is no dead letter any more", 20, || async {
            let page = shop.client.admin(Method::GET, &path, None).await.ok(200);
            page["dead_letters"].as_array().unwrap().is_empty().then_some(())
        })
        .await;
    }
}

/// The message tells of the past: the money went back while nobody could ask.
#[tokio::test]
async fn what_the_shops_own_service_signed_does_not_count_while_it_does_not_answer() {
    let shop = Shop::open_alone().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for kind in ["busy", "down", "forbidden", "garbled"] {
        let hold = shop.hold(&sale, kind).await;
        shop.gateways.fault("standard", "ask", 1, kind).await;
        let made = shop.pay("standard", &hold, kind, json!({})).await;
        let payment = made["payment_id"].as_str().unwrap();
        until("the shop has been told in vain", 20, || async {
            let attempts = shop.gateways.payment(payment).await["deliveries"][0]["attempts"].clone();
            (attempts[0]["status"] == 503).then_some(())
        })
        .await;
        let refund = json!({"amount": PRICE, "webhooks": {"times": 0}});
        shop.gateways.console(payment, "refund-by-hand", &refund).await;
        shop.gateways.well_again().await;
        shop.owner.batch_execute("update holdfast.gateway_breaker set ask_after = null").await.unwrap();
        assert_eq!(shop.late_answer(payment).await, r#"{"result":"ignored"}"#, "{kind}");
        assert_eq!(shop.see(&hold, kind).await["status"], "HOLD", "{kind}");
    }
}

/// What the function rejects says nothing of the function: the edge goes on calling it.
#[tokio::test]
async fn five_requests_that_confirm_rejects_leave_it_open_to_everybody() {
    let shop = Shop::open_alone().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    // The database rejects this one as the caller's mistake, whoever asks and however often.
    let poison = uuid::Uuid::now_v7();
    let never = json!({"webhooks": {"times": 0}});
    let made = shop.gateways.pay("stripe", &poison.to_string(), "a guest", PRICE, never).await;
    let rule =
        format!("alter table holdfast.parked_payment add constraint poison check (hold_ref <> '{poison}') not valid");
    shop.owner.batch_execute(&rule).await.unwrap();
    let event = json!({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "livemode": true,
        "data": {"object": {"id": made["payment_id"]}}});
    let signed = shop.client.signed(Dialect::Stripe, &event.to_string());
    assert_eq!(support::invoke::invoke("confirm", &signed).await, Err("NonRetryable".into()));
    for _ in 0..8 {
        let message = shop.client.message_of(Dialect::Stripe, event.to_string().as_bytes());
        assert_eq!(shop.client.send(message).await.refusal(), (503, "unavailable".into()));
    }
    let paid = shop.client.pay(&format!("pay_{}", uuid::Uuid::new_v4()), &hold, "ann").await;
    shop.owner.batch_execute("alter table holdfast.parked_payment drop constraint poison").await.unwrap();
    assert_eq!(paid.ok(200)["result"], "confirmed");
    // Nor is it closed by a gateway that the function does not have.
    for n in 0..8 {
        let unknown = json!({"gateway": "nobody", "payment_id": format!("p{n}"), "request_id": "r"});
        assert_eq!(support::invoke::invoke("confirm", &unknown).await, Err("NonRetryable".into()));
    }
}
