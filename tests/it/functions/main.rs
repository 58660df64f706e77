//! The functions behind the Lambda runtime, with and without a pooler.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod functions;
mod pooler;
