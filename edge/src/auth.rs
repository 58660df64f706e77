//! Who is calling, and how much a caller, a user or an address may ask.

pub mod address_limit;
pub mod dev_session;
pub mod operator;
pub mod session;
pub mod user_limit;
