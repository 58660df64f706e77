//! Payments and refunds at four gateways: each captured payment is one order or one refund.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod money;
mod refund;
