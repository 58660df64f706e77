//! A sale's report: its sums, and what does not agree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::payments::GatewayHealth;
use crate::subscription::Subscription;

/// All of it seen at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Report {
    pub sale_id: String,
    pub status: crate::shop::SaleStatus,
    pub skus: Vec<SkuReport>,
    /// Holds by status.
    pub holds: BTreeMap<String, i64>,
    /// Orders by status.
    pub orders: BTreeMap<String, i64>,
    /// Refunds by status.
    pub refunds: BTreeMap<String, i64>,
    /// Payments of which the gateway has changed its mind.
    #[serde(default)]
    pub payments: ChangedPayments,
    pub outbox: Outbox,
    /// Gateways that were asked and failed to answer, whatever the sale.
    #[serde(default)]
    pub gateways: Vec<GatewayHealth>,
    pub audit: Audit,
}

/// How many payments: what was settled, and is not as it was at the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct ChangedPayments {
    /// A dispute is open, was lost, or is over and nobody knows how.
    pub disputed: i64,
    /// Some of it went back, and not by us.
    pub refunded_outside: i64,
    /// Its deposit was taken back.
    pub reversed: i64,
}

/// `total = available + held + sold`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct SkuReport {
    pub sku_id: String,
    pub total: i64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Outbox {
    /// Events, and deliveries of them, still to be sent.
    pub pending: i64,
    /// Deliveries given up.
    pub dead: i64,
    /// Everybody who is told, of every sale.
    pub receivers: Vec<Subscription>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Audit {
    pub ok: bool,
    pub mismatches: Vec<Mismatch>,
}

/// What was compared, of what, and the two numbers that should be one. With a `finding_id` it is what the audit found
/// earlier and still finds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Mismatch {
    pub check: String,
    pub subject: String,
    pub expected: i64,
    pub found: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding_id: Option<String>,
    /// RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<String>,
}
