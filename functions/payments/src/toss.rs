//! Toss Payments: webhooks are unsigned, so that they only name the payment to look up; the shop's server captures
//! within ten minutes after the buyer returned; idempotency keys are unquoted, and Toss does not compare the bodies
//! sent under one key.

mod bodies;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use bodies::{Cancel, Confirm};

use crate::api::{Account, Capture, Captured, GatewayApi, RefundAccount, RefundRequest, Refunded};
use crate::bank::toss_code;
use crate::dispute::Disputed;
use crate::event::{EventKind, Message, WebhookEvent, WebhookReader};
use crate::gateway::{Gateway, Member, ReturnPage, ReturnQuery};
use crate::http::{GatewayRequest, GatewayResponse};
use crate::list::{Entry, EntryDetail, ListPage, Listed, PAGE_MAX, civil};
use crate::mark::Mark;
use crate::reading::{excerpt, is_inconclusive, json as body, lookup_result, page, segment, text};
use crate::snapshot::{LookupResult, PaymentSnapshot, State};
use crate::units::Unit;

pub const GATEWAY: Gateway = Gateway {
    name: "toss",
    title: "Toss",
    webhook: &Toss,
    messages: &[
        &[Member::Text("eventType")],
        &[Member::Line("orderId"), Member::Filled("secret"), Member::Filled("status")],
    ],
    details: None,
    api: |account| Box::new(TossApi(account)),
    default_url: "https://api.tosspayments.com",
    webhook_secret_variable: "TOSS_WEBHOOK_SECRET",
    addresses_variable: Some("TOSS_ADDRESSES"),
    test_key_prefixes: &["test_"],
    unit_of: |currency| match currency {
        "KRW" => Some(Unit::Minor),
        "USD" => Some(Unit::Decimal(2)),
        _ => None,
    },
    currencies: "KRW and USD",
    return_page: ReturnPage::Redirect(ReturnQuery { payment_id: "paymentKey", order_ref: "orderId", amount: "amount" }),
    refusal: None,
};

struct Toss;

impl WebhookReader for Toss {
    fn signed_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// Unsigned: its messages are only a hint to look the payment up.
    fn is_authentic(&self, _secrets: &[String], _message: &Message, _now_s: u64) -> bool {
        true
    }

    fn read(&self, event: &Map<String, Value>) -> Result<Option<WebhookEvent>, String> {
        let Some(name) = event.get("eventType") else { return deposit(event) };
        let kind = match name.as_str().ok_or("eventType")? {
            "PAYMENT_STATUS_CHANGED" => match event.get("data").and_then(|data| data["status"].as_str()) {
                // A deposit is awaited, for the first time or again, or money was refunded.
                Some("CANCELED" | "PARTIAL_CANCELED" | "WAITING_FOR_DEPOSIT") => EventKind::Later { dispute: None },
                _ => EventKind::Changed,
            },
            "CANCEL_STATUS_CHANGED" => EventKind::Later { dispute: None },
            _ => return Ok(None),
        };
        let payment_id = event.get("data").and_then(|data| text(&data["paymentKey"]));
        let payment_id = payment_id.filter(|key| is_payment_key(key)).ok_or("data.paymentKey")?;
        Ok(Some(WebhookEvent { payment_id, kind, details: None }))
    }
}

/// Whether Toss could have given it: it answers a lookup of any other with 400, which says nothing about a payment.
fn is_payment_key(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#;%".contains(&byte)) && key.bytes().any(|byte| byte != b'.')
}

/// `DEPOSIT_CALLBACK`, which has no `eventType`: a deposit was made or reversed. It names the payment by the shop's
/// order id.
fn deposit(event: &Map<String, Value>) -> Result<Option<WebhookEvent>, String> {
    let given = |name: &str| event.get(name).and_then(text).filter(|text| !text.is_empty());
    match (given("orderId"), given("secret"), given("status")) {
        (Some(payment_id), Some(secret), Some(_)) => {
            Ok(Some(WebhookEvent { payment_id, kind: EventKind::Deposit { secret }, details: None }))
        }
        _ => Err("eventType".to_owned()),
    }
}

/// How far Seoul's clock is ahead of UTC; it has no summer time.
const SEOUL_S: i64 = 9 * 3_600;

struct TossApi(Account);

