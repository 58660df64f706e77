//! The messages between the edge and the functions, a module a verb: the edge's requests, and the named outcomes it can
//! get back. A refusal is an outcome, not an error; an error means that something is broken.
//!
//! Serde, JSON values and nothing else, so that the Worker cannot reach database code.

pub mod action;
pub mod actor;
pub mod admin;
pub mod audit;
pub mod change;
pub mod confirm;
pub mod dead_letter;
pub mod deliveries;
pub mod event;
pub mod expire;
pub mod field_error;
pub mod forget;
pub mod json;
pub mod lookup;
pub mod opening;
pub mod orders;
pub mod pay;
pub mod payments;
pub mod printable;
pub mod proven;
pub mod ranking;
pub mod reconcile;
pub mod refund;
pub mod relay;
pub mod release;
pub mod report;
pub mod reserve;
pub mod shop;
pub mod subscription;
pub mod whole;

use serde::{Deserialize, Serialize};

/// Identifies the request, so that it can be followed through every log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The answer's `X-Request-Id`.
    pub request_id: String,
    /// W3C Trace Context, as it came or as the edge began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}
