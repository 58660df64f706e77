//! The schema of Holdfast and its migration: `migrate` brings a database to this release's tables, routines and views.
//!
//! The command is `src/bin/migrate.rs`; `cargo dev migrate` and the tests call the same functions. What the files in the
//! folders beside this crate are: `README.md` there.

pub mod command;
pub mod connection;
pub mod durability;
pub mod files;
mod migration;
pub mod roles;
pub mod state;

pub use files::Files;
pub use migration::{Migrated, apply_repeatable, migrate};
