//! The one place where payments are made: the payment page and `POST /payments` both come here. Writes the payment into
//! the books first and only then gives its webhooks to the sender.

use std::sync::Arc;

use anyhow::Context;
use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use super::books::{Books, Charge, Delivery, Entered, Payment, Refund, State};
use super::dialect::{Dialect, Event};
use super::faults::Faults;
use super::journal::Journal;
use super::keys::Keys;
use super::shop::Shop;

/// Which gateway a payment is made at, and how.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub gateway: Dialect,
    /// Set the money aside, and take it on the shop's word.
    pub authorise: bool,
    /// Request the shop's approval, and capture or void it by the response.
    pub asks: bool,
    pub live: bool,
    /// Another product's on the same account.
    pub foreign: bool,
    /// The buyer pays by a deposit into an account.
    pub deposit: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { gateway: Dialect::Standard, authorise: false, asks: false, live: true, foreign: false, deposit: false }
    }
}

/// Why nothing was done.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    /// It was captured, or voided, before.
    Already,
    /// More than is left.
    TooMuch,
    /// No money was taken.
    NotPaid,
    /// It was a deposit, and no account was named.
    NoAccount,
}

/// How a payment is reported to the shop.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Each is sent at a moment of its own within so many milliseconds more: they come in any order.
    pub spread_ms: u64,
    /// Nothing is sent before this moment.
    pub not_before: Timestamp,
    /// How many times, all at once.
    pub times: u32,
    /// Each time as a message of its own, and not as a repeat of the first.
    pub fresh_ids: bool,
    /// So many attempts of each are signed with a secret that is not the shop's.
    pub forged: u32,
}

impl Plan {
    pub fn now() -> Self {
        Self { spread_ms: 0, not_before: Timestamp::now(), times: 1, fresh_ids: false, forged: 0 }
    }
}

/// One webhook on its way to the sender.
pub struct Job {
    pub payment_id: String,
    /// Which of the payment's deliveries in the books.
    pub delivery: usize,
    pub gateway: Dialect,
    pub event: Event,
    pub webhook_id: String,
    pub not_before: Timestamp,
    pub forged: u32,
    pub body: Bytes,
}

/// Too many webhooks are unanswered; no money was taken.
#[derive(Debug)]
pub struct Busy;

#[derive(Clone)]
pub struct Gateways {
    pub shop: Shop,
    pub books: Arc<Books>,
    pub journal: Journal,
    pub keys: Arc<Keys>,
    pub faults: Faults,
    /// What the shop proves itself with, by gateway.
    accounts: Arc<dyn Fn(Dialect) -> String + Send + Sync>,
    /// Cancellations are only taken on, as some of PortOne's gateways do, until a test has them done.
    pub later: Arc<std::sync::atomic::AtomicBool>,
    /// Without a bound of its own: the books let no more than `OPEN_DELIVERIES_MAX` in.
    jobs: UnboundedSender<Job>,
}

impl Gateways {
    pub fn new(
        shop: Shop,
        journal: Journal,
        accounts: impl Fn(Dialect) -> String + Send + Sync + 'static,
    ) -> (Self, UnboundedReceiver<Job>) {
        let (jobs, inbox) = unbounded_channel();
        let gateways = Self {
            shop,
            books: Arc::default(),
            journal,
            keys: Arc::default(),
            faults: Faults::default(),
            accounts: Arc::new(accounts),
            later: Arc::default(),
            jobs,
        };
        (gateways, inbox)
    }

    /// The API secret that a gateway has given the shop.
    pub fn account(&self, gateway: Dialect) -> String {
        (self.accounts)(gateway)
    }

    /// Takes money that was set aside.
    pub fn capture_authorised(&self, payment_id: &str) -> Result<Payment, Refusal> {
        let captured = self.books.change(payment_id, |payment| match payment.state {
            // The account was issued, and there is no deposit yet.
            State::Authorised if payment.deposit => {
                payment.state = State::Waiting;
                Ok(payment.clone())
            }
            State::Authorised => {
                payment.state = State::Captured;
                payment.captured = payment.charge.amount;
                Ok(payment.clone())
            }
            State::Captured | State::Waiting => Err(Refusal::Already),
            State::Voided | State::Declined => Err(Refusal::NotPaid),
        });
        let payment = captured.ok_or(Refusal::NotFound)??;
        let (name, event) = match payment.state {
            State::Waiting => ("issued", Event::Waiting),
            _ => ("captured", Event::Captured),
        };
        self.note(name, &payment);
        self.tell(&payment, event, &Plan::now());
        Ok(payment)
    }

    /// A deposit into the account that the buyer was given. `told`: whether and how it is reported.
    pub fn deposit(&self, payment_id: &str, told: Option<Event>) -> Result<(), Refusal> {
        self.turn(payment_id, State::Waiting, State::Captured, told)
    }

