//! Invalidates what the Gates remember of a sale when its stock comes back, or when it opens or closes. The request
//! that did it is answered afterwards, so that the next buyer gets what is there. A Gate that cannot be reached stops
//! repeating "sold out" by itself within a second.
//!
//! Invalidations are coalesced: one round covers every sale that was changed since the round before, at most one each
//! `FORGET_EVERY_MS`, so that many releases at once cost each Gate a few messages a second.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use worker::Delay;

use crate::gate::client::send;
use crate::gate::leases;
use crate::gate::message::Ask;
use crate::http::context::RequestContext;
use crate::runtime::clock;
use crate::runtime::limits::{FORGET_DEADLINE_MS, FORGET_EVERY_MS, FORGET_POLL_MS};

thread_local! {
    static CALLS: RefCell<Calls> = RefCell::default();
}

/// The rounds of this isolate, and the sales of the next one.
#[derive(Default)]
struct Calls {
    sales: BTreeSet<String>,
    /// The number of the next round.
    next: u64,
    left_ms: u64,
    /// Rounds that are over.
    over: BTreeSet<u64>,
}

#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// The caller runs the round, for these sales.
    Go(Vec<String>),
    Wait,
    Over,
}

impl Calls {
    /// The round that will cover this sale.
    fn join(&mut self, sale_id: &str) -> u64 {
        self.sales.insert(sale_id.to_owned());
        self.next
    }

    fn turn(&mut self, number: u64, now_ms: u64) -> Turn {
        if number < self.next {
            return if self.over.contains(&number) { Turn::Over } else { Turn::Wait };
        }
        // A clock that is set back makes no caller wait longer.
        if (self.left_ms..self.left_ms.saturating_add(FORGET_EVERY_MS)).contains(&now_ms) {
            return Turn::Wait;
        }
        self.left_ms = now_ms;
        self.next = self.next.saturating_add(1);
        Turn::Go(std::mem::take(&mut self.sales).into_iter().collect())
    }

    fn end(&mut self, number: u64) {
        self.over.insert(number);
        // No caller waits for older rounds.
        self.over = self.over.split_off(&number.saturating_sub(100));
    }
}

/// Invalidates a sale at every Gate, and returns when that is done. Callers poll, because a Worker's request cannot
/// wake another.
pub async fn forget(context: &RequestContext, sale_id: &str) {
    // Now and once the Gates have done the same: until then one of them could lease it again.
    let forget_lease = || leases::with(|leases| leases.forget(sale_id, clock::now_ms()));
    forget_lease();
    let number = CALLS.with_borrow_mut(|calls| calls.join(sale_id));
    for _ in 0..=(FORGET_EVERY_MS + FORGET_DEADLINE_MS) / FORGET_POLL_MS {
        match CALLS.with_borrow_mut(|calls| calls.turn(number, clock::now_ms())) {
            Turn::Over => return forget_lease(),
            Turn::Wait => Delay::from(Duration::from_millis(FORGET_POLL_MS)).await,
            Turn::Go(sale_ids) => {
                send_to_all(context, sale_ids).await;
                forget_lease();
                return CALLS.with_borrow_mut(|calls| calls.end(number));
            }
        }
    }
}

async fn send_to_all(context: &RequestContext, sale_ids: Vec<String>) {
    let ask = Ask::Forget { sale_ids: sale_ids.iter().map(String::as_str).collect() };
    let sent = (0..context.config.gate_shards).map(|shard| send(&context.env, shard, &ask, None, FORGET_DEADLINE_MS));
    for problem in join_all(sent).await.into_iter().filter_map(Result::err) {
        let (failure, request_id) = (format!("{problem:?}"), &context.trace.request_id);
        worker::console_error!("{}", serde_json::json!({"forget": failure, "request_id": request_id}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_is_sent_at_once_and_later_ones_are_combined() {
        let mut calls = Calls::default();
        let first = calls.join("a");
        assert_eq!(calls.turn(first, 1_000), Turn::Go(vec!["a".to_owned()]));
        let later: Vec<u64> = ["b", "a", "b"].iter().map(|sale| calls.join(sale)).collect();
        assert!(later.iter().all(|number| calls.turn(*number, 999 + FORGET_EVERY_MS) == Turn::Wait));
        assert_eq!(calls.turn(later[1], 1_000 + FORGET_EVERY_MS), Turn::Go(vec!["a".to_owned(), "b".to_owned()]));
        // The others wait until that call is over, and not for the one before it.
        calls.end(first);
        assert_eq!(calls.turn(later[0], 1_001 + FORGET_EVERY_MS), Turn::Wait);
        calls.end(later[1]);
        assert!(later.iter().all(|number| calls.turn(*number, 1_002 + FORGET_EVERY_MS) == Turn::Over));
    }

    #[test]
    fn a_change_during_a_call_is_sent_with_the_next_message() {
        let mut calls = Calls::default();
        let first = calls.join("a");
        calls.turn(first, 1_000);
        let second = calls.join("a");
        assert_ne!(first, second);
        assert_eq!(calls.turn(second, 1_000 + FORGET_EVERY_MS), Turn::Go(vec!["a".to_owned()]));
    }

    #[test]
    fn a_clock_set_back_delays_no_message() {
        let mut calls = Calls::default();
        let first = calls.join("a");
        calls.turn(first, 600_000);
        let second = calls.join("a");
        assert!(matches!(calls.turn(second, 1_000), Turn::Go(_)));
    }
}
