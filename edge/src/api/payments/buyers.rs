//! Limits for gateway lookups that a signed-in buyer causes: coming back from paying, PortOne's confirm, an account for
//! a refund. A token is no proof that there is such a payment, so these have places of their own, few enough that a
//! signed message finds one, and one user only has a share of them.

use std::cell::RefCell;
use std::time::Duration;

use worker::Delay;

use crate::api::payments::unsigned::{self, Payments};
use crate::http::context::RequestContext;
use crate::http::problem::{Code, Problem};
use crate::runtime::clock;
use crate::runtime::limits::{
    BUYER_PLACE_WAIT_MS, GATEWAY_DEADLINE_MS, PLACE_POLL_MS, PLACE_WAIT_MS, PLACES_OF_BUYER_MAX,
};

thread_local! {
    static PLACES: RefCell<Places> = RefCell::default();
    static PAYMENTS: RefCell<Payments> = RefCell::default();
}

/// A place for a buyer's question, until it is dropped.
pub struct Place {
    user_id: String,
    end_ms: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        PLACES.with_borrow_mut(|places| places.leave(&self.user_id, self.end_ms));
    }
}

/// Waits until this buyer may have this payment looked up, and for a free slot: longer than an unsigned request,
/// because a buyer who has paid is waiting for this response.
///
/// # Errors
/// `rate_limited`: the user's other lookups are still running; `unavailable`: no slot became free in time.
pub async fn place(context: &RequestContext, user_id: &str, payment_id: &str) -> Result<Place, Problem> {
    // The key names the buyer, so another user's requests cannot use up this interval. No payment id has a line break.
    unsigned::turn_in(&PAYMENTS, &format!("{payment_id}\n{user_id}")).await?;
    let began_ms = clock::now_ms();
    loop {
        let now_ms = clock::now_ms();
        let end_ms = now_ms.saturating_add(GATEWAY_DEADLINE_MS);
        let most = context.config.buyers_at_once;
        let waited_ms = now_ms.saturating_sub(began_ms);
        match PLACES.with_borrow_mut(|places| places.enter(user_id, now_ms, end_ms, most)) {
            Entered::Yes => return Ok(Place { user_id: user_id.to_owned(), end_ms }),
            Entered::ShareInUse if waited_ms >= PLACE_WAIT_MS => return Err(share_in_use()),
            Entered::Full if waited_ms >= BUYER_PLACE_WAIT_MS => {
                return Err(Problem::unavailable().because("as many buyers' questions are asked as are allowed"));
            }
            Entered::ShareInUse | Entered::Full => Delay::from(Duration::from_millis(PLACE_POLL_MS)).await,
        }
    }
}

fn share_in_use() -> Problem {
    Problem::new(Code::RateLimited, "Wait as long as `Retry-After` says: your other payments are being asked about.")
        .header("Retry-After", "1")
        .header("RateLimit-Policy", format!("\"questions\";q={PLACES_OF_BUYER_MAX};w=1"))
        .header("RateLimit", "\"questions\";r=0;t=1")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entered {
    Yes,
    /// This user has as many as one may have.
    ShareInUse,
    Full,
}

/// The users with a slot, and each slot's latest end: a cancelled request never frees its own.
#[derive(Default)]
struct Places(Vec<(String, u64)>);

impl Places {
    fn enter(&mut self, user_id: &str, now_ms: u64, end_ms: u64, most: usize) -> Entered {
        self.0.retain(|(_, end)| *end > now_ms);
        if self.0.iter().filter(|(user, _)| user == user_id).count() >= PLACES_OF_BUYER_MAX {
            return Entered::ShareInUse;
        }
        if self.0.len() >= most {
            return Entered::Full;
        }
        self.0.push((user_id.to_owned(), end_ms));
        Entered::Yes
    }

    fn leave(&mut self, user_id: &str, end_ms: u64) {
        if let Some(place) = self.0.iter().position(|(user, end)| user == user_id && *end == end_ms) {
            self.0.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_gets_a_share_of_the_slots_and_leaves_the_rest_to_others() {
        let mut places = Places::default();
        let of_one: Vec<_> = (0..50).map(|_| places.enter("one", 0, 25_000, 4)).collect();
        assert_eq!(of_one.iter().filter(|entered| **entered == Entered::Yes).count(), PLACES_OF_BUYER_MAX);
        assert_eq!(of_one.last(), Some(&Entered::ShareInUse));
        assert_eq!(
            (places.enter("ann", 0, 25_000, 4), places.enter("bob", 0, 25_000, 4)),
            (Entered::Yes, Entered::Yes)
        );
        assert_eq!(places.enter("cho", 0, 25_000, 4), Entered::Full);
        places.leave("ann", 25_000);
        assert_eq!(places.enter("cho", 1, 25_001, 4), Entered::Yes);
    }

    #[test]
    fn a_cancelled_request_frees_its_slot_after_the_deadline() {
        let mut places = Places::default();
        assert!((0..PLACES_OF_BUYER_MAX).all(|_| places.enter("ann", 0, 25_000, 4) == Entered::Yes));
        assert_eq!(places.enter("ann", 24_999, 49_999, 4), Entered::ShareInUse);
        assert_eq!(places.enter("ann", 25_000, 50_000, 4), Entered::Yes);
    }
}
