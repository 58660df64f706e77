//! The gateway's own books: every payment, what was captured and refunded, and every delivery attempt with its answer.
//! What a test compares the shop's orders with, to the won. In memory and bounded.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::dialect::Dialect;

/// Payments whose webhooks were all answered 2xx are forgotten, oldest first, beyond this many.
pub const FINISHED_MAX: usize = 100_000;
/// Webhooks not yet answered 2xx. Beyond this no money is taken: each of them is a promise that may not be dropped.
pub const OPEN_DELIVERIES_MAX: usize = 100_000;
/// Attempts kept for one webhook: the first ones, and always the last.
pub const ATTEMPTS_MAX: usize = 50;

/// What a payment is for.
#[derive(Clone, Debug, Serialize)]
pub struct Charge {
    pub hold_id: String,
    pub user_id: String,
    /// In the currency's minor unit.
    pub amount: i64,
    pub currency: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The money was taken. Refunds will show in `refunded`, and as states of their own.
    Captured,
    /// The money is set aside and waits for the shop's word.
    Authorised,
    /// The buyer was given an account, and has not deposited into it.
    Waiting,
    /// It was authorized and voided; or there was no deposit in time.
    Voided,
    /// The buyer or the bank said no: no money, no webhook.
    Declined,
}

#[derive(Clone, Debug, Serialize)]
pub struct Payment {
    pub payment_id: String,
    pub gateway: Dialect,
    /// The shop's id of it, at a gateway that keeps one beside its own.
    pub order_ref: String,
    /// Play money otherwise.
    pub live: bool,
    /// Another product's on the same account: it says nothing of a hold.
    pub foreign: bool,
    /// Paid into an account that the buyer is given, and not from a card.
    pub deposit: bool,
    #[serde(flatten)]
    pub charge: Charge,
    pub state: State,
    /// Captured and refunded so far, in minor units.
    pub captured: i64,
    pub refunded: i64,
    pub refunds: Vec<Refund>,
    pub dispute: Option<Dispute>,
    /// A deposit that the bank has reversed: nothing is captured any more.
    pub reversed: bool,
    pub created_at: String,
    /// When something became of it last.
    pub changed_at: String,
    pub deliveries: Vec<Delivery>,
    /// Which press of a button on the payment page made it, so that a double click is one payment.
    #[serde(skip)]
    pub pressed: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Refund {
    pub id: String,
    pub amount: i64,
    /// Taken on, and done later.
    pub pending: bool,
    /// Taken on, and not done in the end.
    pub failed: bool,
    /// At the gateway's console, not by the shop.
    pub by_hand: bool,
    /// The account that the shop named for it.
    pub account: Option<serde_json::Value>,
    pub made_at: String,
}

/// The buyer's bank wants the money back.
#[derive(Clone, Debug, Serialize)]
pub struct Dispute {
    pub id: String,
    pub amount: i64,
    /// None: it is open.
    pub won: Option<bool>,
    pub made_at: String,
}

impl Payment {
    /// Accepted for refund, and not executed yet.
    pub fn pending(&self) -> i64 {
        self.refunds.iter().filter(|refund| refund.pending).map(|refund| refund.amount).sum()
    }
}

/// One webhook: sent until it is answered 2xx.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Delivery {
    pub webhook_id: String,
    /// Not sent before this moment (RFC 3339).
    pub not_before: String,
    pub delivered: bool,
    /// Its schedule is over; it is not sent any more.
    pub given_up: bool,
    pub attempt_count: u32,
    pub attempts: Vec<Attempt>,
    /// About a settled payment: refunded, disputed, reversed.
    pub later: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    pub sent_at: String,
    pub duration_ms: u64,
    /// The answer's status, or nothing where there was none: then `error` says why.
    pub status: Option<u16>,
    /// The beginning of the answer's body.
    pub body: String,
    pub error: Option<String>,
}

/// Sums over the gateway's whole life, forgotten payments included.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    pub payments: u64,
    pub captured: i64,
    pub refunded: i64,
}

/// What became of a wish to write payments down.
#[derive(Debug, PartialEq, Eq)]
pub enum Entered {
    New,
    /// The same button was pressed before; this payment came of it.
    Again(String),
    /// `OPEN_DELIVERIES_MAX` is reached; nothing was written.
    Full,
}

