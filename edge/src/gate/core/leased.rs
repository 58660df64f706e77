//! What a Gate has leased, and until when: so long nothing of it is granted to anybody whom a lease may refuse elsewhere.

use std::collections::HashMap;

use protocol::reserve::Reservation;
use protocol::shop::Line;

use crate::runtime::limits::{LEASE_PAUSE_MS, SOLD_OUT_KEEP_MS};

#[derive(Default)]
pub struct Leases {
    /// By sale and SKU.
    skus: HashMap<String, HashMap<String, Leased>>,
    /// A predecessor of this Gate may have leased anything until then.
    all_ms: u64,
    /// The latest time that was seen here.
    now_ms: u64,
}

/// Unix milliseconds.
#[derive(Default)]
struct Leased {
    end_ms: u64,
    /// Until then it is not leased again: a reservation waits for the end.
    paused_ms: u64,
    /// More than that nobody is granted.
    max_per_user: i64,
}

impl Leases {
    /// A clock that is set back by minutes must not hold anything back for as long: no lease lasts longer than a refusal is
    /// repeated.
    pub fn watch_clock(&mut self, now_ms: u64) {
        if now_ms < self.now_ms {
            let last_ms = now_ms.saturating_add(SOLD_OUT_KEEP_MS);
            self.all_ms = self.all_ms.min(last_ms);
            for leased in self.skus.values_mut().flat_map(HashMap::values_mut) {
                leased.end_ms = leased.end_ms.min(last_ms);
                leased.paused_ms = leased.paused_ms.min(last_ms);
            }
        }
        self.now_ms = now_ms;
    }

    pub fn of_predecessor(&mut self, until_ms: u64) {
        self.all_ms = self.all_ms.max(until_ms);
    }

    pub fn add(&mut self, sale_id: &str, sku_id: &str, max_per_user: i64, until_ms: u64) {
        let leased = self.skus.entry(sale_id.to_owned()).or_default().entry(sku_id.to_owned()).or_default();
        *leased = Leased { end_ms: until_ms.max(leased.end_ms), max_per_user, ..*leased };
    }

    fn of(&self, sale_id: &str, sku_id: &str) -> Option<&Leased> {
        self.skus.get(sale_id)?.get(sku_id)
    }

    /// When the last lease ends under which somebody may be refused what this reservation asks for. None: there is no
    /// such lease, or the reservation can be granted nothing, whatever is left.
    pub fn cover(&self, asked: &Reservation, now_ms: u64) -> Option<u64> {
        let too_many =
            |line: &Line| self.of(&asked.sale_id, &line.sku_id).is_some_and(|sku| line.qty > sku.max_per_user);
        if asked.items.iter().any(too_many) {
            return None;
        }
        let ends = asked.items.iter().filter_map(|line| Some(self.of(&asked.sale_id, &line.sku_id)?.end_ms));
        ends.chain([self.all_ms]).max().filter(|end_ms| now_ms < *end_ms)
    }

    /// A reservation waits for the end of these leases: its SKUs are not leased again until it has had time to leave. Else
    /// leases that end at different times could keep it waiting for ever.
    pub fn pause(&mut self, asked: &Reservation, now_ms: u64) {
        let Some(end_ms) = self.cover(asked, now_ms) else { return };
        let sale = self.skus.entry(asked.sale_id.clone()).or_default();
        for line in &asked.items {
            let first = || Leased { max_per_user: i64::MAX, ..Leased::default() };
            let leased = sale.entry(line.sku_id.clone()).or_insert_with(first);
            leased.paused_ms = end_ms.saturating_add(LEASE_PAUSE_MS).max(leased.paused_ms);
        }
    }

    pub fn is_paused(&self, sale_id: &str, sku_id: &str, now_ms: u64) -> bool {
        self.of(sale_id, sku_id).is_some_and(|leased| now_ms < leased.paused_ms)
    }

