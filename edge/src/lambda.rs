//! Calls of the functions by Lambda's Invoke API: signed, bounded in number and time, behind a circuit breaker.

mod address;
pub mod circuit_breaker;
pub mod concurrency;
pub mod invoke;
pub mod sigv4;
