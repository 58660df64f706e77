//! What is measured and what is broken under load: a drop, a soak, the benches, and the plan that is made of them.

pub mod bench;
mod percentile;
pub mod plan;
pub mod rush;
pub mod soak;
