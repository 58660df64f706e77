//! What the functions do at a gateway: look a payment up, capture, void, refund, list. Nothing here has a socket: each call
//! is a request that is written here, and a response that is read here.

pub use protocol::refund::RefundAccount;

use crate::dispute::Dispute;
use crate::http::{GatewayRequest, GatewayResponse};
use crate::list::{ListPage, Listed};
use crate::reading::{excerpt, is_inconclusive};
use crate::snapshot::{LookupResult, PaymentSnapshot, State};

/// A capture of an authorised payment.
pub struct Capture<'a> {
    pub payment_id: &'a str,
    pub order_ref: &'a str,
    pub amount: i64,
    pub currency: &'a str,
    /// Idempotency key: the same for every repeat of one attempt.
    pub key: &'a str,
    /// The token that the gateway's SDK gave the buyer's browser, where the gateway needs it.
    pub token: Option<&'a str>,
    pub live: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Captured {
    /// Captured, by the payment's state in the response and not by its status code.
    Done,
    /// Accepted, but the buyer has still to deposit the money.
    Waiting,
    /// Nothing was captured.
    Refused(String),
    /// The outcome is unknown: look the payment up before anything else.
    Unknown(String),
}

/// A refund of all or a part of a payment.
pub struct RefundRequest<'a> {
    pub payment_id: &'a str,
    /// In the minor unit.
    pub amount: i64,
    /// The balance that the gateway reported; a gateway that can compares it.
    pub left: i64,
    pub currency: &'a str,
    pub reason: &'a str,
    /// Idempotency key: one for each attempt, the same for every repeat of it.
    pub key: &'a str,
    /// The account for a refund that needs one.
    pub account: Option<&'a RefundAccount>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refunded {
    Done,
    /// Accepted; it completes later.
    Requested,
    /// Nothing was left to refund.
    Already,
    /// This request refunded nothing.
    Refused(String),
    /// The outcome is unknown: look the payment up before anything else. The same key may be sent again.
    Unknown(String),
}

/// What the functions send to a gateway and read from it.
pub trait GatewayApi: Send + Sync {
    fn look_up(&self, payment_id: &str) -> GatewayRequest;
    fn snapshot(&self, response: &GatewayResponse) -> LookupResult;

    /// Searches for the payments that a payment page has led to, by the reference it was opened with. None: the gateway
    /// cannot search.
    fn find(&self, reference: &str) -> Option<GatewayRequest>;
    /// The payments that were found, perhaps none; each as [`GatewayApi::snapshot`] reads it.
    fn found(&self, response: &GatewayResponse) -> Vec<LookupResult> {
        vec![self.snapshot(response)]
    }

    /// None: this gateway captures by itself.
    fn capture(&self, _capture: &Capture) -> Option<GatewayRequest> {
        None
    }
    fn captured(&self, response: &GatewayResponse) -> Captured {
        match response.status {
            400..500 if !is_inconclusive(response.status) => Captured::Refused(excerpt(response)),
            _ => Captured::Unknown(excerpt(response)),
        }
    }

    /// Voids an authorisation. None: it expires by itself.
    fn void(&self, _payment_id: &str, _key: &str) -> Option<GatewayRequest> {
        None
    }
    /// Whether it was voided, by the state in the response.
    fn was_voided(&self, response: &GatewayResponse) -> bool {
        matches!(self.snapshot(response), LookupResult::Known(PaymentSnapshot { state: State::Failed, .. }))
    }

    fn refund(&self, refund: &RefundRequest) -> GatewayRequest;
    fn refunded(&self, response: &GatewayResponse) -> Refunded;

    /// None: the payment's snapshot includes its dispute.
    fn look_up_dispute(&self, _payment_id: &str) -> Option<GatewayRequest> {
        None
    }
    /// None: no usable response.
    fn dispute(&self, _response: &GatewayResponse, _currency: &str) -> Option<Dispute> {
        None
    }

    /// The gateway's own lists, in the order in which reconciliation reads them.
    fn lists(&self) -> &'static [&'static str];
    fn list(&self, page: &ListPage) -> GatewayRequest;
    /// # Errors
    /// The response is no page of that list; what it is instead.
    fn listed(&self, page: &ListPage, response: &GatewayResponse) -> Result<Listed, String>;
}

/// The credentials for a gateway.
#[derive(Clone)]
pub struct Account {
    pub secret: String,
    /// Whether the shop sells for real money.
    pub live: bool,
}
