//! What is measured: neighbours, a drop, the benches, a soak.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bench;
mod neighbours;
mod production;
mod rush;
mod shares;
mod soak;
