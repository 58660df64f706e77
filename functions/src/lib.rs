//! What the functions share: how they are configured, how they reach the database and the gateways, how they run and
//! report.
//!
//! A function is one file in `bin/`: its handler, which makes one call of one SQL routine, and its `main`. Those that
//! talk to a gateway make several, with the gateway's answers between them: `payment`, `settle` and `pay_back`.

pub mod bounds;
pub mod check;
pub mod config;
pub mod database;
pub mod desk;
#[cfg(test)]
mod fuzz;
pub mod http;
pub mod opened;
pub mod operate;
pub mod pay_back;
pub mod payment;
pub mod plaintext;
pub mod present;
pub mod reconcile;
pub mod refund_to;
pub mod relay;
pub mod run;
pub mod seal;
pub mod settle;
pub mod tls;
pub mod webhooks;
