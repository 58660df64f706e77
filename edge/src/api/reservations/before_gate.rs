//! Before the Gate: what a reservation passes after its caller, its limits and its body have been checked, and before
//! its user's Gate is called. A waiting room belongs here: it sees the whole reservation, and whatever it refuses never
//! reaches the Gate's queue.

use protocol::reserve::Reservation;

use crate::http::context::RequestContext;
use crate::http::problem::Problem;

/// Admits a reservation to its Gate. Today nothing is refused here. A refusal is counted against the user, like a
/// request that is not in order.
///
/// # Errors
/// The refusal that the client gets in place of the Gate's answer.
pub async fn admit(_context: &RequestContext, _reservation: &Reservation) -> Result<(), Problem> {
    Ok(())
}
