//! Stripe: events are signed with the whole secret over the raw body; a few currencies have units of their own; refunds
//! have a key.

mod intent;
mod lists;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::api::{Account, Capture, Captured, GatewayApi, RefundRequest, Refunded};
use crate::dispute::Dispute;
use crate::event::{EventKind, Message, WebhookEvent, WebhookReader};
use crate::gateway::{Gateway, Member, ReturnPage};
use crate::http::{GatewayRequest, GatewayResponse};
use crate::list::{ListPage, Listed};
use crate::reading::{excerpt, is_inconclusive, json as body, lookup_result, page, segment, text};
use crate::signature;
use crate::snapshot::{LookupResult, PaymentSnapshot, State};
use crate::stripe::intent::{payment, unit_of};

pub const GATEWAY: Gateway = Gateway {
    name: "stripe",
    title: "Stripe",
    webhook: &Stripe,
    messages: &[&[Member::Text("type")]],
    details: None,
    api: |account| Box::new(StripeApi(account)),
    default_url: "https://api.stripe.com",
    webhook_secret_variable: "STRIPE_WEBHOOK_SECRET",
    addresses_variable: None,
    test_key_prefixes: &["sk_test_", "rk_test_"],
    unit_of,
    currencies: "every currency of ISO 4217 with up to three decimals, but IQD and LYD",
    return_page: ReturnPage::None,
    refusal: None,
};

struct Stripe;

impl WebhookReader for Stripe {
    fn signed_headers(&self) -> &'static [&'static str] {
        &["stripe-signature"]
    }

    fn is_authentic(&self, secrets: &[String], message: &Message, now_s: u64) -> bool {
        let Some(header) = (message.header)("stripe-signature") else { return false };
        let mut sent = None;
        let mut signatures = Vec::new();
        for part in header.split(',') {
            match part.trim().split_once('=') {
                Some(("t", at)) => sent = Some(at),
                // Other schemes are not for us: `v0` is a fake one for tests.
                Some(("v1", hex)) if signatures.len() < signature::CANDIDATES_MAX => {
                    signatures.extend(hex::decode(hex).ok().filter(|mac| mac.len() == signature::MAC_BYTES));
                }
                _ => {}
            }
        }
        let Some(sent) = sent.filter(|_| !signatures.is_empty()) else { return false };
        if signature::seconds(sent).is_none_or(|sent_s| now_s.abs_diff(sent_s) > signature::TOLERANCE_S) {
            return false;
        }
        secrets.iter().filter(|secret| !secret.is_empty()).any(|secret| {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
            mac.update(sent.as_bytes());
            mac.update(b".");
            mac.update(message.body);
            signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
        })
    }

    fn read(&self, event: &Map<String, Value>) -> Result<Option<WebhookEvent>, String> {
        let r#type = event.get("type").and_then(Value::as_str).ok_or("type")?;
        if is_later(r#type) {
            let object = event.get("data").map(|data| &data["object"]).ok_or("data.object")?;
            // A charge without an intent belongs to another product on the account.
            let kind = EventKind::Later { dispute: None };
            return Ok(text(&object["payment_intent"]).map(|payment_id| WebhookEvent {
                payment_id,
                kind,
                details: None,
            }));
        }
        if !r#type.starts_with("payment_intent.") {
            return Ok(None);
        }
        let intent = event.get("data").map(|data| &data["object"]).ok_or("data.object")?;
        let payment_id = text(&intent["id"]).ok_or("data.object.id")?;
        // An event is about the past: the payment may have been refunded since, so it is looked up.
        Ok(Some(WebhookEvent { payment_id, kind: EventKind::Changed, details: None }))
    }
}

/// In Stripe's unit. A currency without one is written as it is, and Stripe refuses it.
fn to_theirs(amount: i64, currency: &str) -> String {
    GATEWAY.unit(currency).and_then(|unit| unit.write(amount)).unwrap_or_else(|| amount.to_string())
}

