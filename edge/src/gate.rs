//! The Gate: a Durable Object for a shard of users, which gathers reservations into calls of `reserve`.
//!
//! `client` runs in the Worker, `object` in the Durable Object, `message` is what they say to each other, and `core` decides
//! without a clock or a network of its own.

pub mod answer;
pub mod client;
pub mod concurrency;
pub mod core;
pub mod filter;
pub mod forget;
pub mod lease;
pub mod leases;
pub mod message;
pub mod object;
pub mod restart_mark;
#[cfg(test)]
pub mod testing;
