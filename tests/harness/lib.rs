//! What the tests and `cargo dev` share: getting tools, running the stack, playing the payment gateway.

pub mod always;
pub mod bench;
pub mod database;
pub mod gateway;
pub mod migrate;
pub mod model;
pub mod mutants;
pub mod plan;
pub mod proxy;
pub mod rush;
pub mod soak;
pub mod stack;
pub mod tools;
pub mod workspace;
