//! What operators do, what is kept and what is forgotten.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod admin;
mod forget;
mod operators;
mod retain;