    /// When the next one ends. What has ended is dropped.
    pub fn next_end(&mut self, now_ms: u64) -> Option<u64> {
        for skus in self.skus.values_mut() {
            skus.retain(|_, leased| now_ms < leased.end_ms || now_ms < leased.paused_ms);
        }
        self.skus.retain(|_, skus| !skus.is_empty());
        let ends = self.skus.values().flat_map(HashMap::values).map(|leased| leased.end_ms);
        ends.chain([self.all_ms]).filter(|end_ms| now_ms < *end_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{lines, reservation};

    const SALE: &str = "spring-drop";

    fn of(skus: &[&str]) -> Reservation {
        Reservation { items: lines(skus), ..reservation("ann", "k", "fp") }
    }

    #[test]
    fn a_sku_is_covered_until_its_lease_ends_and_others_never() {
        let mut leases = Leases::default();
        leases.add(SALE, "a", 1, 1_500);
        leases.add(SALE, "a", 1, 1_200);
        leases.add("another", "b", 1, 9_000);
        assert_eq!(
            (leases.cover(&of(&["a"]), 1_499), leases.cover(&of(&["b", "a"]), 1_499)),
            (Some(1_500), Some(1_500))
        );
        assert_eq!((leases.cover(&of(&["b"]), 1_499), leases.cover(&of(&["a"]), 1_500)), (None, None));
        assert_eq!((leases.next_end(1_499), leases.next_end(1_500)), (Some(1_500), Some(9_000)));
        assert_eq!(leases.next_end(9_000), None);
    }

    #[test]
    fn a_predecessors_leases_cover_everything() {
        let mut leases = Leases::default();
        leases.of_predecessor(2_000);
        assert_eq!((leases.cover(&of(&["a"]), 1_999), leases.cover(&of(&["a"]), 2_000)), (Some(2_000), None));
        assert_eq!((leases.next_end(1_999), leases.next_end(2_000)), (Some(2_000), None));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_back_for_longer() {
        let mut leases = Leases::default();
        leases.of_predecessor(600_000);
        leases.watch_clock(600_000);
        leases.add(SALE, "a", 1, 600_500);
        leases.pause(&of(&["a"]), 600_000);
        leases.watch_clock(1_000);
        let last_ms = 1_000 + SOLD_OUT_KEEP_MS;
        assert_eq!(leases.cover(&of(&["a", "b"]), last_ms - 1), Some(last_ms), "real time may have stood still");
        assert_eq!((leases.cover(&of(&["a", "b"]), last_ms), leases.is_paused(SALE, "a", last_ms)), (None, false));
    }

    #[test]
    fn a_reservation_that_can_be_granted_nothing_waits_for_no_lease() {
        let mut leases = Leases::default();
        leases.add(SALE, "a", 1, 1_500);
        let mut two = of(&["a", "b"]);
        two.items[0].qty = 2;
        assert_eq!(leases.cover(&two, 1_000), None);
    }

    #[test]
    fn what_a_reservation_waits_for_is_not_leased_again_before_it_could_leave() {
        let mut leases = Leases::default();
        leases.add(SALE, "a", 1, 1_500);
        leases.add(SALE, "b", 1, 1_800);
        leases.pause(&of(&["a", "c"]), 1_000);
        let paused = |leases: &Leases, now_ms| ["a", "b", "c"].map(|sku| leases.is_paused(SALE, sku, now_ms));
        assert_eq!(paused(&leases, 1_499 + LEASE_PAUSE_MS), [true, false, true]);
        assert_eq!(paused(&leases, 1_500 + LEASE_PAUSE_MS), [false; 3]);
        assert_eq!(leases.next_end(1_500), Some(1_800));
        assert!(leases.is_paused(SALE, "a", 1_500), "also when its lease has ended");
        leases.pause(&of(&["d"]), 1_500);
        assert!(!leases.is_paused(SALE, "d", 1_500), "it waits for nothing");
    }
}