    /// The deposit is reversed: the account waits again.
    pub fn reverse(&self, payment_id: &str, told: Option<Event>) -> Result<(), Refusal> {
        self.turn(payment_id, State::Captured, State::Waiting, told)
    }

    fn turn(&self, payment_id: &str, from: State, to: State, told: Option<Event>) -> Result<(), Refusal> {
        let turned = self.books.change(payment_id, |payment| {
            if payment.state != from || !payment.deposit {
                return Err(Refusal::NotPaid);
            }
            payment.state = to;
            payment.captured = if to == State::Captured { payment.charge.amount } else { 0 };
            Ok(payment.clone())
        });
        let payment = turned.ok_or(Refusal::NotFound)??;
        self.note(if to == State::Captured { "deposited" } else { "reversed" }, &payment);
        if let Some(event) = told {
            self.tell(&payment, event, &Plan::now());
        }
        Ok(())
    }

    /// Voids an authorization.
    pub fn void(&self, payment_id: &str) -> Result<Payment, Refusal> {
        let voided = self.books.change(payment_id, |payment| match payment.state {
            State::Authorised | State::Waiting => {
                payment.state = State::Voided;
                Ok(payment.clone())
            }
            _ => Err(Refusal::Already),
        });
        voided.ok_or(Refusal::NotFound)?
    }

    /// Refunds, for the shop.
    pub fn refund(&self, payment_id: &str, amount: i64) -> Result<Refund, Refusal> {
        self.refund_to(payment_id, amount, None)
    }

    /// The same to an account that the shop has named: what was deposited goes nowhere else.
    pub fn refund_to(&self, payment_id: &str, amount: i64, account: Option<&Value>) -> Result<Refund, Refusal> {
        let pending = self.later.load(std::sync::atomic::Ordering::Relaxed);
        self.add_refund(payment_id, amount, pending, None, account)
    }

    /// Refunds in the gateway's console, or only accepts that.
    pub fn refund_by_hand(&self, payment_id: &str, amount: i64, later: bool, plan: &Plan) -> Result<Refund, Refusal> {
        self.add_refund(payment_id, amount, later, Some(plan), None)
    }

    /// `by_hand`: how a refund that the shop did not request is reported to it.
    fn add_refund(
        &self,
        payment_id: &str,
        amount: i64,
        pending: bool,
        by_hand: Option<&Plan>,
        account: Option<&Value>,
    ) -> Result<Refund, Refusal> {
        let paid = self.books.change(payment_id, |payment| {
            // Toss has refunded when it answers.
            let pending = pending && payment.gateway != Dialect::Toss;
            if payment.state != State::Captured {
                return Err(Refusal::NotPaid);
            }
            if payment.deposit && by_hand.is_none() && account.is_none() {
                return Err(Refusal::NoAccount);
            }
            if amount < 1 || amount > payment.captured - payment.refunded - payment.pending() {
                return Err(Refusal::TooMuch);
            }
            let id = format!("re_{}", Uuid::now_v7().simple());
            let made_at = written(Timestamp::now());
            let refund = Refund {
                id,
                amount,
                pending,
                failed: false,
                by_hand: by_hand.is_some(),
                account: account.cloned(),
                made_at,
            };
            payment.refunds.push(refund.clone());
            if !pending {
                payment.refunded += amount;
            }
            Ok((payment.clone(), refund))
        });
        let (payment, refund) = paid.ok_or(Refusal::NotFound)??;
        self.note("refunded", &payment);
        self.tell(&payment, Event::Refunded, by_hand.unwrap_or(&Plan::now()));
        Ok(refund)
    }

    /// What was taken on is done, or is not done after all.
    pub fn finish_refunds(&self, payment_id: &str, done: bool) {
        let done = self.books.change(payment_id, |payment| {
            payment.refunded += if done { payment.pending() } else { 0 };
            for refund in payment.refunds.iter_mut().filter(|refund| refund.pending) {
                (refund.pending, refund.failed) = (false, !done);
            }
            payment.clone()
        });
        if let Some(payment) = done {
            self.tell(&payment, Event::Refunded, &Plan::now());
        }
    }

    /// Sends the message about a change, where its gateway has one.
    pub fn tell(&self, payment: &Payment, event: Event, plan: &Plan) {
        if payment.gateway.body(payment, event).is_none() {
            return;
        }
        let is_later = matches!(
            event,
            Event::Refunded | Event::RefundFailed | Event::Disputed | Event::DisputeResolved | Event::Reversed
        );
        let webhooks: Vec<Delivery> =
            webhooks(plan).into_iter().map(|webhook| Delivery { later: is_later, ..webhook }).collect();
        let first = self.books.change(&payment.payment_id, |payment| {
            let first = payment.deliveries.len();
            payment.deliveries.extend(webhooks.clone());
            first
        });
        let payment = Payment { deliveries: webhooks, ..payment.clone() };
        if let Err(error) = self.send(&payment, event, first.unwrap_or(0), plan.forged) {
            self.journal.line(&json!({"error": format!("{error:#}"), "payment_id": payment.payment_id}));
        }
    }

