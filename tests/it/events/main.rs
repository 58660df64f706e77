//! Events, from the outbox to their receivers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod relay;
mod subscriptions;
