//! Payment gateways, a file each: is this message authentic, what does it say of which payment, what is the truth about
//! that payment, take the money, pay it back.
//!
//! Nothing here has a socket or a clock. The edge, which is Wasm, uses [`WebhookReader`], and `confirm` uses it again; the
//! functions send what [`GatewayApi`] writes and hand back what came. A new gateway is a file with these two and its line in [`webhook`] and [`api`].

mod account;
mod event;
mod later;
mod mark;
mod portone;
mod reading;
pub mod signature;
mod standard;
mod stripe;
mod toss;
pub mod units;

pub use account::RefundAccount;
pub use event::{EventKind, PaymentDetails, RawEvent, WebhookEvent, read_event};
pub use later::{Dispute, DisputeHint, DisputeState, Disputed, Entry, ListPage, Listed, PAGE_MAX, Tells};
pub use mark::{Mark, hold_id};
use reading::{excerpt, is_inconclusive};
use serde_json::{Map, Value};

/// Every gateway there is, in the order in which they are written about.
pub const NAMES: [&str; 4] = ["standard", "portone", "toss", "stripe"];

/// A payment's id, and what a gateway says of hold and user.
pub const TEXT_MAX_CHARS: usize = 255;
/// The largest whole number every JSON reader keeps exactly.
pub const AMOUNT_MAX: i64 = 9_007_199_254_740_991;

/// What came to the edge, as it came.
pub struct Message<'a> {
    pub header: &'a dyn Fn(&str) -> Option<String>,
    pub body: &'a [u8],
}

/// The half that reads what a gateway sends: the edge's, as a filter, and `confirm`'s, which believes it.
pub trait WebhookReader: Sync {
    /// The headers that its signature is made of, in lower case. None: it signs nothing.
    fn signed_headers(&self) -> &'static [&'static str];

    /// Whether the gateway sent it, a few minutes around `now_s` (Unix time). One that signs nothing is believed
    /// nothing: its messages are authentic whoever sends them, and carry no `said`.
    fn is_authentic(&self, secrets: &[String], message: &Message, now_s: u64) -> bool;

    /// Whether it signs. What comes in the name of one that does not is a stranger's, and costs strangers alone.
    fn signs(&self) -> bool {
        !self.signed_headers().is_empty()
    }

    /// None: an event that is not about a payment of ours, today or in a later version of theirs.
    ///
    /// # Errors
    /// What is missing from an event that its type promises.
    fn read(&self, event: &Map<String, Value>) -> Result<Option<WebhookEvent>, String>;
}

/// None: no such gateway.
#[must_use]
pub fn webhook(name: &str) -> Option<&'static dyn WebhookReader> {
    match name {
        "standard" => Some(&standard::Standard),
        "portone" => Some(&portone::PortOne),
        "toss" => Some(&toss::Toss),
        "stripe" => Some(&stripe::Stripe),
        _ => None,
    }
}

/// A request to a gateway, below the address it is configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayRequest {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// What came back.
pub struct GatewayResponse<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

/// What a gateway answers when it is asked about a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupResult {
    Known(PaymentSnapshot),
    /// It has no such payment.
    NotFound,
    /// It is at work, and does not say: the question was not one of its own. Whoever asks for what a stranger named has
    /// not found out that the gateway fails.
    Refused(String),
    /// It is at work, and what it says of this payment cannot be read: that is this payment's matter and no other's.
    Unreadable(String),
    /// No answer to build on.
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentSnapshot {
    pub state: State,
    /// The gateway's id of it.
    pub payment_id: String,
    /// What was taken or is set aside, in the currency's minor unit.
    pub amount: i64,
    /// Of it, what is paid back already, by whomever.
    pub refunded: i64,
    /// Of it, what somebody asked to have paid back and is not yet. None: the gateway does not say.
    pub refunding: Option<i64>,
    pub currency: String,
    /// The hold it names. None: it is no payment of ours, and nobody here may touch it.
    pub mark: Option<Mark>,
    /// Our id of the payment at a gateway that has one of its own beside it.
    pub order_ref: String,
    pub user_id: Option<String>,
    /// Play money otherwise.
    pub live: bool,
    /// It was a deposit, and can be paid back only to an account that somebody names.
    pub needs_account: bool,
    /// What a message about its deposit has to know.
    pub secret: Option<String>,
    pub disputed: Disputed,
}

impl PaymentSnapshot {
    /// Whether a message knows the payment's secret. Compared in a time that does not depend on where they differ.
    #[must_use]
    pub fn has_secret(&self, given: &str) -> bool {
        let Some(own) = self.secret.as_deref().map(str::as_bytes) else { return false };
        own.len() == given.len() && own.iter().zip(given.as_bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }

    /// What the gateway still has of the buyer's money, in the minor unit.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.amount.saturating_sub(self.refunded)
    }

