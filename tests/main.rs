//! Every test that needs more than its own crate: run by `cargo dev test`, which boots the parts once and names the
//! running stack in `HOLDFAST_STACK`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod browser;
mod client;
mod database;
mod receiver;
mod table;
mod tidy;
mod till;

mod admin;
mod audit;
mod bench;
mod caller;
mod cancel;
mod capture;
mod confirm;
mod deadlines;
mod drafts;
mod edge;
mod events;
mod expire;
mod failures;
mod forget;
mod free;
mod functions;
mod holders;
mod hostile;
mod interleavings;
mod journey;
mod lists;
mod model;
mod money;
mod neighbours;
mod openapi;
mod operate;
mod operators;
mod parked;
mod plans;
mod pooler;
mod present;
mod races;
mod reconcile;
mod refund;
mod relay;
mod release;
mod reserve;
mod retain;
mod retake;
mod rush;
mod schema;
mod shop;
mod soak;
mod sold_out;
mod stack;
mod stolen;
