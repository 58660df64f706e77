//! `cargo dev bench`: ratios in one run, every row on the same database and every row durable.
//!
//! `server` is the Postgres they run on, `variant` the ways of reserving, `call` makes one call of one of them, `load`
//! has many clients make them; `t1` is the table of the ways, and the other files are one part of the bench each.

pub mod ask;
pub mod call;
pub mod load;
pub mod server;
pub mod t1;
pub mod table;
pub mod variant;
