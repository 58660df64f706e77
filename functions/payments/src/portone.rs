//! PortOne V2: webhooks are signed (Standard Webhooks) and carry ids only; cancellations compare the balance and may
//! complete after the response; idempotency keys are quoted.

use serde_json::{Map, Value, json};

use crate::api::{Account, Capture, Captured, GatewayApi, RefundAccount, RefundRequest, Refunded};
use crate::bank::portone_name;
use crate::dispute::{DisputeHint, Disputed};
use crate::event::{EventKind, Message, WebhookEvent, WebhookReader};
use crate::gateway::{Gateway, Member, ReturnPage};
use crate::http::{GatewayRequest, GatewayResponse};
use crate::list::{ListPage, Listed, PAGE_MAX};
use crate::list::{civil, listed_payment};
use crate::mark::Mark;
use crate::reading::{amount, excerpt, is_inconclusive, json as body, lookup_result, page, segment, text};
use crate::signature;
use crate::snapshot::{LookupResult, PaymentSnapshot, State};
use crate::units::Unit;

pub const GATEWAY: Gateway = Gateway {
    name: "portone",
    title: "PortOne",
    webhook: &PortOne,
    messages: &[&[Member::Text("type")]],
    details: None,
    api: |account| Box::new(PortOneApi(account)),
    default_url: "https://api.portone.io",
    webhook_secret_variable: "PORTONE_WEBHOOK_SECRET",
    addresses_variable: None,
    test_key_prefixes: &["test_", "sk_test_", "rk_test_"],
    unit_of: |_| Some(Unit::Minor),
    currencies: "every currency of ISO 4217",
    return_page: ReturnPage::Token,
    refusal: Some((
        "errorMessage",
        "결제되지 않았습니다. 예약이 끝났거나 결제할 수 없는 예약입니다. (Nothing was charged.)",
    )),
};

struct PortOne;

impl WebhookReader for PortOne {
    fn signed_headers(&self) -> &'static [&'static str] {
        &signature::HEADERS
    }

    fn is_authentic(&self, secrets: &[String], message: &Message, now_s: u64) -> bool {
        signature::is_signed(secrets, message, now_s)
    }

    fn read(&self, event: &Map<String, Value>) -> Result<Option<WebhookEvent>, String> {
        let r#type = event.get("type").and_then(Value::as_str).ok_or("type")?;
        let kind = match r#type {
            "Transaction.Confirm" => EventKind::CaptureApproval {
                amount: event.get("data").and_then(|data| amount(&data["totalAmount"], Unit::Minor)),
            },
            "Transaction.DisputeCreated" => {
                EventKind::Later { dispute: Some(DisputeHint::Opened { at: event.get("timestamp").and_then(text) }) }
            }
            "Transaction.DisputeResolved" => EventKind::Later { dispute: Some(DisputeHint::Resolved) },
            // Money was refunded, or a deposit is awaited: for the first time, or again.
            "Transaction.Cancelled"
            | "Transaction.PartialCancelled"
            | "Transaction.CancelPending"
            | "Transaction.VirtualAccountIssued" => EventKind::Later { dispute: None },
            other if other.starts_with("Transaction.") => EventKind::Changed,
            _ => return Ok(None),
        };
        let payment_id = event.get("data").and_then(|data| text(&data["paymentId"])).ok_or("data.paymentId")?;
        Ok(Some(WebhookEvent { payment_id, kind, details: None }))
    }
}

struct PortOneApi(Account);

impl PortOneApi {
    fn request(&self, method: &'static str, path: String, key: Option<&str>, body: Option<Value>) -> GatewayRequest {
        let mut headers = vec![("authorization", format!("PortOne {}", self.0.secret))];
        // A structured field's string: the quotes are part of it.
        headers.extend(key.map(|key| ("idempotency-key", format!("\"{key}\""))));
        headers.extend(body.as_ref().map(|_| ("content-type", "application/json".to_owned())));
        GatewayRequest { method, path, headers, body: body.map(|body| body.to_string()).unwrap_or_default() }
    }
}

