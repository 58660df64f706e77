//! What the clients of one storm did, and the responses they got: recorded when they come, judged when it is calm.

use std::collections::HashMap;

use uuid::Uuid;

use super::players::Played;

/// Microseconds of Unix time, by the one clock that all parts but the functions and the Worker have.
pub type Us = i64;

/// A line of a cart: which of a sale's SKUs, and how many.
pub type Line = (usize, i64);

/// How a reservation was asked for: at the shop, or of the function, in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    Shop,
    Batch,
}

/// One key with one cart: asked as often as it took, until there was an answer that is one.
#[derive(Clone, Debug)]
pub struct ReserveCall {
    pub way: EntryPoint,
    pub user: usize,
    pub key: u32,
    pub sale: usize,
    pub lines: Vec<Line>,
    /// When the question left that was answered, and when its answer was there.
    pub last_us: Us,
    pub answered_us: Us,
    /// Earlier requests whose outcome is unknown: no response, or 503.
    pub unknown: u32,
    pub told: ReserveResult,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReserveResult {
    Granted { hold: Uuid },
    SoldOut { sku: String },
    AlreadyHolding { hold: Uuid },
    LimitReached { sku: String },
    NotOpen,
    Reused,
}

/// A request about an existing hold, and its response.
#[derive(Clone, Debug)]
pub struct HoldCall {
    pub hold: Uuid,
    pub asked_us: Us,
    pub answered_us: Us,
    pub answer: HoldResult,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldResult {
    Released,
    /// It cannot be released: this is its status.
    NotActive(String),
    /// It was read.
    Seen {
        status: String,
        order: Option<Uuid>,
    },
}

/// What the gateway was asked to take.
#[derive(Clone, Debug)]
pub struct Charged {
    pub payment: String,
    pub hold: Uuid,
    pub user: String,
    pub amount: i64,
    pub currency: String,
}

/// What the operator did to stock: `done` is the total and what was available then; none: refused as sold out.
#[derive(Clone, Debug)]
pub struct Adjusted {
    pub key: String,
    pub delta: i64,
    pub unknown: u32,
    pub done: Option<(i64, i64)>,
}

/// From the request for a pause to the response that the sale is open again.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    pub sale: usize,
    pub asked_us: Us,
    pub paused_us: Us,
    pub opening_us: Us,
    pub open_us: Us,
    /// Every question was answered: none of them can still be on its way.
    pub sure: bool,
}

#[derive(Debug, Default)]
pub struct Log {
    pub asked: Vec<ReserveCall>,
    pub said: Vec<HoldCall>,
    pub charged: Vec<Charged>,
    pub adjusted: Vec<Adjusted>,
    pub pauses: Vec<Pause>,
    /// Reports that an operator read, and those of them whose sums did not agree.
    pub reports: u64,
    /// Responses that no client may get, whatever the database says.
    pub impossible: Vec<String>,
    pub played: Played,
    /// Answers by what they were.
    pub answers: HashMap<String, u64>,
    /// Questions, each try one.
    pub tries: u64,
}

impl Log {
    /// So many questions were answered so.
    pub fn answered(&mut self, name: &str, times: u64) {
        self.tries += times;
        match self.answers.get_mut(name) {
            Some(count) => *count += times,
            None => drop(self.answers.insert(name.to_owned(), times)),
        }
    }
}
