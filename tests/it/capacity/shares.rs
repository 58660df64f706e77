//! A crowd behind one address, and signed payments beside a flood of unsigned requests: each gets its share.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{StreamExt as _, iter};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::time::sleep;

use crate::neighbours::{CLIENTS, asks_portone, comes_back, fresh, pair};
use support::client::{Client, address, until};
use support::gateways::Gateways;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn five_hundred_buyers_behind_one_address_get_the_page_the_polls_and_the_purchase() {
    const BUYERS: usize = 500;
    let client = Client::new();
    let sale = client.sale(3_600, &[("pair", BUYERS as i64, 1)]).await;
    let wifi = address();
    let buyers = iter(0..BUYERS).map(|buyer| {
        let (client, sale, wifi) = (&client, &sale, wifi.as_str());
        async move {
            let at = |request: RequestBuilder| request.header("cf-connecting-ip", wifi);
            for path in ["/".to_owned(), format!("/sales/{sale}"), format!("/v1/sales/{sale}"), "/healthz".to_owned()] {
                for _ in 0..2 {
                    assert_eq!(client.send(at(client.request(Method::GET, &path))).await.status, 200, "{path}");
                }
            }
            let token = client.token(&client.user(&format!("wifi-{buyer}")));
            let body = json!({"sale_id": sale, "items": pair()});
            let request = client.request(Method::POST, "/v1/reservations").bearer_auth(&token).json(&body);
            let hold = client.send(at(request.header("idempotency-key", "k"))).await.ok(201);
            let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
            client.send(at(client.request(Method::GET, &path).bearer_auth(&token))).await.ok(200);
        }
    });
    buyers.buffer_unordered(CLIENTS).collect::<Vec<()>>().await;
    assert_eq!(client.report(&sale).await["skus"][0]["held"], BUYERS);
}

#[tokio::test]
#[ignore = "long"]
async fn a_signed_payment_gets_a_slot_beside_unsigned_requests() {
    let client = Client::new();
    let sale = client.sale(300, &[("pair", 3, 1)]).await;
    let strangers: Vec<_> = (0..100)
        .map(|_| {
            let event = json!({"eventType": "PAYMENT_STATUS_CHANGED", "data": {"paymentKey": fresh("no")}});
            let request = client.request(Method::POST, "/v1/webhooks/toss").header("cf-connecting-ip", address());
            tokio::spawn(request.json(&event).send())
        })
        .collect();
    for user in ["ann", "bob", "cho"] {
        let hold = client.reserve(user, "k", &sale, pair()).await.ok(201);
        let began = Instant::now();
        assert_eq!(client.pay(&fresh("pay"), &hold, user).await.ok(200)["result"], "confirmed");
        assert!(began.elapsed() < Duration::from_secs(5), "{user} waited {:?}", began.elapsed());
    }
    for stranger in strangers {
        let answer = stranger.await.unwrap().unwrap();
        // Looked up, or to be sent again.
        assert!([200, 503].contains(&answer.status().as_u16()), "{answer:?}");
    }
}

#[tokio::test]
#[ignore = "long"]
async fn one_payment_is_not_looked_up_for_every_unsigned_request() {
    let client = Client::new();
    let payment = fresh("no");
    let asks = (0..20).map(|_| {
        let event = json!({"eventType": "PAYMENT_STATUS_CHANGED", "data": {"paymentKey": payment}});
        let request = client.request(Method::POST, "/v1/webhooks/toss").header("cf-connecting-ip", address());
        client.send(request.json(&event))
    });
    let answers = join_all(asks).await;
    let limited = answers.iter().filter(|answer| answer.status == 429).count();
    assert!(limited >= 15, "{limited} of {}", answers.len());
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
}

