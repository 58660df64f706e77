//! Before the Gate: what a reservation passes after its caller, its limits and its body have been checked, and before
//! its user's Gate is called. A waiting room belongs here: it sees the whole reservation, and whatever it refuses never
//! reaches the Gate's queue.

use std::time::Duration;

use protocol::reserve::Reservation;
use protocol::shop::Line;
use worker::Delay;

use crate::gate::answer::{leased, limited, limits};
use crate::gate::leases::{self, Turn};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::http::response::Response;
use crate::runtime::clock;
use crate::runtime::config::Config;
use crate::runtime::limits::{LEASE_POLL_MS, LEASE_WAIT_MS};
use crate::runtime::user_hash::shard_of;

/// What a lease of the user's Gate says of a reservation.
pub enum Leased {
    /// It gets nothing. This took a token of the user's, as at the Gate.
    Refused(Response),
    /// It goes to the Gate. `for_a_lease`: a refusal is to come with a lease.
    Asks { for_a_lease: bool },
}

/// Refuses a reservation under a lease, if there is one. Where one has just ended, another reservation of this isolate asks
/// for the next, and this one waits for it for a moment.
pub async fn under_lease(config: &Config, user_id: &str, user: u64, sale_id: &str, items: &[&Line]) -> Leased {
    let shard = shard_of(user, config.gate_shards);
    let mut waited_ms = 0;
    loop {
        let now_ms = clock::now_ms();
        let waits = waited_ms < LEASE_WAIT_MS;
        match leases::with(|leases| leases.turn(shard, user, sale_id, items, waits, now_ms)) {
            Turn::Refused(refusal) => {
                let charge = leases::charge(config, user_id, now_ms);
                let response = if charge.admitted { leased(refusal) } else { limited(charge).into() };
                return Leased::Refused(limits(response, charge, config));
            }
            Turn::Asks { for_a_lease } => return Leased::Asks { for_a_lease },
            Turn::Waits => {
                waited_ms = waited_ms.saturating_add(LEASE_POLL_MS);
                Delay::from(Duration::from_millis(LEASE_POLL_MS)).await;
            }
        }
    }
}

/// Admits a reservation to its Gate. Today nothing is refused here. A refusal is counted against the user, like a
/// request that is not in order.
///
/// # Errors
/// The refusal that the client gets in place of the Gate's answer.
pub async fn admit(_context: &RequestContext, _reservation: &Reservation) -> Result<(), Problem> {
    Ok(())
}
