//! Payments at four gateways that work: each captured payment is one order or one refund. These tests run beside each
//! other, and so none of them orders a fault; those that do are in `gateways`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod approval;
mod deposits;
mod disputed;
mod keys;
mod killed;
mod later;
mod lookups;
mod messages;
mod odd_amounts;
mod ownership;
mod paying;
mod refunds;
mod reversed;
mod unsigned;
