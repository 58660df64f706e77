//! A model of a limited sale, and the real transactions held against it.
//!
//! `rules`, `refusals`, `payments`, `orders`, `changes`, `attempts`, `refunds`, `letters` and `shown` are the model: what the documents and
//! the contract (openapi.json) say, as a value that is copied, sharing nothing with the product. `generate` makes a history
//! from a seed; `check` gives its commands, one after the other and some of them at once, to the model and to the
//! transactions (`world`, over the connections of `session`), and compares every answer, and at the end every row of every
//! table (`tables`). `explain` finds the orders that explain the answers to a race; `unseen` what may have become of a
//! command whose answer nobody saw, and what a crash may have taken away. `forget` looks at what is left when the time of
//! all of it is over. tests/it/model runs it as it is; `soak` while everything breaks.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a model that contradicts itself has failed")]

mod attempts;
mod changes;
pub mod check;
mod command;
mod explain;
pub mod forget;
pub mod generate;
mod letters;
mod names;
mod orders;
mod payments;
mod refunds;
mod refusals;
mod rules;
mod session;
mod shown;
pub mod tables;
mod unseen;
mod world;

pub use command::{Amount, Ask, Command, HoldOf, Phase};
pub use explain::{Seen, State};
pub use names::Window;
pub use orders::Next;
pub use refusals::refusals;
pub use rules::Model;
pub use session::Session;
pub use unseen::Crash;
pub use world::{Answered, World};

/// One thread's, for one world.
///
/// # Panics
/// The machine has nothing left to make one of.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