#[derive(Default)]
struct Pages {
    /// By id: ids are UUIDv7, so this is the order in which they were made.
    payments: BTreeMap<String, Payment>,
    pressed: HashMap<String, String>,
    finished: VecDeque<String>,
    open_deliveries: usize,
    totals: BTreeMap<String, Totals>,
}

#[derive(Default)]
pub struct Books(Mutex<Pages>);

impl Books {
    /// Writes all of them down or none: two clicks that arrive together are decided here, under one lock.
    pub fn enter(&self, payments: Vec<Payment>) -> Entered {
        let mut pages = self.pages();
        if let Some(id) = payments.iter().find_map(|p| pages.pressed.get(p.pressed.as_ref()?)) {
            return Entered::Again(id.clone());
        }
        let webhooks: usize = payments.iter().map(|p| p.deliveries.len()).sum();
        if pages.open_deliveries + webhooks > OPEN_DELIVERIES_MAX {
            return Entered::Full;
        }
        pages.open_deliveries += webhooks;
        for payment in payments {
            pages.add(payment);
        }
        Entered::New
    }

    pub fn record(&self, payment_id: &str, delivery: usize, attempt: Attempt, delivered: bool) {
        let mut pages = self.pages();
        let Some(payment) = pages.payments.get_mut(payment_id) else { return };
        let Some(entry) = payment.deliveries.get_mut(delivery) else { return };
        entry.attempt_count += 1;
        entry.delivered = delivered;
        if entry.attempts.len() == ATTEMPTS_MAX {
            entry.attempts.pop();
        }
        entry.attempts.push(attempt);
        if delivered {
            let finished = payment.deliveries.iter().all(|d| d.delivered);
            pages.open_deliveries = pages.open_deliveries.saturating_sub(1);
            if finished {
                pages.finish(payment_id.to_owned());
            }
        }
    }

    /// Changes one payment under the lock, and the sums with it.
    pub fn change<T>(&self, payment_id: &str, change: impl FnOnce(&mut Payment) -> T) -> Option<T> {
        let mut pages = self.pages();
        let payment = pages.payments.get_mut(payment_id)?;
        let (captured, refunded, webhooks) = (payment.captured, payment.refunded, payment.deliveries.len());
        let outcome = change(payment);
        payment.changed_at = super::gateways::written(jiff::Timestamp::now());
        let (captured, refunded) = (payment.captured - captured, payment.refunded - refunded);
        let (webhooks, currency) = (payment.deliveries.len() - webhooks, payment.charge.currency.clone());
        pages.open_deliveries += webhooks;
        let totals = pages.totals.entry(currency).or_default();
        totals.captured = totals.captured.saturating_add(captured);
        totals.refunded = totals.refunded.saturating_add(refunded);
        Some(outcome)
    }

    /// The schedule of a webhook is over.
    pub fn give_up(&self, payment_id: &str, delivery: usize) {
        let mut pages = self.pages();
        let entry = pages.payments.get_mut(payment_id).and_then(|payment| payment.deliveries.get_mut(delivery));
        if let Some(entry) = entry {
            entry.given_up = true;
            pages.open_deliveries = pages.open_deliveries.saturating_sub(1);
        }
    }

    pub fn payment(&self, payment_id: &str) -> Option<Payment> {
        self.pages().payments.get(payment_id).cloned()
    }

    /// By the shop's own id of it.
    pub fn of_order(&self, order_ref: &str) -> Option<Payment> {
        self.pages().payments.values().find(|payment| payment.order_ref == order_ref).cloned()
    }

    /// Payments in the order they were made: after `after`, of one hold if one is named, at most `limit`.
    pub fn payments(&self, after: Option<&str>, hold_id: Option<&str>, limit: usize) -> Vec<Payment> {
        let pages = self.pages();
        let wanted = |p: &&Payment| {
            after.is_none_or(|id| p.payment_id.as_str() > id) && hold_id.is_none_or(|id| p.charge.hold_id == id)
        };
        pages.payments.values().filter(wanted).take(limit).cloned().collect()
    }