impl GatewayApi for PortOneApi {
    fn look_up(&self, payment_id: &str) -> GatewayRequest {
        self.request("GET", format!("/payments/{}", segment(payment_id)), None, None)
    }

    fn snapshot(&self, response: &GatewayResponse) -> LookupResult {
        lookup_result(response, payment)
    }

    fn capture(&self, capture: &Capture) -> Option<GatewayRequest> {
        let body = json!({"paymentToken": capture.token?, "totalAmount": capture.amount, "currency": capture.currency,
                          "isTest": !capture.live});
        let path = format!("/payments/{}/confirm", segment(capture.payment_id));
        Some(self.request("POST", path, Some(capture.key), Some(body)))
    }

    fn captured(&self, response: &GatewayResponse) -> Captured {
        let kind = body(response).and_then(|body| text(&body["type"])).unwrap_or_default();
        // The payment in the response has a state, which the status code does not say: a buyer may have been given an
        // account to deposit into. Where the state is missing, the payment is looked up.
        let state = body(response).and_then(|body| text(&body["payment"]["status"])).unwrap_or_default();
        match (response.status, state.as_str()) {
            (200, "PAID") => return Captured::Done,
            (200, "VIRTUAL_ACCOUNT_ISSUED") => return Captured::Waiting,
            (200, "FAILED") => return Captured::Refused(excerpt(response)),
            _ => {}
        }
        match response.status {
            // An earlier confirm succeeded; the payment says which.
            _ if kind == "ALREADY_PAID" || kind == "ALREADY_PAID_OR_WAITING" => Captured::Unknown(kind),
            400..500 if !is_inconclusive(response.status) => Captured::Refused(excerpt(response)),
            _ => Captured::Unknown(excerpt(response)),
        }
    }

    fn find(&self, reference: &str) -> Option<GatewayRequest> {
        // Its payment's id is the shop's own.
        Some(self.look_up(reference))
    }

    fn refund(&self, refund: &RefundRequest) -> GatewayRequest {
        // Guard: after another cancellation the balance differs, and this one is refused.
        let mut body =
            json!({"reason": refund.reason, "amount": refund.amount, "currentCancellableAmount": refund.left});
        if let Some(RefundAccount { bank, number, holder }) = refund.account {
            body["refundAccount"] = json!({"bank": portone_name(bank), "number": number, "holderName": holder});
        }
        let path = format!("/payments/{}/cancel", segment(refund.payment_id));
        self.request("POST", path, Some(refund.key), Some(body))
    }

    fn refunded(&self, response: &GatewayResponse) -> Refunded {
        let body = body(response).unwrap_or_default();
        let kind = body["type"].as_str().unwrap_or_default();
        match (response.status, body["cancellation"]["status"].as_str()) {
            (200, Some("SUCCEEDED")) => Refunded::Done,
            (200, Some("REQUESTED")) => Refunded::Requested,
            (200, Some("FAILED")) => Refunded::Refused(excerpt(response)),
            _ if kind == "PAYMENT_ALREADY_CANCELLED" => Refunded::Already,
            // 409 also means that the request can never succeed.
            (409, _) if !kind.starts_with("IDEMPOTENCY_OUTSTANDING") => Refunded::Refused(excerpt(response)),
            (400..500, _) if !is_inconclusive(response.status) => Refunded::Refused(excerpt(response)),
            _ => Refunded::Unknown(excerpt(response)),
        }
    }

