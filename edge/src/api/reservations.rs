//! What a buyer does with a hold: reserve it, change it, pay it without a gateway, release it.

pub mod before_gate;
pub mod change;
pub mod pay;
pub mod release;
pub mod reserve;
