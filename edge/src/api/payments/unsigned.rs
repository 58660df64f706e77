//! Limits for unsigned messages: any client may send one, and each causes a gateway lookup. They have call slots of
//! their own, so that they never take those of signed messages, and a payment is looked up at most once in
//! `HINT_EVERY_MS`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::thread::LocalKey;
use std::time::Duration;

use worker::Delay;

use crate::http::context::RequestContext;
use crate::http::problem::{Code, Problem};
use crate::lambda::concurrency::ConcurrencyLimit;
use crate::runtime::clock;
use crate::runtime::limits::{
    GATEWAY_DEADLINE_MS, HINT_EVERY_MS, HINT_WAIT_MS, HINTED_MAX, PLACE_POLL_MS, PLACE_WAIT_MS,
};

thread_local! {
    static SLOTS: RefCell<ConcurrencyLimit> = RefCell::default();
    static PAYMENTS: RefCell<Payments> = RefCell::default();
}

/// A slot for an unsigned message, until it is dropped.
pub struct Slot {
    end_ms: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        SLOTS.with_borrow_mut(|slots| slots.leave(self.end_ms));
    }
}

/// Waits until this payment may be looked up again.
///
/// # Errors
/// `rate_limited`: too many wait for this payment.
pub async fn turn(payment_id: &str) -> Result<(), Problem> {
    turn_in(&PAYMENTS, payment_id).await
}

/// The same, counted in `payments` under `key`.
///
/// # Errors
/// As for [`turn`].
pub async fn turn_in(payments: &'static LocalKey<RefCell<Payments>>, key: &str) -> Result<(), Problem> {
    let now_ms = clock::now_ms();
    let turn_ms = payments.with_borrow_mut(|payments| payments.turn(key, now_ms));
    let turn_ms = turn_ms.ok_or_else(|| {
        Problem::new(Code::RateLimited, "Wait as long as `Retry-After` says: this payment is being asked about.")
            .header("Retry-After", HINT_WAIT_MS.div_ceil(1_000).to_string())
            .header("RateLimit-Policy", "\"payment\";q=1;w=1")
            .header("RateLimit", "\"payment\";r=0;t=2")
    })?;
    let wait_ms = turn_ms.saturating_sub(now_ms);
    if wait_ms > 0 {
        Delay::from(Duration::from_millis(wait_ms)).await;
    }
    Ok(())
}

/// Waits for a free slot.
///
/// # Errors
/// `unavailable`: no slot became free in time; the message should be sent again.
pub async fn slot(context: &RequestContext) -> Result<Slot, Problem> {
    for _ in 0..=PLACE_WAIT_MS / PLACE_POLL_MS {
        let now_ms = clock::now_ms();
        let end_ms = now_ms.saturating_add(GATEWAY_DEADLINE_MS);
        if SLOTS.with_borrow_mut(|slots| slots.enter(now_ms, end_ms, context.config.unsigned_at_once)) {
            return Ok(Slot { end_ms });
        }
        Delay::from(Duration::from_millis(PLACE_POLL_MS)).await;
    }
    Err(Problem::unavailable().because("as many unsigned messages are looked into as are allowed"))
}

/// When each payment was looked up last, or will be.
#[derive(Default)]
pub struct Payments(HashMap<String, u64>);

impl Payments {
    /// When this payment may be looked up. None: too many wait for it.
    fn turn(&mut self, payment_id: &str, now_ms: u64) -> Option<u64> {
        if self.0.len() >= HINTED_MAX {
            self.make_room(now_ms);
        }
        // A clock that is set back makes no caller wait longer.
        let last = self.0.get(payment_id).filter(|last| **last <= now_ms.saturating_add(HINT_WAIT_MS));
        let turn_ms = last.map_or(now_ms, |last| last.saturating_add(HINT_EVERY_MS).max(now_ms));
        if turn_ms > now_ms.saturating_add(HINT_WAIT_MS) {
            return None;
        }
        self.0.insert(payment_id.to_owned(), turn_ms);
        Some(turn_ms)
    }

    /// Ids come from unauthenticated requests: expired ones are dropped, and if that is not enough, all.
    fn make_room(&mut self, now_ms: u64) {
        self.0.retain(|_, last| last.abs_diff(now_ms) < HINT_EVERY_MS);
        if self.0.len() >= HINTED_MAX {
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_of_one_payment_are_spaced_and_few_requests_wait_for_one() {
        let mut payments = Payments::default();
        let turns: Vec<_> = (0..5).map(|_| payments.turn("a", 10_000)).collect();
        assert_eq!(turns, [Some(10_000), Some(11_000), Some(12_000), None, None]);
        assert_eq!(payments.turn("b", 10_000), Some(10_000));
        assert_eq!((payments.turn("a", 11_500), payments.turn("a", 20_000)), (Some(13_000), Some(20_000)));
    }

    #[test]
    fn a_clock_set_back_delays_no_lookup() {
        let mut payments = Payments::default();
        payments.turn("a", 600_000);
        assert_eq!(payments.turn("a", 1_000), Some(1_000));
    }

    #[test]
    fn ids_of_unsigned_requests_do_not_fill_the_memory() {
        let mut payments = Payments::default();
        for id in 0..3 * HINTED_MAX {
            payments.turn(&id.to_string(), 0);
        }
        assert!(payments.0.len() <= HINTED_MAX);
    }
}
