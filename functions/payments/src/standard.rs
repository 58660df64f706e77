//! The shop's own payment service: `payment.paid` (docs/payments.md), signed by Standard Webhooks, and three requests: `GET
//! /v1/payments/{payment_id}` with `status`, `amount`, `refunded_amount` and, if refunds take time, `refunding_amount`;
//! a list; and `POST /v1/payments/{payment_id}/refunds` with a key.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::{Account, GatewayApi, RefundRequest, Refunded};
use crate::dispute::{Dispute, DisputeState, Disputed};
use crate::event::{EventKind, Message, PaymentDetails, WebhookEvent, WebhookReader};
use crate::gateway::{Gateway, Member, ReturnPage};
use crate::http::{GatewayRequest, GatewayResponse};
use crate::list::{ListPage, Listed, PAGE_MAX};
use crate::list::{civil, listed_payment};
use crate::mark::Mark;
use crate::reading::{amount, excerpt, is_inconclusive, json as body, lookup_result, page, segment, text};
use crate::signature;
use crate::snapshot::{LookupResult, PaymentSnapshot, State};
use crate::units::Unit;

const PAID: &str = "payment.paid";
/// Later events of the service; only the payment's id is read.
const LATER: [&str; 3] = ["payment.disputed", "payment.refunded", "payment.refund_failed"];

pub const GATEWAY: Gateway = Gateway {
    name: "standard",
    title: "The shop's own service",
    webhook: &Standard,
    messages: &[&[Member::Text("type")]],
    details: Some(PAID),
    api: |account| Box::new(StandardApi(account)),
    default_url: "",
    webhook_secret_variable: "WEBHOOK_SECRET",
    addresses_variable: None,
    test_key_prefixes: &["test_", "sk_test_", "rk_test_"],
    unit_of: |_| Some(Unit::Minor),
    currencies: "every currency of ISO 4217",
    return_page: ReturnPage::None,
    refusal: None,
};

struct Standard;

#[derive(Deserialize)]
struct Paid {
    payment_id: String,
    hold_id: String,
    user_id: String,
    #[serde(deserialize_with = "protocol::whole::number")]
    amount: i64,
    currency: String,
    /// False: a test payment.
    #[serde(default = "yes")]
    live: bool,
}

fn yes() -> bool {
    true
}

impl WebhookReader for Standard {
    fn signed_headers(&self) -> &'static [&'static str] {
        &signature::HEADERS
    }

    fn is_authentic(&self, secrets: &[String], message: &Message, now_s: u64) -> bool {
        signature::is_signed(secrets, message, now_s)
    }

    fn read(&self, event: &Map<String, Value>) -> Result<Option<WebhookEvent>, String> {
        let r#type = event.get("type").and_then(Value::as_str).ok_or("type")?;
        if LATER.contains(&r#type) {
            let payment_id = event.get("data").and_then(|data| text(&data["payment_id"])).ok_or("data.payment_id")?;
            return Ok(Some(WebhookEvent { payment_id, kind: EventKind::Later { dispute: None }, details: None }));
        }
        if r#type != PAID {
            return Ok(None);
        }
        // As an object only: an array of the members in their order is not what the contract says.
        let data = event.get("data").filter(|data| data.is_object()).ok_or("data")?;
        let Paid { payment_id, hold_id, user_id, amount, currency, live } =
            Paid::deserialize(data).map_err(|error| format!("data: {error}"))?;
        let details = PaymentDetails { hold_ref: hold_id, user_id, amount, currency, live };
        Ok(Some(WebhookEvent { payment_id, kind: EventKind::Changed, details: Some(details) }))
    }
}

struct StandardApi(Account);

impl StandardApi {
    fn request(&self, method: &'static str, path: String) -> GatewayRequest {
        let headers = vec![("authorization", format!("Bearer {}", self.0.secret))];
        GatewayRequest { method, path, headers, body: String::new() }
    }
}

impl GatewayApi for StandardApi {
    fn look_up(&self, payment_id: &str) -> GatewayRequest {
        self.request("GET", format!("/v1/payments/{}", segment(payment_id)))
    }

    fn snapshot(&self, response: &GatewayResponse) -> LookupResult {
        lookup_result(response, payment)
    }

    fn find(&self, reference: &str) -> Option<GatewayRequest> {
        Some(self.request("GET", format!("/v1/payments?hold_id={}", crate::mark::hyphenated(reference)?)))
    }

    fn found(&self, response: &GatewayResponse) -> Vec<LookupResult> {
        match body(response) {
            // A service without such a list finds nothing.
            _ if matches!(response.status, 400 | 404 | 405 | 501) => Vec::new(),
            Some(body) if response.status == 200 && body["payments"].is_array() => {
                let all = body["payments"].as_array().into_iter().flatten();
                all.map(|one| {
                    payment(one).map_or(LookupResult::Unreadable("no payment".to_owned()), LookupResult::Known)
                })
                .collect()
            }
            _ => vec![lookup_result(response, |_| None)],
        }
    }

    fn refund(&self, refund: &RefundRequest) -> GatewayRequest {
        let mut request = self.request("POST", format!("/v1/payments/{}/refunds", segment(refund.payment_id)));
        request.headers.push(("idempotency-key", format!("\"{}\"", refund.key)));
        request.headers.push(("content-type", "application/json".to_owned()));
        request.body =
            json!({"amount": refund.amount, "currency": refund.currency, "reason": refund.reason}).to_string();
        request
    }