    /// Captures or authorizes each charge, and starts sending webhooks. Answers the first payment's id. `pressed` names
    /// a press of a button: the same name again answers the same id and takes nothing.
    pub fn capture(
        &self,
        charges: &[Charge],
        manner: Manner,
        plan: &Plan,
        pressed: Option<String>,
    ) -> Result<String, Busy> {
        self.capture_as(charges, manner, plan, pressed, None)
    }

    /// The same under the shop's own id, where its page was opened with one.
    pub fn capture_as(
        &self,
        charges: &[Charge],
        manner: Manner,
        plan: &Plan,
        pressed: Option<String>,
        reference: Option<&str>,
    ) -> Result<String, Busy> {
        let (state, event) = match manner {
            Manner { asks: true, .. } => (State::Authorised, Event::ApprovalRequested),
            Manner { authorise: true, .. } => (State::Authorised, Event::Authorised),
            Manner { deposit: true, .. } => (State::Waiting, Event::Waiting),
            _ => (State::Captured, Event::Captured),
        };
        let webhooks = || webhooks(plan);
        let payments: Vec<Payment> = charges
            .iter()
            .map(|charge| Payment { pressed: pressed.clone(), ..payment(charge, manner, state, webhooks()) })
            .map(|payment| match reference {
                Some(reference) if manner.gateway == Dialect::PortOne => {
                    Payment { payment_id: reference.to_owned(), order_ref: reference.to_owned(), ..payment }
                }
                Some(reference) => Payment { order_ref: reference.to_owned(), ..payment },
                None => payment,
            })
            .collect();
        let first = payments.first().map(|p| p.payment_id.clone()).unwrap_or_default();
        match self.books.enter(payments.clone()) {
            Entered::New => {}
            Entered::Again(payment_id) => return Ok(payment_id),
            Entered::Full => return Err(Busy),
        }
        for payment in &payments {
            self.note(if state == State::Authorised { "authorised" } else { "captured" }, payment);
            if let Err(error) = self.send(payment, event, 0, plan.forged) {
                self.journal.line(&json!({"error": format!("{error:#}"), "payment_id": payment.payment_id}));
            }
        }
        Ok(first)
    }

    /// Records that nothing was captured. The shop learns of it only from the buyer's return.
    pub fn decline(&self, charge: &Charge) -> String {
        let payment = payment(charge, Manner::default(), State::Declined, Vec::new());
        self.note("declined", &payment);
        let id = payment.payment_id.clone();
        self.books.enter(vec![payment]);
        id
    }

    /// `first`: the number of its first delivery in the books.
    fn send(&self, payment: &Payment, event: Event, first: usize, forged: u32) -> anyhow::Result<()> {
        let Some(body) = payment.gateway.body(payment, event) else { return Ok(()) };
        for (delivery, webhook) in (first..).zip(&payment.deliveries) {
            let (payment_id, webhook_id) = (payment.payment_id.clone(), webhook.webhook_id.clone());
            let not_before = webhook.not_before.parse()?;
            let gateway = payment.gateway;
            let job = Job { payment_id, delivery, gateway, event, webhook_id, not_before, forged, body: body.clone() };
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

fn payment(charge: &Charge, manner: Manner, state: State, deliveries: Vec<Delivery>) -> Payment {
    let deliveries =
        if manner.gateway == Dialect::Standard && state == State::Authorised { Vec::new() } else { deliveries };
    let another = || format!("order-{}", Uuid::now_v7().simple());
    Payment {
        payment_id: match manner {
            Manner { gateway: Dialect::PortOne, foreign: true, .. } => another(),
            Manner { gateway, .. } => gateway.id(&charge.hold_id),
        },
        gateway: manner.gateway,
        order_ref: if manner.foreign { another() } else { super::portone::id(&charge.hold_id) },
        live: manner.live,
        foreign: manner.foreign,
        deposit: manner.deposit,
        refunds: Vec::new(),
        dispute: None,
        reversed: false,
        changed_at: written(Timestamp::now()),
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
        not_before: written(plan.not_before + std::time::Duration::from_millis(random_ms(plan.spread_ms))),
        ..Delivery::default()
    };
    (0..plan.times).map(one).collect()
}

fn random_ms(most: u64) -> u64 {
    (Uuid::new_v4().as_u64_pair().0 >> 16) % (most + 1)
}

/// RFC 3339 in UTC, to the millisecond, as all of Holdfast's times are.
pub fn written(at: Timestamp) -> String {
    format!("{at:.3}")
}
