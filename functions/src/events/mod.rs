//! Events: fanned out, signed and delivered to their subscribers.

pub mod address;
pub mod attempt;
#[cfg(feature = "aws")]
mod aws;
pub mod endpoint;
pub mod http;
pub mod message;
pub mod queue;
pub mod relay;
pub mod retries;
pub mod seal;
pub mod settings;
pub mod sign;
mod targets;
