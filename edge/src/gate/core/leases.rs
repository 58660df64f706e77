//! What a Gate has leased, and until when: so long nothing of it is granted to anybody whom a lease may refuse elsewhere.

use std::collections::HashMap;

use protocol::reserve::Reservation;

#[derive(Default)]
pub struct Leases {
    sales: HashMap<String, Ends>,
    /// A predecessor of this Gate may have leased anything until then.
    all_ms: u64,
}

/// Unix milliseconds.
#[derive(Default)]
struct Ends {
    sale_ms: u64,
    skus: HashMap<String, u64>,
}

impl Leases {
    pub fn of_predecessor(&mut self, until_ms: u64) {
        self.all_ms = self.all_ms.max(until_ms);
    }

    pub fn sale(&mut self, sale_id: &str, until_ms: u64) {
        let ends = self.sales.entry(sale_id.to_owned()).or_default();
        ends.sale_ms = ends.sale_ms.max(until_ms);
    }

    pub fn sku(&mut self, sale_id: &str, sku_id: &str, until_ms: u64) {
        let end = self.sales.entry(sale_id.to_owned()).or_default().skus.entry(sku_id.to_owned()).or_default();
        *end = until_ms.max(*end);
    }

    /// Whether somebody may be refused under a lease what this reservation asks for.
    pub fn cover(&self, asked: &Reservation, now_ms: u64) -> bool {
        let leased = |ends: &Ends| {
            let sku = |sku_id: &String| ends.skus.get(sku_id).is_some_and(|end_ms| now_ms < *end_ms);
            now_ms < ends.sale_ms || asked.items.iter().any(|line| sku(&line.sku_id))
        };
        now_ms < self.all_ms || self.sales.get(&asked.sale_id).is_some_and(leased)
    }

    /// When the last one ends. None: there is none any more, and the list is empty.
    pub fn last_end(&mut self, now_ms: u64) -> Option<u64> {
        for ends in self.sales.values_mut() {
            ends.skus.retain(|_, end_ms| now_ms < *end_ms);
        }
        self.sales.retain(|_, ends| now_ms < ends.sale_ms || !ends.skus.is_empty());
        let last = |ends: &Ends| ends.skus.values().copied().max().unwrap_or_default().max(ends.sale_ms);
        self.sales.values().map(last).chain([self.all_ms]).max().filter(|end_ms| now_ms < *end_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{lines, reservation};

    fn of(skus: &[&str]) -> Reservation {
        Reservation { items: lines(skus), ..reservation("ann", "k", "fp") }
    }

    #[test]
    fn a_sku_is_covered_until_its_lease_ends_and_others_never() {
        let mut leases = Leases::default();
        leases.sku("spring-drop", "a", 1_500);
        leases.sku("spring-drop", "a", 1_200);
        leases.sku("another", "b", 9_000);
        assert!(leases.cover(&of(&["a"]), 1_499) && leases.cover(&of(&["b", "a"]), 1_499));
        assert!(!leases.cover(&of(&["b"]), 1_499) && !leases.cover(&of(&["a"]), 1_500));
        assert_eq!((leases.last_end(1_500), leases.last_end(9_000)), (Some(9_000), None));
    }

    #[test]
    fn a_sale_and_a_predecessor_cover_everything() {
        let mut leases = Leases::default();
        leases.sale("spring-drop", 1_500);
        assert!(leases.cover(&of(&["a"]), 1_499) && !leases.cover(&of(&["a"]), 1_500));
        leases.of_predecessor(2_000);
        assert!(leases.cover(&of(&["a"]), 1_999) && !leases.cover(&of(&["a"]), 2_000));
        assert_eq!(leases.last_end(1_999), Some(2_000));
    }
}
