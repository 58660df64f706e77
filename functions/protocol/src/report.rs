//! A sale's report: its sums, and what the audit found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::payments::GatewayHealth;
use crate::subscription::Subscription;

/// A sale's report, from one snapshot.
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
    /// Payments that changed at the gateway after they were settled.
    #[serde(default)]
    pub payments: ChangedPayments,
    pub outbox: Outbox,
    /// Gateways with failed requests, of every sale.
    #[serde(default)]
    pub gateways: Vec<GatewayHealth>,
    pub audit: Audit,
}

/// Numbers of settled payments that changed at the gateway since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct ChangedPayments {
    /// With a dispute that is open, was lost, or is over with an unknown result.
    pub disputed: i64,
    /// Refunded, in part or in full, but not through Holdfast.
    pub refunded_outside: i64,
    /// With a reversed deposit.
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
    /// Events not yet fanned out, and pending deliveries.
    pub pending: i64,
    /// Deliveries that were given up: dead letters.
    pub dead: i64,
    /// All subscriptions, of every sale.
    pub receivers: Vec<Subscription>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Audit {
    pub ok: bool,
    pub mismatches: Vec<Mismatch>,
}

/// A failed check: its name, its subject, and the two numbers that should be equal. With a `finding_id` the scheduled
/// audit has found it and it is not resolved.
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