    /// What a dispute has, or may have, given back to the buyer by his bank: lost, and open.
    #[must_use]
    pub fn in_dispute(&self) -> (i64, i64) {
        match self.disputed {
            Disputed::Yes(Dispute { state: DisputeState::Lost, amount }) => (amount, 0),
            Disputed::Yes(Dispute { state: DisputeState::Open, amount }) => (0, amount),
            _ => (0, 0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The buyer is not through, or the bank is not.
    Pending,
    /// The buyer was given an account to deposit into, and has not: nothing is left to ask of the gateway.
    Waiting,
    /// The money is set aside, and is taken on our word.
    Authorised,
    /// It was taken. Some or all of it may be paid back.
    Paid,
    /// It was not taken, and will not be.
    Failed,
}

/// Take the money that was set aside.
pub struct Capture<'a> {
    pub payment_id: &'a str,
    pub order_ref: &'a str,
    pub amount: i64,
    pub currency: &'a str,
    /// The same at every repeat of the same attempt.
    pub key: &'a str,
    /// What the buyer's browser was given for it, where a gateway does it so.
    pub token: Option<&'a str>,
    pub live: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Captured {
    /// The money was taken: by the state in the answer, not by the call's success.
    Done,
    /// It did as it was asked, and the money comes later, if it comes: a buyer has been given an account to deposit into.
    Waiting,
    /// No money was taken.
    Refused(String),
    /// It must be asked about before anything else.
    Unknown(String),
}

/// Pay back.
pub struct RefundRequest<'a> {
    pub payment_id: &'a str,
    /// How much, in the minor unit.
    pub amount: i64,
    /// What the gateway said it still has: a gateway that can compares.
    pub left: i64,
    pub currency: &'a str,
    pub reason: &'a str,
    /// One an attempt, the same at every repeat of it.
    pub key: &'a str,
    /// Where the money goes, where the gateway does not know.
    pub account: Option<&'a RefundAccount>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refunded {
    Done,
    /// Taken on; it ends later.
    Requested,
    /// Nothing was left to pay back.
    Already,
    /// Nothing was paid back by this request.
    Refused(String),
    /// It must be asked about before anything else; the same key may be sent again.
    Unknown(String),
}

/// The functions' half.
pub trait GatewayApi: Send + Sync {
    fn ask(&self, payment_id: &str) -> GatewayRequest;
    fn snapshot(&self, response: &GatewayResponse) -> LookupResult;

    /// Asks for the payments that a payment page, opened for this hold with this reference, has led to. None: this gateway
    /// finds none by what the shop knows.
    fn find(&self, reference: &str) -> Option<GatewayRequest>;
    /// What it found, none among it; of each what [`GatewayApi::snapshot`] says.
    fn found(&self, response: &GatewayResponse) -> Vec<LookupResult> {
        vec![self.snapshot(response)]
    }

    /// None: this gateway takes the money by itself.
    fn capture(&self, _capture: &Capture) -> Option<GatewayRequest> {
        None
    }
    fn captured(&self, response: &GatewayResponse) -> Captured {
        match response.status {
            400..500 if !is_inconclusive(response.status) => Captured::Refused(excerpt(response)),
            _ => Captured::Unknown(excerpt(response)),
        }
    }

    /// Gives back what was set aside and not taken. None: it ends by itself.
    fn void(&self, _payment_id: &str, _key: &str) -> Option<GatewayRequest> {
        None
    }
    /// Whether it was: by the state in the answer.
    fn was_voided(&self, response: &GatewayResponse) -> bool {
        matches!(self.snapshot(response), LookupResult::Known(PaymentSnapshot { state: State::Failed, .. }))
    }

    fn refund(&self, refund: &RefundRequest) -> GatewayRequest;
    fn refunded(&self, response: &GatewayResponse) -> Refunded;

    /// None: whoever asks about a payment is told of its dispute.
    fn ask_dispute(&self, _payment_id: &str) -> Option<GatewayRequest> {
        None
    }
    /// None: no answer to build on.
    fn dispute(&self, _response: &GatewayResponse, _currency: &str) -> Option<Dispute> {
        None
    }

    /// The gateway's own lists, in the order in which they are gone through.
    fn lists(&self) -> &'static [&'static str];
    fn list(&self, page: &ListPage) -> GatewayRequest;
    /// # Errors
    /// What came instead of a page of that list.
    fn listed(&self, page: &ListPage, response: &GatewayResponse) -> Result<Listed, String>;
}

/// How a function reaches a gateway.
#[derive(Clone)]
pub struct Account {
    pub secret: String,
    /// The shop sells for real money.
    pub live: bool,
}

/// None: no such gateway.
#[must_use]
pub fn api(name: &str, account: Account) -> Option<Box<dyn GatewayApi>> {
    match name {
        "standard" => Some(Box::new(standard::StandardApi(account))),
        "portone" => Some(Box::new(portone::PortOneApi(account))),
        "toss" => Some(Box::new(toss::TossApi(account))),
        "stripe" => Some(Box::new(stripe::StripeApi(account))),
        _ => None,
    }
}

/// Where a gateway is unless configured otherwise; empty: it has no address of its own.
#[must_use]
pub fn usual_url(name: &str) -> &'static str {
    match name {
        "portone" => "https://api.portone.io",
        "toss" => "https://api.tosspayments.com",
        "stripe" => "https://api.stripe.com",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
