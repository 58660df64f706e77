//! The rules of a refund: a request is written down before it is sent, what came of it is told, and one that had succeeded
//! may be reported failed afterwards.

use serde_json::{Value, json};

use super::payments::{Later, Payment, PaymentId};
use super::rules::Model;

/// The refund of a payment, where it has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Back {
    /// `REQUIRED`, `COMPLETED` or `FAILED`.
    pub status: &'static str,
    /// What failed since it was begun, and why it failed last.
    pub attempts: i64,
    pub failure: Option<&'static str>,
    /// What was requested of the gateway, in its order; the last may be open.
    pub requests: Vec<Request>,
}

/// Something that the gateway was asked to pay back.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub amount: i64,
    pub succeeded: bool,
    /// None: not known yet.
    pub outcome: Option<&'static str>,
}

/// Of a refund that had succeeded.
const REOPENED: &str = "the gateway reported it failed after it had succeeded";

impl Default for Back {
    fn default() -> Self {
        Self { status: "REQUIRED", attempts: 0, failure: None, requests: Vec::new() }
    }
}

impl Back {
    /// What the gateway has paid back at the shop's request.
    pub fn paid(&self) -> i64 {
        self.requests.iter().filter(|request| request.succeeded).map(|request| request.amount).sum()
    }

    /// What it may have paid back besides.
    pub fn open(&self) -> Option<i64> {
        self.requests.last().filter(|request| request.outcome.is_none()).map(|request| request.amount)
    }

    fn end_open(&mut self, succeeded: bool, outcome: &'static str) {
        if let Some(last) = self.requests.last_mut().filter(|request| request.outcome.is_none()) {
            (last.succeeded, last.outcome) = (succeeded, Some(outcome));
        }
    }

    /// Due again from the beginning, where only `gone` is not at the gateway any more: the requests that fit into that, the
    /// oldest first, have succeeded.
    pub fn reopen(&mut self, gone: i64) {
        let mut running = 0;
        for request in self.requests.iter_mut().filter(|request| request.succeeded) {
            running += request.amount;
            if running > gone {
                (request.succeeded, request.outcome) = (false, Some("reported failed afterwards"));
            }
        }
        (self.status, self.attempts, self.failure) = ("REQUIRED", 0, Some(REOPENED));
    }
}

impl Model {
    /// A row of the order ledger about a refund, and what is told of it.
    pub fn end_refund(&mut self, id: &PaymentId, kind: &'static str, amount: i64, event: &'static str, how: &str) {
        self.refund_ends.push((id.clone(), kind, amount));
        let paid = &self.payments[id];
        let (sale, of) = (paid.sale.clone(), paid.of.as_ref().filter(|_| paid.sale.is_some()));
        let hold = of.map_or_else(|| "-".to_owned(), |of| format!("?hold:{of}"));
        self.tell(event, sale.as_deref(), format!("{hold}|{}|{}|{amount}|{how}", id.0, id.1));
    }

    /// `refund` has asked the gateway of what is to be paid back whole.
    pub fn refund(&mut self, gateway: &str, payment: &str, done: bool) -> Value {
        let id = (gateway.to_owned(), payment.to_owned());
        let is_due = |paid: &&Payment| {
            let Later { refunded, reversed, dispute, .. } = &paid.later;
            paid.refund.is_some()
                && paid.back.status == "REQUIRED"
                && paid.amount > 0
                && (*refunded, *reversed, *dispute) == (0, false, None)
        };
        let Some(amount) = self.payments.get(&id).filter(is_due).map(|paid| paid.amount) else { return Value::Null };
        self.begin_refund(gateway, payment, amount);
        self.settle_refund(gateway, payment, if done { "done" } else { "refused" }, false)
    }

    /// The request that is open, or a new one; one of another amount cannot be done any more.
    pub fn begin_refund(&mut self, gateway: &str, payment: &str, amount: i64) -> Value {
        let id = (gateway.to_owned(), payment.to_owned());
        let is_due = |paid: &&mut Payment| paid.refund.is_some() && paid.back.status == "REQUIRED";
        let Some(paid) = self.payments.get_mut(&id).filter(is_due) else { return Value::Null };
        if paid.back.open().is_some_and(|open| open != amount) {
            paid.back.end_open(false, "another amount is left");
        }
        if paid.back.open().is_none() {
            paid.back.requests.push(Request { amount, succeeded: false, outcome: None });
        }
        json!({"attempt": paid.back.requests.len()})
    }

    /// What came of it, by its name; `again`: it is come back to, whatever it was.
    pub fn settle_refund(&mut self, gateway: &str, payment: &str, outcome: &'static str, again: bool) -> Value {
        let id = (gateway.to_owned(), payment.to_owned());
        let Some(paid) = self.payments.get_mut(&id).filter(|paid| paid.refund.is_some()) else { return json!({}) };
        let (amount, back) = (paid.amount, &mut paid.back);
        if back.status != "REQUIRED" {
            return json!({"status": back.status});
        }
        let detail = settled_detail(outcome);
        if matches!(outcome, "done" | "partly" | "partly_waits" | "refused") {
            back.end_open(outcome != "refused", detail.unwrap_or(outcome));
        }
        back.attempts += i64::from(matches!(outcome, "refused" | "unknown"));
        back.failure = detail.or(back.failure);
        match (outcome, again) {
            ("done", _) => {
                back.status = "COMPLETED";
                self.end_refund(&id, "REFUND_COMPLETED", amount, "RefundCompleted", "ended");
            }
            (_, true) => {}
            (_, false) => {
                back.status = "FAILED";
                self.end_refund(&id, "REFUND_FAILED", amount, "RefundFailed", "ended");
            }
        }
        json!({"status": self.payments[&id].back.status})
    }
}

/// Why: of what waits, or went wrong.
pub fn settled_detail(outcome: &str) -> Option<&'static str> {
    matches!(outcome, "partly_waits" | "waits" | "refused" | "unknown").then_some("no")
}
