//! What the functions share, a folder a part: `runtime` (configuration, database, HTTP, Lambda's loop), `payment` (gateways and
//! the money at them), `admin` (an operator's commands), `events` (delivery to subscribers).
//!
//! A function is one file in `bin/`: its handler, which makes one call of one SQL routine, and its `main`. The functions that
//! call a gateway make several, with the gateway's answers between them: `payment::{confirm, flow, refund}`.

pub mod admin;
pub mod events;
pub mod payment;
pub mod reservations;
pub mod runtime;
