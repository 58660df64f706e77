//! What the functions share: how they are configured, how they reach the database, how they run and report.
//!
//! A function is one file in `bin/`: its handler, which makes one call of one SQL routine, and its `main`.

pub mod bounds;
pub mod check;
pub mod config;
pub mod database;
#[cfg(test)]
mod fuzz;
pub mod run;
pub mod tls;
