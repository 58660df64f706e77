//! The hosted page on a slow phone: what is measured in a browser that nothing else runs beside.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod lost;
mod slow;