impl TossApi {
    fn request(&self, method: &'static str, path: String, key: Option<&str>, body: Option<String>) -> GatewayRequest {
        let mut headers = vec![("authorization", format!("Basic {}", STANDARD.encode(format!("{}:", self.0.secret))))];
        headers.extend(key.map(|key| ("idempotency-key", key.to_owned())));
        headers.extend(body.as_ref().map(|_| ("content-type", "application/json".to_owned())));
        GatewayRequest { method, path, headers, body: body.unwrap_or_default() }
    }
}

/// A number as it stands in the JSON, because dollars are decimals, and a float is no money.
fn number(amount: i64, currency: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(GATEWAY.unit(currency)?.write(amount)?).ok()
}

/// The amounts of a payment, read from the JSON text itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Amounts<'a> {
    #[serde(borrow)]
    total_amount: &'a RawValue,
    #[serde(borrow)]
    balance_amount: &'a RawValue,
    #[serde(borrow, default)]
    cancels: Option<Vec<Cancelled<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled<'a> {
    #[serde(borrow)]
    cancel_amount: &'a RawValue,
    cancel_status: Option<String>,
}

impl GatewayApi for TossApi {
    fn look_up(&self, payment_id: &str) -> GatewayRequest {
        self.request("GET", format!("/v1/payments/{}", segment(payment_id)), None, None)
    }

    fn snapshot(&self, response: &GatewayResponse) -> LookupResult {
        // A test key sees only test payments and a live key only live ones.
        let live = !GATEWAY.is_test_key(&self.0.secret);
        lookup_result(response, |value| payment(value, response.body, live))
    }

    fn find(&self, reference: &str) -> Option<GatewayRequest> {
        Some(self.request("GET", format!("/v1/payments/orders/{}", segment(reference)), None, None))
    }

    fn capture(&self, capture: &Capture) -> Option<GatewayRequest> {
        let amount = number(capture.amount, capture.currency)?;
        let body = Confirm { payment_key: capture.payment_id, order_id: capture.order_ref, amount };
        let body = serde_json::to_string(&body).ok()?;
        Some(self.request("POST", "/v1/payments/confirm".to_owned(), Some(capture.key), Some(body)))
    }

    fn captured(&self, response: &GatewayResponse) -> Captured {
        let code = body(response).and_then(|body| text(&body["code"])).unwrap_or_default();
        match response.status {
            // The payment in the response has a state; the status code does not say it.
            200 => match self.snapshot(response) {
                LookupResult::Known(PaymentSnapshot { state: State::Paid, .. }) => Captured::Done,
                LookupResult::Known(PaymentSnapshot { state: State::Waiting, .. }) => Captured::Waiting,
                LookupResult::Known(PaymentSnapshot { state: State::Failed, .. }) => {
                    Captured::Refused(excerpt(response))
                }
                _ => Captured::Unknown(excerpt(response)),
            },
            _ if code == "ALREADY_PROCESSED_PAYMENT" => Captured::Unknown(code),
            400..500 if !is_inconclusive(response.status) => Captured::Refused(excerpt(response)),
            _ => Captured::Unknown(excerpt(response)),
        }
    }

    fn refund(&self, refund: &RefundRequest) -> GatewayRequest {
        let account = refund.account.map(|RefundAccount { bank, number, holder }| {
            json!({"bank": toss_code(bank), "accountNumber": number, "holderName": holder})
        });
        // An amount without a number in Toss's unit was never read in it either.
        let amount = number(refund.amount, refund.currency);
        let body = Cancel { cancel_reason: refund.reason, cancel_amount: amount, refund_receive_account: account };
        let body = serde_json::to_string(&body).unwrap_or_default();
        self.request(
            "POST",
            format!("/v1/payments/{}/cancel", segment(refund.payment_id)),
            Some(refund.key),
            Some(body),
        )
    }

    fn refunded(&self, response: &GatewayResponse) -> Refunded {
        let code = body(response).and_then(|body| text(&body["code"])).unwrap_or_default();
        match response.status {
            200 => last_cancel(response),
            _ if code == "ALREADY_CANCELED_PAYMENT" => Refunded::Already,
            400..500 if !is_inconclusive(response.status) => Refunded::Refused(excerpt(response)),
            _ => Refunded::Unknown(excerpt(response)),
        }
    }

