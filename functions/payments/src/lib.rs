//! Payment gateways, a file each: whether a message is authentic, which payment it is about, what the payment's state
//! is, capture it, void it, refund it.
//!
//! Nothing here has a socket or a clock. The edge, which is Wasm, uses [`WebhookReader`] as a filter and `confirm` uses it
//! again; the functions send what [`GatewayApi`] writes and hand back the response. A new gateway is a file with both and its
//! `GATEWAY`, and a line in [`GATEWAYS`].

mod api;
mod bank;
mod dispute;
mod event;
mod gateway;
mod http;
mod list;
mod mark;
mod portone;
mod raw_event;
mod reading;
mod registry;
pub mod signature;
mod snapshot;
mod standard;
mod stripe;
mod toss;
pub mod units;

pub use api::{Account, Capture, Captured, GatewayApi, RefundAccount, RefundRequest, Refunded};
pub use bank::BANKS;
pub use dispute::{Dispute, DisputeHint, DisputeState, Disputed};
pub use event::{
    AMOUNT_MAX, EventKind, Message, PaymentDetails, TEXT_MAX_CHARS, WebhookEvent, WebhookReader, read_event,
};
pub use gateway::{Gateway, Member, ReturnPage, ReturnQuery};
pub use http::{GatewayRequest, GatewayResponse};
pub use list::{Entry, EntryDetail, ListPage, Listed, PAGE_MAX};
pub use mark::{Mark, hold_id};
pub use raw_event::RawEvent;
pub use registry::{GATEWAYS, NAMES, api, currencies, gateway, unit, webhook};
pub use snapshot::{LookupResult, PaymentSnapshot, State};

#[cfg(test)]
mod tests;
