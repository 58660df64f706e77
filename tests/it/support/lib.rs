//! What the tests share: a client, a database of its own for each test, a browser, a receiver of events.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

pub mod browser;
pub mod client;
pub mod database;
pub mod emulator;
pub mod front;
pub mod gateways;
pub mod invoke;
pub mod page;
pub mod receiver;
pub mod shop;
pub mod sold_out;
pub mod table;
pub mod waiting;
