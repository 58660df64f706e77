//! A batch that a Gate has sent to `reserve`.

use std::rc::Rc;

use protocol::reserve::{Batch, Reservation};

/// One call of `reserve`, with its users in the order of the batch.
#[derive(Default)]
pub struct InFlightBatch {
    /// Batches are numbered in the order in which they leave.
    pub number: u64,
    pub sent_ms: u64,
    /// How long at least one of its clients will still wait.
    pub within_ms: u64,
    pub sale_id: String,
    pub users: Vec<Rc<str>>,
    /// Their hashes, in the same order.
    pub hashes: Vec<u64>,
    pub reservations: Vec<Reservation>,
}

impl InFlightBatch {
    /// What `reserve` gets: the reservations as they came.
    pub fn payload(&self) -> String {
        Batch::json_of(&self.reservations, self.sent_ms, self.within_ms)
    }
}
