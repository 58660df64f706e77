//! The responses that the buyers got, recorded as they come: the live view reads it, and the verdict stands on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::answer::Needed;
use super::arrivals::Buyer;

/// What one press of the button came to, after all its tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Press {
    /// Presses with the same number were sent under the same key.
    pub key: usize,
    pub told: PressResult,
    /// When its first try left; nothing: it never did.
    pub sent_us: Option<u64>,
    /// When its last try left: what the answer is about cannot be older.
    pub last_sent_us: u64,
    pub answered_us: u64,
    pub tries: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PressResult {
    /// 201. The body as it came, so that a replay can be held against it.
    Granted {
        hold_id: String,
        body: String,
        replayed: bool,
    },
    Refused {
        status: u16,
        code: String,
        hold_id: Option<String>,
    },
    /// It was given up without an answer that is one.
    Nothing,
}

/// What a winner did, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    NotGranted,
    Left,
    /// Between these two moments it came back.
    Released {
        asked_us: u64,
        answered_us: u64,
    },
    /// The gateway took the money, and the hold became this order.
    Ordered {
        payment_id: String,
        order_id: String,
    },
    /// The money was taken, and no order was seen before patience ran out.
    Unsettled {
        payment_id: String,
    },
    /// What went wrong, in a sentence.
    Failed(String),
}

/// All responses of one buyer.
#[derive(Clone, Debug)]
pub struct Story {
    pub buyer: Buyer,
    pub user_id: String,
    pub presses: Vec<Press>,
    pub after: After,
}

/// One answer to one try of `POST /v1/reservations`, or the lack of one.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    pub at_us: u64,
    /// Since the press was due, earlier tries included.
    pub waited_us: u64,
    /// An index into the names of codes.
    pub code: usize,
    pub needed: Needed,
}

pub const GRANTED: &str = "granted";
pub const NO_ANSWER: &str = "no answer";
/// A "sold out" for which no function was asked.
pub const SOLD_OUT_FROM_MEMORY: &str = "sold_out, no function";

#[derive(Default)]
pub struct Book {
    pub arrived: usize,
    pub stories: Vec<Story>,
    pub heard: Vec<Heard>,
    pub codes: Vec<String>,
    /// 5xx to anything, by what was asked and the code.
    pub server_errors: BTreeMap<String, u64>,
    /// Tries that got no answer, by the reason.
    pub silences: BTreeMap<String, u64>,
    /// Requests of every kind that the tool has sent.
    pub requests: u64,
    /// Grants that buyers got; a replay is not a second one.
    pub holds: u64,
    pub orders: u64,
    shown: usize,
}

impl Book {
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for heard in &self.heard {
            *counts.entry(self.name(heard).to_owned()).or_default() += 1;
        }
        counts
    }

    /// What an answer counts as.
    pub fn name(&self, heard: &Heard) -> &str {
        match self.codes[heard.code].as_str() {
            "sold_out" if heard.needed != Needed::Function => SOLD_OUT_FROM_MEMORY,
            code => code,
        }
    }

    /// How long those waited who were answered since this was last asked.
    pub fn lately_us(&mut self) -> Vec<u64> {
        let lately = self.heard.iter().skip(self.shown).map(|heard| heard.waited_us).collect();
        self.shown = self.heard.len();
        lately
    }

    fn code(&mut self, name: &str) -> usize {
        self.codes.iter().position(|known| known == name).unwrap_or_else(|| {
            self.codes.push(name.to_owned());
            self.codes.len() - 1
        })
    }
}

#[derive(Default)]
pub struct Tally(Mutex<Book>);

impl Tally {
    /// Nothing panics while it holds the lock.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn hear(&self, at_us: u64, waited_us: u64, name: &str, needed: Needed) {
        let mut book = self.book();
        let code = book.code(name);
        book.heard.push(Heard { at_us, waited_us, code, needed });
    }

    /// Every answer to anything, and every silence: `what` was asked.
    pub fn account(&self, what: &str, status: Result<u16, &str>) {
        let mut book = self.book();
        book.requests += 1;
        match status {
            Ok(status) if status >= 500 => *book.server_errors.entry(format!("{what}: {status}")).or_default() += 1,
            Ok(_) => {}
            Err(reason) => *book.silences.entry(format!("{what}: {reason}")).or_default() += 1,
        }
    }
}