    /// By the time they were made, and by the time their status changed last.
    fn lists(&self) -> &'static [&'static str] {
        &["made", "changed"]
    }

    fn list(&self, page: &ListPage) -> GatewayRequest {
        let (from, until) = (format!("{}Z", civil(page.from_s)), format!("{}Z", civil(page.until_s)));
        let (path, body) = if page.list == "made" {
            let mut body = json!({"from": from, "until": until, "size": PAGE_MAX});
            if !page.cursor.is_empty() {
                body["cursor"] = json!(page.cursor);
            }
            ("/payments-by-cursor", body)
        } else {
            let filter = json!({"timestampType": "STATUS_CHANGED_AT", "from": from, "until": until});
            let number: i64 = page.cursor.parse().unwrap_or(0);
            ("/payments", json!({"page": {"number": number, "size": PAGE_MAX}, "filter": filter}))
        };
        // A GET whose body is in its query.
        self.request("GET", format!("{path}?requestBody={}", segment(&body.to_string())), None, None)
    }

    fn listed(&self, wanted: &ListPage, response: &GatewayResponse) -> Result<Listed, String> {
        let page = page(response)?;
        let items = page["items"].as_array().ok_or("a page without `items`")?;
        let (payments, next): (Vec<&Value>, Option<String>) = if wanted.list == "made" {
            let last = items.last().filter(|_| items.len() >= PAGE_MAX).and_then(|last| text(&last["cursor"]));
            (items.iter().map(|item| &item["payment"]).collect(), last)
        } else {
            let count = |name: &str| page["page"][name].as_i64().unwrap_or(0);
            let (number, size) = (count("number"), count("size"));
            let next = number.saturating_add(1);
            let more = size > 0 && next.saturating_mul(size) < count("totalCount");
            (items.iter().collect(), more.then(|| next.to_string()))
        };
        // A V1 payment has no amount here, and none of them is ours.
        let entry = |one: &&Value| Some(listed_payment(text(&one["id"])?, payment(one)?));
        Ok(Listed::of(payments.iter().map(entry), next))
    }
}

fn payment(payment: &Value) -> Option<PaymentSnapshot> {
    let state = match payment["status"].as_str()? {
        "READY" | "PAY_PENDING" => State::Pending,
        "VIRTUAL_ACCOUNT_ISSUED" => State::Waiting,
        "PAID" | "PARTIAL_CANCELLED" | "CANCELLED" => State::Paid,
        "FAILED" => State::Failed,
        _ => return None,
    };
    let id = text(&payment["id"])?;
    let custom: Value =
        payment["customData"].as_str().and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
    let currency = text(&payment["currency"])?;
    let unit = GATEWAY.unit(&currency)?;
    // If a cancellation cannot be read, the payment cannot be read either: its amount would be missing.
    let cancellations = |status: &str| -> Option<i64> {
        let mut all = payment["cancellations"].as_array().into_iter().flatten().filter(|one| one["status"] == status);
        all.try_fold(0_i64, |sum, one| sum.checked_add(amount(&one["totalAmount"], unit)?))
    };
    let total = amount(&payment["amount"]["total"], unit)?;
    // Nothing is left of a cancelled payment, whatever its sums say: an account that is cancelled before its deposit was
    // never paid.
    let cancelled = match &payment["amount"]["cancelled"] {
        _ if payment["status"] == "CANCELLED" => total,
        Value::Null => 0,
        cancelled => amount(cancelled, unit)?,
    };
    Some(PaymentSnapshot {
        state,
        payment_id: id.clone(),
        amount: total,
        refunded: cancellations("SUCCEEDED")?.max(cancelled),
        refunding: Some(cancellations("REQUESTED")?),
        currency,
        mark: Mark::find([text(&custom["hold_id"]), Some(id.clone())]),
        order_ref: id,
        user_id: text(&custom["user_id"]),
        // A payment that was not begun has no channel yet; a paid one has, and it says whether it is live.
        live: payment["channel"]["type"] == "LIVE" || (state == State::Pending && payment["channel"]["type"].is_null()),
        needs_account: payment["method"]["type"] == "PaymentMethodVirtualAccount",
        secret: None,
        // PortOne reports disputes in messages only.
        disputed: Disputed::Unsaid,
    })
}

#[cfg(test)]
mod tests;
