//! From the press to the order, and to "sold out".
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod changes;
mod free;
mod journey;
mod lists;
mod orders;
mod rankings;
mod sold_out;
