//! `cargo dev doctor`: reads what is really there, compares it with the table of the deployment, and says what does not fit
//! and what to do about it. It changes nothing.
//!
//! `database` asks Postgres itself. Each check adds findings to a `Report`; a finding has a name, by which the tests and an
//! operator's scripts know it.

pub mod command;
pub mod database;
pub mod report;