/// Whether the event is about a dispute or a refund.
fn is_later(r#type: &str) -> bool {
    r#type.starts_with("charge.dispute.")
        || matches!(r#type, "charge.refunded" | "charge.refund.updated")
        || matches!(r#type, "refund.created" | "refund.updated" | "refund.failed")
}

struct StripeApi(Account);

impl StripeApi {
    fn request(
        &self,
        method: &'static str,
        path: String,
        key: Option<&str>,
        form: &[(&str, String)],
    ) -> GatewayRequest {
        let mut headers = vec![("authorization", format!("Bearer {}", self.0.secret))];
        headers.extend(key.map(|key| ("idempotency-key", key.to_owned())));
        if method == "POST" {
            headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        }
        let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", segment(value))).collect();
        GatewayRequest { method, path, headers, body: body.join("&") }
    }
}

impl GatewayApi for StripeApi {
    fn look_up(&self, payment_id: &str) -> GatewayRequest {
        // The charge's refunds say what was refunded and what is pending; the intent does not.
        let path = format!("/v1/payment_intents/{}?expand[]=latest_charge.refunds", segment(payment_id));
        self.request("GET", path, None, &[])
    }

    fn snapshot(&self, response: &GatewayResponse) -> LookupResult {
        lookup_result(response, payment)
    }

    fn find(&self, reference: &str) -> Option<GatewayRequest> {
        let id = crate::mark::hyphenated(reference)?;
        let query = segment(&format!("metadata['hold_id']:'{id}'"));
        let path = format!("/v1/payment_intents/search?query={query}&expand[]=data.latest_charge.refunds");
        Some(self.request("GET", path, None, &[]))
    }

    fn found(&self, response: &GatewayResponse) -> Vec<LookupResult> {
        match body(response) {
            Some(body) if response.status == 200 && body["data"].is_array() => {
                let all = body["data"].as_array().into_iter().flatten();
                all.map(|one| {
                    payment(one).map_or(LookupResult::Unreadable("no intent".to_owned()), LookupResult::Known)
                })
                .collect()
            }
            _ => vec![lookup_result(response, |_| None)],
        }
    }

    fn capture(&self, capture: &Capture) -> Option<GatewayRequest> {
        let path = format!("/v1/payment_intents/{}/capture", segment(capture.payment_id));
        let amount = to_theirs(capture.amount, capture.currency);
        Some(self.request("POST", path, Some(capture.key), &[("amount_to_capture", amount)]))
    }

    fn captured(&self, response: &GatewayResponse) -> Captured {
        let error = body(response).map(|body| body["error"].clone()).unwrap_or_default();
        match response.status {
            200 => match self.snapshot(response) {
                LookupResult::Known(PaymentSnapshot { state: State::Paid, .. }) => Captured::Done,
                LookupResult::Known(PaymentSnapshot { state: State::Failed, .. }) => {
                    Captured::Refused(excerpt(response))
                }
                _ => Captured::Unknown(excerpt(response)),
            },
            // Captured or cancelled before: the intent says which. It also says what was done under a key that was used
            // for other parameters.
            _ if error["code"] == "payment_intent_unexpected_state" || error["type"] == "idempotency_error" => {
                Captured::Unknown(excerpt(response))
            }
            400..500 if !is_inconclusive(response.status) => Captured::Refused(excerpt(response)),
            _ => Captured::Unknown(excerpt(response)),
        }
    }

    fn void(&self, payment_id: &str, key: &str) -> Option<GatewayRequest> {
        let path = format!("/v1/payment_intents/{}/cancel", segment(payment_id));
        Some(self.request("POST", path, Some(key), &[("cancellation_reason", "abandoned".to_owned())]))
    }

    fn refund(&self, refund: &RefundRequest) -> GatewayRequest {
        let amount = to_theirs(refund.amount, refund.currency);
        let form = [
            ("payment_intent", refund.payment_id.to_owned()),
            ("amount", amount),
            ("reason", "requested_by_customer".to_owned()),
            ("metadata[reason]", refund.reason.to_owned()),
        ];
        self.request("POST", "/v1/refunds".to_owned(), Some(refund.key), &form)
    }

    fn refunded(&self, response: &GatewayResponse) -> Refunded {
        let body = body(response).unwrap_or_default();
        match (response.status, body["status"].as_str(), body["error"]["code"].as_str()) {
            (200, Some("succeeded"), _) => Refunded::Done,
            (200, Some("pending" | "requires_action"), _) => Refunded::Requested,
            (200, Some("failed" | "canceled"), _) => Refunded::Refused(excerpt(response)),
            (_, _, Some("charge_already_refunded")) => Refunded::Already,
            (400..500, ..) if !is_inconclusive(response.status) => Refunded::Refused(excerpt(response)),
            _ => Refunded::Unknown(excerpt(response)),
        }
    }

    fn look_up_dispute(&self, payment_id: &str) -> Option<GatewayRequest> {
        let path = format!("/v1/disputes?payment_intent={}&limit=100", segment(payment_id));
        Some(self.request("GET", path, None, &[]))
    }

    fn dispute(&self, response: &GatewayResponse, currency: &str) -> Option<Dispute> {
        lists::dispute(&page(response).ok()?, currency)
    }

    fn lists(&self) -> &'static [&'static str] {
        &lists::ALL
    }

    fn list(&self, page: &ListPage) -> GatewayRequest {
        self.request("GET", lists::path(page), None, &[])
    }

    fn listed(&self, wanted: &ListPage, response: &GatewayResponse) -> Result<Listed, String> {
        lists::read(wanted, &page(response)?)
    }
}

#[cfg(test)]
mod tests;
