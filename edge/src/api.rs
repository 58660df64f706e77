//! The handlers of the API: each reads its request, calls one function, and maps the outcome to HTTP.

pub mod admin;
pub mod cursor;
pub mod description;
pub mod health;
pub mod lists;
pub mod lookup;
pub mod orders;
pub mod payments;
pub mod rankings;
pub mod reservations;
pub mod sales;
