//! Payments at four gateways that work: each captured payment is one order or one refund. These tests run beside each
//! other, and so none of them orders a fault; those that do are in `gateways`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asked;
mod asked_first;
mod deposits;
mod disputed;
mod keys;
mod killed;
mod later;
mod leaving;
mod messages;
mod odd_amounts;
mod ownership;
mod paying;
mod refunds;
mod strangers;