    fn refunded(&self, response: &GatewayResponse) -> Refunded {
        let body = body(response).unwrap_or_default();
        match (response.status, body["status"].as_str(), body["code"].as_str()) {
            (200 | 201, Some("succeeded"), _) => Refunded::Done,
            (200..=202, Some("pending"), _) => Refunded::Requested,
            (_, _, Some("already_refunded")) => Refunded::Already,
            (400..500, ..) if !is_inconclusive(response.status) => Refunded::Refused(excerpt(response)),
            _ => Refunded::Unknown(excerpt(response)),
        }
    }

    fn lists(&self) -> &'static [&'static str] {
        &["payments"]
    }

    fn list(&self, page: &ListPage) -> GatewayRequest {
        let (from, until) = (civil(page.from_s), civil(page.until_s));
        let path = format!("/v1/payments?from={from}Z&until={until}Z&limit={PAGE_MAX}");
        let cursor = if page.cursor.is_empty() { String::new() } else { format!("&cursor={}", segment(page.cursor)) };
        self.request("GET", path + &cursor)
    }

    fn listed(&self, _page: &ListPage, response: &GatewayResponse) -> Result<Listed, String> {
        let page = page(response)?;
        let all = page["payments"].as_array().ok_or("a page without `payments`")?;
        let entry = |one: &Value| Some(listed_payment(text(&one["payment_id"])?, payment(one)?));
        Ok(Listed::of(all.iter().map(entry), text(&page["next"])))
    }
}

/// `null`: no dispute; missing: the service does not report disputes.
fn disputed(dispute: Option<&Value>, unit: Unit) -> Option<Disputed> {
    match dispute {
        None => Some(Disputed::Unsaid),
        Some(Value::Null) => Some(Disputed::No),
        Some(dispute) => {
            let state = DisputeState::named(dispute["status"].as_str()?)?;
            Some(Disputed::Yes(Dispute { state, amount: amount(&dispute["amount"], unit)?, lost_before: 0 }))
        }
    }
}

fn payment(payment: &Value) -> Option<PaymentSnapshot> {
    let state = match payment["status"].as_str()? {
        "pending" => State::Pending,
        "paid" => State::Paid,
        "failed" => State::Failed,
        _ => return None,
    };
    let currency = text(&payment["currency"])?;
    let unit = GATEWAY.unit(&currency)?;
    let refunding = match &payment["refunding_amount"] {
        Value::Null => None,
        refunding => Some(amount(refunding, unit)?),
    };
    Some(PaymentSnapshot {
        state,
        payment_id: text(&payment["payment_id"])?,
        amount: amount(&payment["amount"], unit)?,
        refunded: amount(&payment["refunded_amount"], unit)?,
        refunding,
        currency,
        mark: Some(Mark::of_own_service(text(&payment["hold_id"])?)),
        order_ref: text(&payment["payment_id"])?,
        user_id: text(&payment["user_id"]),
        live: matches!(payment["live"], Value::Null | Value::Bool(true)),
        needs_account: false,
        secret: None,
        disputed: disputed(payment.get("dispute"), unit)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_says_what_is_left_and_perhaps_what_is_on_its_way_back() {
        let read = |more: Value| {
            let mut payment = json!({"payment_id": "p", "hold_id": "h", "user_id": "u", "status": "paid", "amount": 1000,
                "refunded_amount": 300, "currency": "KRW"});
            payment.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            let api = StandardApi(Account { secret: "s".to_owned(), live: true });
            let LookupResult::Known(snapshot) =
                api.snapshot(&GatewayResponse { status: 200, body: payment.to_string().as_bytes() })
            else {
                panic!("a payment")
            };
            (snapshot.left(), snapshot.refunding, snapshot.live)
        };
        assert_eq!(read(json!({})), (700, None, true));
        assert_eq!(read(json!({"refunding_amount": 700, "live": false})), (700, Some(700), false));
    }

    #[test]
    fn a_listed_payment_that_cannot_be_read_hides_no_other() {
        let payment = |id: &str, status: &str| {
            json!({"payment_id": id, "hold_id": "h", "user_id": "u", "status": status, "amount": 1000,
                "refunded_amount": 0, "currency": "KRW"})
        };
        let body = json!({"payments": [payment("a", "paid"), payment("b", "who_knows"), {}, payment("c", "paid")], "next": "n"});
        let api = StandardApi(Account { secret: "s".to_owned(), live: true });
        let wanted = ListPage { list: "payments", from_s: 0, until_s: 1, cursor: "" };
        let listed = api.listed(&wanted, &GatewayResponse { status: 200, body: body.to_string().as_bytes() });
        let listed = listed.expect("a page");
        let ids: Vec<&str> = listed.entries.iter().map(|entry| entry.payment_id.as_str()).collect();
        assert_eq!((ids, listed.unread, listed.next.as_deref()), (vec!["a", "c"], 2, Some("n")));
    }

    #[test]
    fn an_event_may_have_more_members_than_ours_and_must_have_ours() {
        let read = |text: &str| {
            let event: Map<String, Value> = serde_json::from_str(text).expect("an object");
            Standard.read(&event)
        };
        let data = r#""payment_id":"p","hold_id":"h","user_id":"u","amount":1.0,"currency":"KRW""#;
        let event = |data: &str| format!(r#"{{"type":"payment.paid","timestamp":"t","id":{{}},"data":{data}}}"#);
        assert!(matches!(read(&event(&format!(r#"{{{data},"card":[1]}}"#))), Ok(Some(_))));
        for name in ["payment_id", "hold_id", "user_id", "amount", "currency"] {
            assert!(read(&event(&format!("{{{}}}", data.replace(name, "other")))).is_err(), "{name}");
        }
        assert!(read(&event(r#"["p","h","u",1,"KRW"]"#)).is_err());
        assert_eq!(read(r#"{"type":"payment.other"}"#), Ok(None));
        assert!(read("{}").is_err());
    }
}
