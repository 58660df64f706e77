//! The rules of this workspace that no compiler knows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod deadlines;
mod documents;
mod locations;
mod numbers;
mod policies;
mod rooms;
mod template;
mod tidy;
