//! Gateways that fail or are late, and whole gateways held against our books. What a test orders here all of the stack
//! meets, and so these tests run one after the other.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accepted;
mod accounts;
mod changed;
mod crowd;
mod failing;
mod later;
mod reconciled;
mod refund;
mod under_way;
