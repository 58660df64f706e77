//! The transactions against their model: random histories, and every two of them step by step.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod histories;
mod interleavings;
