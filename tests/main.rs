//! Every test that needs more than its own crate: run by `cargo dev test`, which boots the parts once and names the
//! running stack in `HOLDFAST_STACK`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod database;
mod table;

mod confirm;
mod expire;
mod races;
mod release;
mod reserve;
mod schema;
