//! The Worker: callers, limits, refusals, its description.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod caller;
mod edge;
mod hostile;
mod openapi;
