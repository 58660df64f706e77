//! Toss Payments: its payment webhooks are not signed, so nothing in them is believed but which payment to look at;
//! the shop's server takes the money within ten minutes of the buyer's return; raw idempotency keys whose bodies Toss
//! does not compare.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::reading::{again, asked, json as body, said, segment, text, whole};
use crate::{
    Account, Answer, Api, Asked, Capture, Captured, Kind, Mark, Message, Notice, PayBack, Refunded, Request, State,
    Truth, Webhook,
};

pub struct Toss;

impl Webhook for Toss {
    fn signed_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// Anybody's: all that is taken from it is a question.
    fn is_authentic(&self, _secrets: &[String], _message: &Message, _now_s: u64) -> bool {
        true
    }

    fn read(&self, event: &Map<String, Value>) -> Result<Option<Notice>, String> {
        // DEPOSIT_CALLBACK comes beside this one for the same change, without the key to ask by.
        if event.get("eventType").and_then(Value::as_str).ok_or("eventType")? != "PAYMENT_STATUS_CHANGED" {
            return Ok(None);
        }
        let payment_id = event.get("data").and_then(|data| text(&data["paymentKey"])).ok_or("data.paymentKey")?;
        Ok(Some(Notice { payment_id, kind: Kind::Changed, said: None }))
    }
}

pub struct TossApi(pub Account);

impl TossApi {
    fn request(&self, method: &'static str, path: String, key: Option<&str>, body: Option<Value>) -> Request {
        let mut headers = vec![("authorization", format!("Basic {}", STANDARD.encode(format!("{}:", self.0.secret))))];
        headers.extend(key.map(|key| ("idempotency-key", key.to_owned())));
        headers.extend(body.as_ref().map(|_| ("content-type", "application/json".to_owned())));
        Request { method, path, headers, body: body.map(|body| body.to_string()).unwrap_or_default() }
    }
}

impl Api for TossApi {
    fn ask(&self, payment_id: &str) -> Request {
        self.request("GET", format!("/v1/payments/{}", segment(payment_id)), None, None)
    }

    fn truth(&self, answer: &Answer) -> Asked {
        // A test key sees test payments and a live key live ones: the key says which money it is.
        let live = !self.0.secret.starts_with("test_");
        asked(answer, |value| payment(value, live))
    }

    fn capture(&self, capture: &Capture) -> Option<Request> {
        let body = json!({"paymentKey": capture.payment_id, "orderId": capture.order_ref, "amount": capture.amount});
        Some(self.request("POST", "/v1/payments/confirm".to_owned(), Some(capture.key), Some(body)))
    }

    fn captured(&self, answer: &Answer) -> Captured {
        let code = body(answer).and_then(|body| text(&body["code"])).unwrap_or_default();
        match answer.status {
            200 => Captured::Done,
            _ if code == "ALREADY_PROCESSED_PAYMENT" => Captured::Unknown(code),
            400..500 if !again(answer.status) => Captured::Refused(said(answer)),
            _ => Captured::Unknown(said(answer)),
        }
    }

    fn refund(&self, refund: &PayBack) -> Request {
        let body = json!({"cancelReason": refund.reason, "cancelAmount": refund.amount});
        let path = format!("/v1/payments/{}/cancel", segment(refund.payment_id));
        self.request("POST", path, Some(refund.key), Some(body))
    }

    fn refunded(&self, answer: &Answer) -> Refunded {
        let code = body(answer).and_then(|body| text(&body["code"])).unwrap_or_default();
        match answer.status {
            200 => Refunded::Done,
            _ if code == "ALREADY_CANCELED_PAYMENT" => Refunded::Already,
            400..500 if !again(answer.status) => Refunded::Refused(said(answer)),
            _ => Refunded::Unknown(said(answer)),
        }
    }
}

