//! How a function runs: its configuration, its limits, its connections, its log and Lambda's loop around its handler.

pub mod config;
pub mod database;
pub mod handler;
pub mod http;
pub mod limits;
pub mod plaintext;
pub mod tls;
