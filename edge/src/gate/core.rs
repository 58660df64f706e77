//! What a Gate decides, as plain data and functions: no clock, no network, nothing of `worker`.

pub mod in_flight;
pub mod keys;
pub mod leased;
pub mod memory;
pub mod queue;
pub mod restart;
pub mod slow_start;
pub mod sold_out;