/// The gateways take a second for each response, so that each lookup keeps a slot of `confirm` for as long.
#[tokio::test]
#[ignore = "long"]
async fn a_signed_payment_gets_a_slot_while_one_account_or_one_address_requests_lookups() {
    let client = Client::new();
    let gateways = Gateways::at(client.setting("gateway_url"));
    let sale = client.sale(300, &[("pair", 6, 1)]).await;
    for gateway in ["portone", "toss"] {
        gateways.fault(gateway, "ask", 1, "slow").await;
    }
    type Asks = fn(&Client) -> RequestBuilder;
    let askers: [(&str, Asks); 3] = [
        ("one token at PortOne", |client| asks_portone(client, "busy-asker", &fresh("no"))),
        ("one token at Toss", |client| {
            let request = comes_back(client, &fresh("no"));
            request.bearer_auth(client.token(&client.user("busy-returner"))).header("cf-connecting-ip", address())
        }),
        ("one address at Toss", |client| comes_back(client, &fresh("no")).header("cf-connecting-ip", "203.0.113.5")),
    ];
    for (n, (name, asks)) in askers.into_iter().enumerate() {
        let asked: Vec<_> = (0..50).map(|_| tokio::spawn(asks(&client).send())).collect();
        // They are under way.
        sleep(Duration::from_millis(500)).await;
        for user in ["ann", "bob"] {
            let user = format!("{user}-{n}");
            let hold = client.reserve(&user, "k", &sale, pair()).await.ok(201);
            let began = Instant::now();
            assert_eq!(client.pay(&fresh("pay"), &hold, &user).await.ok(200)["result"], "confirmed");
            assert!(began.elapsed() < Duration::from_secs(3), "{name}: {user} waited {:?}", began.elapsed());
        }
        for answer in asked {
            let status = answer.await.unwrap().unwrap().status().as_u16();
            assert!([303, 404, 429, 503, 200].contains(&status), "{name}: {status}");
        }
    }
    gateways.well_again().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn five_hundred_buyers_behind_one_address_come_back_from_paying_and_have_their_orders() {
    const BUYERS: usize = 500;
    let client = Client::new();
    let gateways = Gateways::at(client.setting("gateway_url"));
    let sale = client.sale(3_600, &[("pair", BUYERS as i64, 1)]).await;
    let wifi = address();
    let buyers = iter(0..BUYERS).map(|buyer| {
        let (client, gateways, sale, wifi) = (&client, &gateways, sale.as_str(), wifi.as_str());
        async move {
            let name = format!("payer-{buyer}");
            let hold = client.reserve(&name, "k", sale, pair()).await.ok(201);
            let (id, user) = (hold["hold_id"].as_str().unwrap(), client.user(&name));
            let gateway = if buyer % 2 == 0 { "toss" } else { "portone" };
            let amount = hold["total_amount"].as_i64().unwrap();
            let unheard = json!({"authorise": true, "webhooks": {"delay_ms": 3_600_000}});
            let made = gateways.pay(gateway, id, &user, amount, unheard).await;
            let payment = made["payment_id"].as_str().unwrap().to_owned();
            let order = made["order_ref"].as_str().unwrap_or_default().to_owned();
            // As a person does after a `Retry-After`.
            let status = until("the buyer has paid", 60, || async {
                let request = if gateway == "toss" {
                    let path = format!("/v1/payments/toss/return?paymentKey={payment}&orderId={order}&amount={amount}");
                    client.request(Method::GET, &path).bearer_auth(client.token(&user))
                } else {
                    let body = json!({"payment_id": payment, "payment_token": format!("token-{payment}")});
                    let request = client.request(Method::POST, "/v1/payments/portone/confirm");
                    request.bearer_auth(client.token(&user)).json(&body)
                };
                let answer = client.send(request.header("cf-connecting-ip", wifi)).await;
                (![429, 503].contains(&answer.status)).then_some(answer.status)
            })
            .await;
            assert!([200, 303].contains(&status), "{status}");
            let seen = client.get(&name, &format!("/v1/reservations/{id}")).await.ok(200);
            assert_eq!(seen["status"], "COMMITTED", "{gateway}");
        }
    });
    buyers.buffer_unordered(CLIENTS).collect::<Vec<()>>().await;
    assert_eq!(client.report(&sale).await["skus"][0]["sold"], BUYERS);
}
