//! One call of `reserve` that a Gate makes: whose requests it carries.

use std::rc::Rc;

use protocol::reserve::Reservation;

/// One call of `reserve`: whose requests it carries, in the order of the batch.
#[derive(Default)]
pub struct InFlightBatch {
    /// In the order of leaving.
    pub number: u64,
    pub sent_ms: u64,
    /// How long somebody on board waits for it.
    pub within_ms: u64,
    pub sale_id: String,
    pub users: Vec<Rc<str>>,
    pub reservations: Vec<Reservation>,
}
