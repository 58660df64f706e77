//! Before the Gate: what a reservation passes after its caller, its limits and its body have been checked, and before
//! its user's Gate is called. A waiting room belongs here: it sees the whole reservation, and whatever it refuses never
//! reaches the Gate's queue.

use protocol::reserve::Reservation;
use protocol::shop::Line;

use crate::gate::answer::{leased, limited, limits};
use crate::gate::lease;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::http::response::Response;
use crate::runtime::clock;
use crate::runtime::config::Config;
use crate::runtime::user_hash::shard_of;

/// The refusal, if a lease of the user's Gate says that the reservation gets nothing. It takes a token of the user's, as at
/// the Gate.
pub fn refused_under_lease(
    config: &Config,
    user_id: &str,
    user: u64,
    sale_id: &str,
    items: &[&Line],
) -> Option<Response> {
    let now_ms = clock::now_ms();
    let shard = shard_of(user, config.gate_shards);
    let refusal = lease::with(|leases| leases.refusal(shard, user, sale_id, items, now_ms))?;
    let charge = lease::charge(config, user_id, now_ms);
    let response = if charge.admitted { leased(refusal) } else { limited(charge).into() };
    Some(limits(response, charge, config))
}

/// Admits a reservation to its Gate. Today nothing is refused here. A refusal is counted against the user, like a
/// request that is not in order.
///
/// # Errors
/// The refusal that the client gets in place of the Gate's answer.
pub async fn admit(_context: &RequestContext, _reservation: &Reservation) -> Result<(), Problem> {
    Ok(())
}
