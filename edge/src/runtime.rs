//! What every room stands on: configuration, limits, the clock, hashes, and the bridge to JavaScript.

pub mod clock;
pub mod config;
pub mod digest;
pub mod js;
pub mod limits;
pub mod user_hash;
