//! Parts that are killed, and whether every acknowledged outcome is still there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod failures;
mod stack;
