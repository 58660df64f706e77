//! Payments through a gateway: opening its page, its webhooks, and the buyer's return.

pub mod buyers;
pub mod confirm;
pub mod open;
pub mod returns;
pub mod unsigned;
