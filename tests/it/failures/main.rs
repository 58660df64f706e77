//! Parts that are killed, and what is left of what somebody was told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod failures;
mod stack;
