//! Slow start after "sold out": a Gate lets two reservations for the SKU through, and twice as many on every grant. One
//! returned piece needs one buyer; all others are refused by what that call finds.

use std::collections::HashMap;

use protocol::reserve::{BATCH_MAX, Reservation, ReserveOutcome};

use crate::runtime::limits::{SLOW_START_FIRST, SLOW_START_SKUS_MAX};

/// Reservations that one batch may carry, by sale and SKU. A SKU that is not listed has no such limit.
#[derive(Default)]
pub struct SlowStart(HashMap<String, HashMap<String, usize>>);

/// Reservations in the batch that is being filled, by SKU.
#[derive(Default)]
pub struct BatchContents(HashMap<String, usize>);

impl BatchContents {
    pub fn add(&mut self, asked: &Reservation) {
        for line in &asked.items {
            let count = self.0.entry(line.sku_id.clone()).or_default();
            *count = count.saturating_add(1);
        }
    }
}

impl SlowStart {
    pub fn admits(&self, asked: &Reservation, contents: &BatchContents) -> bool {
        let Some(skus) = self.0.get(&asked.sale_id) else { return true };
        let has_room = |sku_id: &String| {
            let taken = contents.0.get(sku_id).copied().unwrap_or_default();
            skus.get(sku_id).is_none_or(|room| taken < *room)
        };
        asked.items.iter().all(|line| has_room(&line.sku_id))
    }

    pub fn learn(&mut self, sale_id: &str, outcomes: &[ReserveOutcome]) {
        for outcome in outcomes {
            match outcome {
                ReserveOutcome::SoldOut { sku_id, available: 0, .. } => self.begin(sale_id, sku_id),
                ReserveOutcome::Granted { hold, replayed: false } => {
                    let Some(skus) = self.0.get_mut(sale_id) else { continue };
                    for line in &hold.items {
                        if let Some(room) = skus.get_mut(&line.sku_id) {
                            *room = room.saturating_mul(2);
                        }
                    }
                    skus.retain(|_, room| *room < BATCH_MAX);
                }
                _ => {}
            }
        }
    }

    fn begin(&mut self, sale_id: &str, sku_id: &str) {
        if self.0.values().map(HashMap::len).sum::<usize>() >= SLOW_START_SKUS_MAX {
            // Forgetting all costs a few calls that are refused.
            self.0.clear();
        }
        self.0.entry(sale_id.to_owned()).or_default().insert(sku_id.to_owned(), SLOW_START_FIRST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{hold, lines, reservation};
    use protocol::shop::{Hold, PricedLine};

    const SALE: &str = "spring-drop";

    fn sold_out(available: i64) -> ReserveOutcome {
        ReserveOutcome::SoldOut { sku_id: "a".to_owned(), available, max_per_user: 1, for_ms: 0 }
    }

    /// How many of a crowd get into one batch.
    fn admitted(slow_start: &SlowStart) -> usize {
        let mut contents = BatchContents::default();
        let crowd = (0..BATCH_MAX)
            .map(|buyer| Reservation { items: lines(&["a"]), ..reservation(&buyer.to_string(), "k", "fp") });
        let admitted = crowd.filter(|asked| {
            let admits = slow_start.admits(asked, &contents);
            admits.then(|| contents.add(asked));
            admits
        });
        admitted.count()
    }

    #[test]
    fn after_sold_out_a_few_requests_are_sent_and_twice_as_many_after_grants() {
        let mut slow_start = SlowStart::default();
        assert_eq!(admitted(&slow_start), BATCH_MAX);
        slow_start.learn(SALE, &[sold_out(0)]);
        assert_eq!(admitted(&slow_start), SLOW_START_FIRST);
        let granted = || {
            let items = vec![PricedLine { sku_id: "a".to_owned(), qty: 1, unit_price: 0 }];
            ReserveOutcome::Granted { hold: Hold { items, ..hold("h") }, replayed: false }
        };
        slow_start.learn(SALE, &[granted()]);
        assert_eq!(admitted(&slow_start), SLOW_START_FIRST * 2);
        slow_start.learn(SALE, &[granted(), sold_out(0)]);
        assert_eq!(admitted(&slow_start), SLOW_START_FIRST);
        slow_start.learn(SALE, &std::array::from_fn::<_, 8, _>(|_| granted()));
        assert_eq!(admitted(&slow_start), BATCH_MAX);
    }

    #[test]
    fn skus_that_are_still_granted_and_other_sales_are_not_held_back() {
        let mut slow_start = SlowStart::default();
        slow_start.learn("another", &[sold_out(0)]);
        slow_start.learn(SALE, &[sold_out(1)]);
        let other = ReserveOutcome::SoldOut { sku_id: "b".to_owned(), available: 0, max_per_user: 1, for_ms: 0 };
        slow_start.learn(SALE, &[other]);
        assert_eq!(admitted(&slow_start), BATCH_MAX);
    }

    #[test]
    fn slow_starts_are_bounded() {
        let mut slow_start = SlowStart::default();
        for sku in 0..=SLOW_START_SKUS_MAX {
            slow_start.begin("sale", &sku.to_string());
        }
        assert_eq!(slow_start.0.values().map(HashMap::len).sum::<usize>(), 1);
    }
}