    fn lists(&self) -> &'static [&'static str] {
        &["transactions"]
    }

    fn list(&self, page: &ListPage) -> GatewayRequest {
        // By Seoul's clock, and without a zone.
        let (from, until) = (civil(page.from_s + SEOUL_S), civil(page.until_s + SEOUL_S));
        let path = format!("/v1/transactions?startDate={from}&endDate={until}&limit={PAGE_MAX}");
        let after =
            if page.cursor.is_empty() { String::new() } else { format!("&startingAfter={}", segment(page.cursor)) };
        self.request("GET", path + &after, None, None)
    }

    fn listed(&self, _page: &ListPage, response: &GatewayResponse) -> Result<Listed, String> {
        let page = page(response)?;
        let all = page.as_array().ok_or("a list of transactions that is none")?;
        let entry = |one: &Value| {
            let hold_ref = text(&one["orderId"]).unwrap_or_default();
            // A captured card payment stays captured until another transaction; a deposit may be reversed.
            let stays = one["status"] == "DONE" && one["method"] != "가상계좌";
            let detail = if stays { EntryDetail::Taken } else { EntryDetail::Changed { at_s: None } };
            Some(Entry { payment_id: text(&one["paymentKey"])?, hold_ref, detail })
        };
        let next = all.last().filter(|_| all.len() >= PAGE_MAX).and_then(|last| text(&last["transactionKey"]));
        Ok(Listed::of(all.iter().map(entry), next))
    }
}

/// The result of the requested cancellation: the payment's last one, by its own status. A payment without any was not
/// cancelled, whatever the status code.
fn last_cancel(response: &GatewayResponse) -> Refunded {
    let payment = body(response).unwrap_or_default();
    let last = payment["cancels"].as_array().and_then(|cancels| cancels.last());
    match last.map(|cancel| cancel["cancelStatus"].as_str()) {
        Some(Some("DONE")) => Refunded::Done,
        Some(Some("IN_PROGRESS" | "READY")) => Refunded::Requested,
        Some(Some("ABORTED" | "FAILED")) => Refunded::Refused(excerpt(response)),
        _ => Refunded::Unknown(excerpt(response)),
    }
}

fn payment(payment: &Value, text_of_it: &[u8], live: bool) -> Option<PaymentSnapshot> {
    let state = match payment["status"].as_str()? {
        "READY" => State::Pending,
        "WAITING_FOR_DEPOSIT" => State::Waiting,
        "IN_PROGRESS" => State::Authorised,
        "DONE" | "CANCELED" | "PARTIAL_CANCELED" => State::Paid,
        "ABORTED" | "EXPIRED" => State::Failed,
        _ => return None,
    };
    let currency = text(&payment["currency"])?;
    let unit = GATEWAY.unit(&currency)?;
    let amounts: Amounts = serde_json::from_slice(text_of_it).ok()?;
    let amount = unit.read(amounts.total_amount.get())?;
    let (refunded, refunding) = match payment["status"].as_str()? {
        "DONE" | "PARTIAL_CANCELED" => refunded_amounts(&amounts, amount, unit)?,
        // Nothing is left of it, whatever its balance says: an account that is cancelled before its deposit was never
        // paid. A refund that the bank has not executed yet is pending.
        "CANCELED" => {
            let (_, refunding) = refunded_amounts(&amounts, amount, unit)?;
            (amount.saturating_sub(refunding).max(0), refunding)
        }
        _ => (0, 0),
    };
    let order_ref = text(&payment["orderId"])?;
    let account = &payment["virtualAccount"];
    Some(PaymentSnapshot {
        state,
        payment_id: text(&payment["paymentKey"])?,
        amount,
        refunded,
        refunding: Some(refunding),
        currency,
        mark: Mark::find([text(&payment["metadata"]["hold_id"]), Some(order_ref.clone())]),
        order_ref,
        user_id: text(&payment["metadata"]["user_id"]),
        live,
        needs_account: account.is_object() && account["refundReceiveAccount"].is_null(),
        secret: text(&payment["secret"]),
        // Toss reports no disputes.
        disputed: Disputed::Unsaid,
    })
}

/// The refunded and the pending amount: the cancellations say the pending one, the balance what is missing in all.
fn refunded_amounts(amounts: &Amounts, amount: i64, unit: Unit) -> Option<(i64, i64)> {
    let missing = amount.checked_sub(unit.read(amounts.balance_amount.get())?)?;
    let under_way = |cancel: &&Cancelled| matches!(cancel.cancel_status.as_deref(), Some("IN_PROGRESS" | "READY"));
    let mut under_way = amounts.cancels.iter().flatten().filter(under_way);
    let refunding = under_way.try_fold(0_i64, |sum, cancel| sum.checked_add(unit.read(cancel.cancel_amount.get())?))?;
    // The balance excludes pending cancellations too.
    Some((missing.saturating_sub(refunding).max(0), refunding))
}

#[cfg(test)]
mod tests;
