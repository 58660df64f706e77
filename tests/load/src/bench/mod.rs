//! `cargo dev bench`: ratios in one run, every row on the same server and every row durable.
//!
//! `server` is the Postgres they run on, `place` a database of it, `variant` the ways of reserving, `call` makes one
//! call of one of them, `load` has many clients make them. `t1` is the table of the ways; `t2`, `t3`, `growth`,
//! `arrivals`, `plans` and `crash` are one part of the bench each; `edge` is the bench of the edge, on a stack of its own; `target`, `table`, `plot` and `report` say what was found.

pub mod arrivals;
pub mod ask;
pub mod call;
pub mod crash;
pub mod edge;
pub mod growth;
pub mod load;
pub mod place;
pub mod plans;
pub mod plot;
pub mod report;
pub mod server;
pub mod t1;
pub mod t2;
pub mod t3;
pub mod table;
pub mod target;
pub mod variant;