fn payment(payment: &Value, live: bool) -> Option<Truth> {
    let state = match payment["status"].as_str()? {
        "READY" | "WAITING_FOR_DEPOSIT" => State::Pending,
        "IN_PROGRESS" => State::Authorised,
        "DONE" | "CANCELED" | "PARTIAL_CANCELED" => State::Paid,
        "ABORTED" | "EXPIRED" => State::Failed,
        _ => return None,
    };
    let amount = whole(&payment["totalAmount"])?;
    let order_ref = text(&payment["orderId"])?;
    let refunded = if state == State::Paid { amount.saturating_sub(whole(&payment["balanceAmount"])?) } else { 0 };
    Some(Truth {
        state,
        amount,
        refunded,
        refunding: None,
        currency: text(&payment["currency"])?,
        mark: Mark::find([text(&payment["metadata"]["hold_id"]), Some(order_ref.clone())]),
        order_ref,
        user_id: text(&payment["metadata"]["user_id"]),
        live,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(secret: &str) -> TossApi {
        TossApi(Account { secret: secret.to_owned(), live: true })
    }

    #[test]
    fn an_event_is_only_a_question() {
        let read = |event: Value| Toss.read(event.as_object().expect("an object"));
        let event = json!({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2022-01-01T00:00:00.000000",
            "data": {"paymentKey": "key", "orderId": "o", "status": "DONE", "totalAmount": 1}});
        let notice = read(event).expect("read").expect("a payment");
        assert_eq!((notice.payment_id.as_str(), notice.said), ("key", None));
        assert_eq!(read(json!({"eventType": "DEPOSIT_CALLBACK"})), Ok(None));
        assert!(read(json!({"eventType": "PAYMENT_STATUS_CHANGED", "data": {}})).is_err());
    }

    #[test]
    fn it_is_asked_with_the_secret_as_a_user_without_a_password() {
        // The example of Toss's own documentation.
        let request = api("test_gsk_docs_OaPz8L5KdmQXkzRz3y47BMw6").ask("a");
        let (_, value) = &request.headers[0];
        assert_eq!(value, "Basic dGVzdF9nc2tfZG9jc19PYVB6OEw1S2RtUVhrelJ6M3k0N0JNdzY6");
    }

    #[test]
    fn the_balance_says_what_is_left_and_the_key_whose_money_it_is() {
        let read = |secret: &str, status: &str, balance: i64| {
            let payment = json!({"paymentKey": "k", "orderId": "o", "status": status, "totalAmount": 1000,
                "balanceAmount": balance, "currency": "KRW", "metadata": null});
            api(secret).truth(&Answer { status: 200, body: payment.to_string().as_bytes() })
        };
        let Asked::Known(truth) = read("live_sk_1", "PARTIAL_CANCELED", 400) else { panic!("a payment") };
        assert_eq!((truth.state, truth.left(), truth.live, truth.mark), (State::Paid, 400, true, None));
        let Asked::Known(truth) = read("test_sk_1", "IN_PROGRESS", 1000) else { panic!("a payment") };
        assert_eq!((truth.state, truth.live, truth.left()), (State::Authorised, false, 1000));
    }

    #[test]
    fn what_was_cancelled_already_is_cancelled_and_in_flight_is_unknown() {
        let refunded = |status: u16, code: &str| {
            api("live").refunded(&Answer { status, body: json!({"code": code, "message": "m"}).to_string().as_bytes() })
        };
        assert_eq!(refunded(200, ""), Refunded::Done);
        assert_eq!(refunded(400, "ALREADY_CANCELED_PAYMENT"), Refunded::Already);
        assert!(matches!(refunded(409, "IDEMPOTENT_REQUEST_PROCESSING"), Refunded::Unknown(_)));
        assert!(matches!(refunded(500, "FAILED_INTERNAL_SYSTEM_PROCESSING"), Refunded::Unknown(_)));
        assert!(matches!(refunded(403, "NOT_CANCELABLE_PAYMENT"), Refunded::Refused(_)));
        let captured = |status: u16, code: &str| {
            api("live").captured(&Answer { status, body: json!({"code": code}).to_string().as_bytes() })
        };
        assert!(matches!(captured(400, "ALREADY_PROCESSED_PAYMENT"), Captured::Unknown(_)));
        assert!(matches!(captured(400, "REJECT_CARD_PAYMENT"), Captured::Refused(_)));
    }
}
