//! An operator's commands: their values are checked here, then each is one call of one SQL routine.

mod dead_letters;
pub mod deliveries;
#[cfg(test)]
mod fuzz;
pub mod new_sale;
pub mod request;
pub mod settings;
mod subscriptions;
