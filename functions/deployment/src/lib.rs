//! One table of what is deployed: each function with its timeout, memory, concurrency, schedule, retries, environment, role
//! and rights, and what the Worker is given. `table` and `edge` are the table; the other modules are made from it: the
//! template of the functions, the policies, the tables of the documents, and the checks of what is configured elsewhere.
//!
//! Nothing here has a network. The deadlines in the code are asserted against the table where they stand:
//! functions/src/runtime/limits.rs and edge/src/runtime/limits.rs.

pub mod checks;
pub mod documents;
pub mod edge;
pub mod environment;
pub mod function;
pub mod policies;
pub mod table;
pub mod template;

#[cfg(test)]
mod tests;

pub use table::{FUNCTIONS, NAMES, function};
