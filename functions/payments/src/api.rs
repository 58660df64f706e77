//! What the functions do at a gateway: look a payment up, capture, void, refund, list. Nothing here has a socket: each call
//! is a request that is written here, and a response that is read here.

pub use protocol::refund::RefundAccount;

use crate::dispute::Dispute;
use crate::http::{GatewayRequest, GatewayResponse};
use crate::list::{ListPage, Listed};
use crate::reading::{excerpt, is_inconclusive};
use crate::snapshot::{LookupResult, PaymentSnapshot, State};

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
