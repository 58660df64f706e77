//! T1, T2, T3 and the rest of the routines, on databases of their own.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod audit;
mod cancel;
mod capture;
mod change;
mod confirm;
mod doctor;
mod drafts;
mod events;
mod expire;
mod holders;
mod orders;
mod parked;
mod plans;
mod present;
mod races;
mod rankings;
mod reconcile;
mod refund;
mod release;
mod reserve;
mod retake;
mod schema;
mod stolen;
