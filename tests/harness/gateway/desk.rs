//! Where money is taken, whoever asks: the payment page and `POST /payments` both come here. Writes the payment into the
//! books first and only then gives its webhooks to the courier.

use std::sync::Arc;

use anyhow::Context;
use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use super::books::{Books, Charge, Delivery, Entered, Payment, State};
use super::journal::Journal;
use super::shop::Shop;
use super::standard;

/// How the shop hears of a payment.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Nothing is sent before this moment.
    pub not_before: Timestamp,
    /// How many times, all at once.
    pub times: u32,
    /// Each time as a message of its own, and not as a repeat of the first.
    pub fresh_ids: bool,
}

impl Plan {
    pub fn now() -> Self {
        Self { not_before: Timestamp::now(), times: 1, fresh_ids: false }
    }
}

/// One webhook on its way to the courier.
pub struct Job {
    pub payment_id: String,
    /// Which of the payment's deliveries in the books.
    pub delivery: usize,
    pub webhook_id: String,
    pub not_before: Timestamp,
    pub body: Bytes,
}

/// Too many webhooks are unanswered; no money was taken.
#[derive(Debug)]
pub struct Busy;

#[derive(Clone)]
pub struct Desk {
    pub shop: Shop,
    pub books: Arc<Books>,
    pub journal: Journal,
    /// Without a bound of its own: the books let no more than `OPEN_DELIVERIES_MAX` in.
    jobs: UnboundedSender<Job>,
}

impl Desk {
    pub fn new(shop: Shop, journal: Journal) -> (Self, UnboundedReceiver<Job>) {
        let (jobs, inbox) = unbounded_channel();
        (Self { shop, books: Arc::default(), journal, jobs }, inbox)
    }

    /// Takes the money of each charge and starts telling the shop. Answers the first payment's id. `pressed` names a
    /// press of a button: the same name again answers the same id and takes nothing.
    pub fn capture(&self, charges: &[Charge], plan: &Plan, pressed: Option<String>) -> Result<String, Busy> {
        let webhooks = || webhooks(plan);
        let payments: Vec<Payment> = charges
            .iter()
            .map(|charge| Payment { pressed: pressed.clone(), ..payment(charge, State::Captured, webhooks()) })
            .collect();
        let first = payments.first().map(|p| p.payment_id.clone()).unwrap_or_default();
        match self.books.enter(payments.clone()) {
            Entered::New => {}
            Entered::Again(payment_id) => return Ok(payment_id),
            Entered::Full => return Err(Busy),
        }
        for payment in &payments {
            self.note("captured", payment);
            if let Err(error) = self.send(payment, plan) {
                self.journal.line(&json!({"error": format!("{error:#}"), "payment_id": payment.payment_id}));
            }
        }
        Ok(first)
    }

    /// Writes down that no money was taken. The shop hears of it only from the buyer, who is sent back.
    pub fn decline(&self, charge: &Charge) -> String {
        let payment = payment(charge, State::Declined, Vec::new());
        self.note("declined", &payment);
        let id = payment.payment_id.clone();
        self.books.enter(vec![payment]);
        id
    }

    fn send(&self, payment: &Payment, plan: &Plan) -> anyhow::Result<()> {
        let body = standard::paid(payment)?;
        for (delivery, webhook) in payment.deliveries.iter().enumerate() {
            let (payment_id, webhook_id) = (payment.payment_id.clone(), webhook.webhook_id.clone());
            let job = Job { payment_id, delivery, webhook_id, not_before: plan.not_before, body: body.clone() };
            self.jobs.send(job).ok().context("the gateway is stopping")?;
        }
        Ok(())
    }

    fn note(&self, event: &str, payment: &Payment) {
        let Payment { payment_id, charge, created_at, deliveries, .. } = payment;
        self.journal.line(&json!({
            "at": created_at, "event": event, "payment_id": payment_id, "hold_id": charge.hold_id,
            "amount": charge.amount, "currency": charge.currency, "webhooks": deliveries.len(),
        }));
    }
}

fn payment(charge: &Charge, state: State, deliveries: Vec<Delivery>) -> Payment {
    Payment {
        payment_id: format!("pay_{}", Uuid::now_v7().simple()),
        gateway: standard::NAME,
        captured: if state == State::Captured { charge.amount } else { 0 },
        charge: charge.clone(),
        state,
        refunded: 0,
        created_at: written(Timestamp::now()),
        deliveries,
        pressed: None,
    }
}

fn webhooks(plan: &Plan) -> Vec<Delivery> {
    let fresh = || format!("msg_{}", Uuid::now_v7().simple());
    let shared = fresh();
    let one = |_| Delivery {
        webhook_id: if plan.fresh_ids { fresh() } else { shared.clone() },
        not_before: written(plan.not_before),
        ..Delivery::default()
    };
    (0..plan.times).map(one).collect()
}

/// RFC 3339 in UTC, to the millisecond, as all of Holdfast's times are.
pub fn written(at: Timestamp) -> String {
    format!("{at:.3}")
}
