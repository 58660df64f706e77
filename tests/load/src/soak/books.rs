//! The gateway's side of the payments: what the shop answered to each webhook.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use stack::Report;

/// Payments asked for at once: what the gateway gives at most.
const PAGE: usize = 1_000;

#[derive(Deserialize)]
struct Page {
    payments: Vec<Payment>,
    next: Option<String>,
    open_deliveries: u64,
    totals: BTreeMap<String, Totals>,
}

/// Of all payments of a currency: what was captured, and what was refunded.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Totals {
    pub captured: i64,
    pub refunded: i64,
}

#[derive(Debug, Deserialize)]
pub struct Payment {
    pub payment_id: String,
    hold_id: String,
    created_at: String,
    deliveries: Vec<Delivery>,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    not_before: String,
    delivered: bool,
    attempts: Vec<Attempt>,
    /// Of what became of it afterwards: its answer is another.
    later: bool,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    sent_at: String,
    status: Option<u16>,
    body: String,
}

impl Payment {
    /// When the webhook left that the shop took first.
    fn told_at(&self) -> Option<&str> {
        let attempts = self.deliveries.iter().flat_map(|delivery| &delivery.attempts);
        // All of them are written alike, so that the order of the words is that of the times.
        attempts.filter(|attempt| attempt.status == Some(200)).map(|attempt| attempt.sent_at.as_str()).min()
    }

    /// What the shop said became of it, each time that it took the webhook of its capture.
    pub fn answers(&self) -> impl Iterator<Item = Value> {
        let taken = |attempt: &&Attempt| attempt.status == Some(200);
        let captures = self.deliveries.iter().filter(|delivery| !delivery.later);
        let attempts = captures.flat_map(|delivery| &delivery.attempts);
        attempts.filter(taken).map(|attempt| serde_json::from_str(&attempt.body).unwrap_or_default())
    }

    pub fn is_settled(&self) -> bool {
        self.deliveries.iter().all(|delivery| delivery.delivered)
    }

    /// Statuses that no webhook of ours may be answered with: it is well formed, and signed by a clock that is right.
    pub fn odd(&self) -> impl Iterator<Item = u16> {
        let attempts = self.deliveries.iter().flat_map(|delivery| &delivery.attempts);
        attempts.filter_map(|attempt| attempt.status).filter(|status| !matches!(status, 200 | 401 | 500..))
    }
}

/// What the gateway did to its webhooks, in the order in which the payments were made: repeated, late, or about a
/// payment for a hold after one about a later payment.
pub fn disturbances(payments: &[Payment]) -> [(&'static str, u64); 3] {
    let (mut duplicated, mut delayed, mut reordered) = (0, 0, 0);
    let mut before: HashMap<&str, &str> = HashMap::new();
    for payment in payments {
        duplicated += payment.deliveries.len().saturating_sub(1) as u64;
        let late = payment.deliveries.iter().filter(|delivery| delivery.not_before > payment.created_at);
        delayed += late.count() as u64;
        let Some(told_at) = payment.told_at() else { continue };
        let earlier = before.insert(&payment.hold_id, told_at);
        reordered += u64::from(earlier.is_some_and(|earlier| told_at < earlier));
    }
    [("webhooks: duplicated", duplicated), ("webhooks: delayed", delayed), ("webhooks: reordered", reordered)]
}

/// Webhooks that the shop has not taken yet.
///
/// # Errors
/// The gateway does not answer.
pub async fn open_deliveries(stack: &Report) -> anyhow::Result<u64> {
    Ok(page(stack, "limit=1".to_owned()).await?.open_deliveries)
}

/// By currency, over the gateway's whole life.
///
/// # Errors
/// The gateway does not answer.
pub async fn totals(stack: &Report) -> anyhow::Result<BTreeMap<String, Totals>> {
    Ok(page(stack, "limit=1".to_owned()).await?.totals)
}

/// Every payment since the one named.
///
/// # Errors
/// The gateway does not answer.
pub async fn since(stack: &Report, after: Option<String>) -> anyhow::Result<Vec<Payment>> {
    let (mut all, mut after) = (vec![], after);
    loop {
        let cursor = after.as_ref().map(|after| format!("&after={after}")).unwrap_or_default();
        let page = page(stack, format!("limit={PAGE}{cursor}")).await?;
        all.extend(page.payments);
        match page.next {
            None => return Ok(all),
            next => after = next,
        }
    }
}

async fn page(stack: &Report, query: String) -> anyhow::Result<Page> {
    let client = stack::http::client().build()?;
    let answer = client.get(format!("{}/payments?{query}", stack.gateway_url)).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Payment, disturbances};

    /// A payment for a hold, made at the tenth second; each webhook planned for, and taken at, these seconds.
    fn payment(id: &str, hold: &str, webhooks: &[(u32, u32)]) -> Payment {
        let at = |s: &u32| format!("2026-01-15T05:00:{s:02}.000Z");
        let delivery = |(planned, taken): &(u32, u32)| -> Value {
            let attempts = json!([{"sent_at": at(planned), "status": 503, "body": ""},
                                  {"sent_at": at(taken), "status": 200, "body": "{}"}]);
            json!({"not_before": at(planned), "later": false, "delivered": true, "attempts": attempts})
        };
        let deliveries: Vec<Value> = webhooks.iter().map(delivery).collect();
        let payment = json!({"payment_id": id, "hold_id": hold, "created_at": at(&10), "deliveries": deliveries});
        serde_json::from_value(payment).unwrap()
    }

    #[test]
    fn a_webhook_is_late_again_or_overtaken_where_it_was() {
        let counts = |payments: &[Payment]| disturbances(payments).map(|(_, times)| times);
        assert_eq!(counts(&[payment("1", "a", &[(10, 11)])]), [0, 0, 0]);
        assert_eq!(counts(&[payment("1", "a", &[(10, 11), (10, 12), (15, 16)])]), [2, 1, 0]);
        let overtaken = |hold| [payment("1", "a", &[(13, 14)]), payment("2", hold, &[(10, 12)])];
        assert_eq!(counts(&overtaken("a")), [0, 1, 1]);
        assert_eq!(counts(&overtaken("b")), [0, 1, 0], "that of another hold has no order with it");
        assert_eq!(counts(&[payment("1", "a", &[(10, 11)]), payment("2", "a", &[(10, 12)])]), [0, 0, 0]);
    }
}