    /// For a gateway's own lists: those that are wanted, after `after` in the order of their ids or in the opposite one.
    pub fn listed(
        &self,
        wanted: impl Fn(&Payment) -> bool,
        after: &str,
        newest_first: bool,
        limit: usize,
    ) -> Vec<Payment> {
        let pages = self.pages();
        let all = pages.payments.values();
        if newest_first {
            let before = |p: &&Payment| (after.is_empty() || p.payment_id.as_str() < after) && wanted(p);
            return all.rev().filter(before).take(limit).cloned().collect();
        }
        all.filter(|p| p.payment_id.as_str() > after && wanted(p)).take(limit).cloned().collect()
    }

    pub fn totals(&self) -> (BTreeMap<String, Totals>, usize) {
        let pages = self.pages();
        (pages.totals.clone(), pages.open_deliveries)
    }

    /// No code panics while it holds the lock; were it ever to, the books would still be worth reading.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn add(&mut self, payment: Payment) {
        let totals = self.totals.entry(payment.charge.currency.clone()).or_default();
        totals.payments += 1;
        totals.captured = totals.captured.saturating_add(payment.captured);
        let id = payment.payment_id.clone();
        if let Some(press) = &payment.pressed {
            // Of a press that makes two payments the first is the one to show.
            self.pressed.entry(press.clone()).or_insert_with(|| id.clone());
        }
        let finished = payment.deliveries.is_empty();
        self.payments.insert(id.clone(), payment);
        if finished {
            self.finish(id);
        }
    }

    fn finish(&mut self, payment_id: String) {
        self.finished.push_back(payment_id);
        if self.finished.len() <= FINISHED_MAX {
            return;
        }
        let oldest = self.finished.pop_front().and_then(|id| self.payments.remove(&id));
        if let Some(press) = oldest.and_then(|p| p.pressed) {
            self.pressed.remove(&press);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(number: usize, webhooks: usize) -> Payment {
        let charge = Charge { hold_id: "h".into(), user_id: "u".into(), amount: 10, currency: "KRW".into() };
        Payment {
            payment_id: format!("pay_{number:06}"),
            gateway: Dialect::Standard,
            order_ref: String::new(),
            live: true,
            foreign: false,
            deposit: false,
            refunds: Vec::new(),
            dispute: None,
            reversed: false,
            changed_at: String::new(),
            charge,
            state: State::Captured,
            captured: 10,
            refunded: 0,
            created_at: String::new(),
            deliveries: vec![Delivery::default(); webhooks],
            pressed: Some(number.to_string()),
        }
    }

    fn answer() -> Attempt {
        Attempt { sent_at: String::new(), duration_ms: 1, status: None, body: String::new(), error: None }
    }

    #[test]
    fn the_oldest_finished_payment_makes_room_and_an_unfinished_one_stays() {
        let books = Books::default();
        books.enter(vec![payment(0, 1)]);
        for number in 1..=FINISHED_MAX + 1 {
            assert_eq!(books.enter(vec![payment(number, 0)]), Entered::New);
        }
        assert!(books.payment("pay_000000").is_some(), "its webhook is still open");
        assert!(books.payment("pay_000001").is_none());
        assert!(books.payment("pay_000002").is_some());
        assert_eq!(books.enter(vec![payment(1, 0)]), Entered::New, "its press is forgotten with it");
        assert_eq!(books.totals().0["KRW"].captured, 10 * (FINISHED_MAX as i64 + 3));
    }

    #[test]
    fn no_payment_is_captured_that_cannot_be_reported_to_the_shop() {
        let books = Books::default();
        assert_eq!(books.enter(vec![payment(1, OPEN_DELIVERIES_MAX)]), Entered::New);
        assert_eq!(books.enter(vec![payment(2, 1)]), Entered::Full);
        assert!(books.payment("pay_000002").is_none());
        books.record("pay_000001", 0, answer(), true);
        assert_eq!(books.enter(vec![payment(2, 1)]), Entered::New);
    }

    #[test]
    fn of_many_attempts_the_first_and_the_last_are_kept() {
        let books = Books::default();
        books.enter(vec![payment(1, 1)]);
        for status in 0..200 {
            books.record("pay_000001", 0, Attempt { status: Some(status), ..answer() }, status == 199);
        }
        let delivery = books.payment("pay_000001").unwrap().deliveries.remove(0);
        let ends = (delivery.attempts[0].status, delivery.attempts[ATTEMPTS_MAX - 1].status);
        assert_eq!((delivery.attempt_count, delivery.attempts.len(), ends), (200, ATTEMPTS_MAX, (Some(0), Some(199))));
    }
}
