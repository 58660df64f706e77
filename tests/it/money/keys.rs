//! Idempotency keys, as each gateway keeps them and as our requests use them: the simulator on one side, what the
//! functions send and read on the other, and no shop between.

use payments::{Account, Capture, Captured, GatewayApi, GatewayRequest, GatewayResponse, RefundRequest, Refunded};
use serde_json::json;
use simulator::Dialect;

use support::client::until;
use support::gateways::{GATEWAYS, OwnGateways, by_the_shop};

struct GatewayAccount {
    gateway: &'static str,
    api: Box<dyn GatewayApi>,
    url: String,
    gateways: OwnGateways,
    http: reqwest::Client,
}

impl GatewayAccount {
    async fn of(gateway: &'static str) -> Self {
        let dialect = match gateway {
            "portone" => Dialect::PortOne,
            "toss" => Dialect::Toss,
            "stripe" => Dialect::Stripe,
            _ => Dialect::Standard,
        };
        let gateways = OwnGateways::start().await;
        let api = payments::api(gateway, Account { secret: gateways.config.api_secret(dialect), live: true }).unwrap();
        let http = simulator::http::client().build().unwrap();
        Self { gateway, api, url: format!("{}/{gateway}", gateways.url), gateways, http }
    }

    async fn pay(&self, authorise: bool) -> (String, String) {
        let how = json!({"authorise": authorise, "webhooks": {"delay_ms": 3_600_000}});
        let made = self.gateways.pay(self.gateway, &uuid::Uuid::new_v4().to_string(), "ann", 1_000, how).await;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("payment_id"), text("order_ref"))
    }

    /// None: the connection broke.
    async fn send(&self, request: &GatewayRequest) -> Option<(u16, Vec<u8>)> {
        let mut sending = self.http.request(request.method.parse().unwrap(), format!("{}{}", self.url, request.path));
        for (name, value) in &request.headers {
            sending = sending.header(*name, value);
        }
        let answer = sending.body(request.body.clone()).send().await.ok()?;
        let status = answer.status().as_u16();
        answer.bytes().await.ok().map(|body| (status, body.to_vec()))
    }

    fn refund_of(&self, payment_id: &str, amount: i64, left: i64, key: &str) -> GatewayRequest {
        self.api.refund(&RefundRequest {
            payment_id,
            amount,
            left,
            currency: "KRW",
            reason: "hold_expired",
            key,
            account: None,
        })
    }

    async fn refund(&self, payment_id: &str, amount: i64, left: i64, key: &str) -> Refunded {
        let (status, body) = self.send(&self.refund_of(payment_id, amount, left, key)).await.unwrap();
        self.api.refunded(&GatewayResponse { status, body: &body })
    }

    async fn paid_back(&self, payment_id: &str) -> Vec<i64> {
        by_the_shop(&self.gateways.payment(payment_id).await)
    }
}

const KEY: &str = "refund-0192d3a4e5f60718";

#[tokio::test]
async fn a_key_repeats_its_response_and_refunds_no_other_amount() {
    for gateway in GATEWAYS {
        let account = GatewayAccount::of(gateway).await;
        let (payment, _) = account.pay(false).await;
        for _ in 0..3 {
            assert_eq!(account.refund(&payment, 300, 1_000, KEY).await, Refunded::Done, "{gateway}");
        }
        let other = account.refund(&payment, 200, 700, KEY).await;
        match gateway {
            // It does not look at the body: what was answered to the first is its answer to the second.
            "toss" => assert_eq!(other, Refunded::Done),
            "stripe" => {
                assert!(matches!(&other, Refunded::Refused(why) if why.contains("idempotency_error")), "{other:?}")
            }
            _ => assert!(matches!(&other, Refunded::Refused(_)), "{gateway}: {other:?}"),
        }
        assert_eq!(account.paid_back(&payment).await, [300], "{gateway}");
        assert_eq!(account.refund(&payment, 200, 700, "refund-0192d3a4e5f60719").await, Refunded::Done, "{gateway}");
        assert_eq!(account.paid_back(&payment).await, [300, 200], "{gateway}");
    }
}

#[tokio::test]
async fn a_key_in_flight_is_409_and_unknown_until_it_is_answered() {
    for gateway in GATEWAYS {
        let account = GatewayAccount::of(gateway).await;
        let (payment, _) = account.pay(false).await;
        account.gateways.fault(gateway, "refund", 1, "linger").await;
        assert!(account.send(&account.refund_of(&payment, 1_000, 1_000, KEY)).await.is_none(), "{gateway}: it is cut");
        assert!(account.paid_back(&payment).await.is_empty());
        let in_flight = account.refund(&payment, 1_000, 1_000, KEY).await;
        assert!(matches!(&in_flight, Refunded::Unknown(why) if why.starts_with("409 ")), "{gateway}: {in_flight:?}");
        until("the first request is through", 10, || async {
            (account.paid_back(&payment).await == [1_000]).then_some(())
        })
        .await;
        assert_eq!(account.refund(&payment, 1_000, 1_000, KEY).await, Refunded::Done, "{gateway}");
        assert_eq!(account.paid_back(&payment).await, [1_000], "{gateway}");
    }
}

#[tokio::test]
async fn portone_wants_its_keys_quoted_and_of_plain_characters() {
    let account = GatewayAccount::of("portone").await;
    let (payment, _) = account.pay(false).await;
    for bad in [KEY.to_owned(), "\"short\"".to_owned(), format!("\"{KEY} {KEY}\""), format!("\"{}\"", "a".repeat(257))]
    {
        let mut request = account.refund_of(&payment, 300, 1_000, KEY);
        let key = request.headers.iter_mut().find(|(name, _)| *name == "idempotency-key").unwrap();
        assert_eq!(key.1, format!("\"{KEY}\""), "as it is sent");
        key.1 = bad.clone();
        assert_eq!(account.send(&request).await.unwrap().0, 400, "{bad}");
    }
    // The remaining amount is compared: a manual refund came first.
    let stale = account.refund(&payment, 300, 900, KEY).await;
    assert!(matches!(&stale, Refunded::Refused(why) if why.contains("CONSISTENCY")), "{stale:?}");
    assert!(account.paid_back(&payment).await.is_empty());
}

/// Why no two payments may ever share the key of their captures.
#[tokio::test]
async fn toss_repeats_another_payments_response_under_the_same_key() {
    let account = GatewayAccount::of("toss").await;
    let (one, two) = (account.pay(true).await, account.pay(true).await);
    let capture = async |(payment_id, order_ref): &(String, String), key: &str| {
        let capture = Capture { payment_id, order_ref, amount: 1_000, currency: "KRW", key, token: None, live: true };
        let (status, body) = account.send(&account.api.capture(&capture).unwrap()).await.unwrap();
        account.api.captured(&GatewayResponse { status, body: &body })
    };
    assert_eq!(capture(&one, "capture-1").await, Captured::Done);
    assert_eq!(capture(&two, "capture-1").await, Captured::Done);
    assert_eq!(account.gateways.payment(&two.0).await["captured"], 0, "and took nothing");
    assert_eq!(capture(&two, "capture-2").await, Captured::Done);
    assert_eq!(account.gateways.payment(&two.0).await["captured"], 1_000);
}
