//! HTTP in the Worker: a request and its parts, a response, a refusal. Nothing here depends on a route.

pub mod body;
pub mod code;
pub mod context;
pub mod cors;
pub mod idempotency;
pub mod if_match;
pub mod language;
pub mod media_type;
pub mod origin;
pub mod percent;
pub mod problem;
pub mod query;
pub mod request;
pub mod response;
pub mod text;
pub mod trace;
