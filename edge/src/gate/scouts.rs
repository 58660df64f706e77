//! How many a Gate sends for a SKU that was sold out, once that may be over: a few first, twice as many each time some of
//! them get something. A piece that comes back needs one buyer; the crowd behind them is told by what they were told.

use std::collections::HashMap;

use protocol::reserve::{BATCH_MAX, Reservation, ReserveOutcome};

use crate::bounds::{SCOUTED_MAX, SCOUTS};

/// Reservations for a SKU that one flight may carry. Of others, as many as there is room for.
#[derive(Default)]
pub struct Scouts(HashMap<String, HashMap<String, usize>>);

/// Who is on a flight that is being loaded, by SKU.
#[derive(Default)]
pub struct Aboard(HashMap<String, usize>);

impl Aboard {
    pub fn board(&mut self, asked: &Reservation) {
        for line in &asked.items {
            let count = self.0.entry(line.sku_id.clone()).or_default();
            *count = count.saturating_add(1);
        }
    }
}

impl Scouts {
    pub fn may_board(&self, asked: &Reservation, aboard: &Aboard) -> bool {
        let Some(skus) = self.0.get(&asked.sale_id) else { return true };
        let has_room = |sku_id: &String| {
            let taken = aboard.0.get(sku_id).copied().unwrap_or_default();
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
        if self.0.values().map(HashMap::len).sum::<usize>() >= SCOUTED_MAX {
            // To know none costs a few calls that find nothing.
            self.0.clear();
        }
        self.0.entry(sale_id.to_owned()).or_default().insert(sku_id.to_owned(), SCOUTS);
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

    /// How many of a crowd board.
    fn boards(scouts: &Scouts) -> usize {
        let mut aboard = Aboard::default();
        let crowd = (0..BATCH_MAX)
            .map(|buyer| Reservation { items: lines(&["a"]), ..reservation(&buyer.to_string(), "k", "fp") });
        let boarded = crowd.filter(|asked| {
            let boards = scouts.may_board(asked, &aboard);
            boards.then(|| aboard.board(asked));
            boards
        });
        boarded.count()
    }

    #[test]
    fn after_sold_out_few_go_first_and_twice_as_many_for_each_who_got_something() {
        let mut scouts = Scouts::default();
        assert_eq!(boards(&scouts), BATCH_MAX);
        scouts.learn(SALE, &[sold_out(0)]);
        assert_eq!(boards(&scouts), SCOUTS);
        let granted = || {
            let items = vec![PricedLine { sku_id: "a".to_owned(), qty: 1, unit_price: 0 }];
            ReserveOutcome::Granted { hold: Hold { items, ..hold("h") }, replayed: false }
        };
        scouts.learn(SALE, &[granted()]);
        assert_eq!(boards(&scouts), SCOUTS * 2);
        scouts.learn(SALE, &[granted(), sold_out(0)]);
        assert_eq!(boards(&scouts), SCOUTS);
        scouts.learn(SALE, &std::array::from_fn::<_, 8, _>(|_| granted()));
        assert_eq!(boards(&scouts), BATCH_MAX);
    }

    #[test]
    fn what_some_still_get_and_other_sales_and_skus_are_not_held_back() {
        let mut scouts = Scouts::default();
        scouts.learn("another", &[sold_out(0)]);
        scouts.learn(SALE, &[sold_out(1)]);
        let other = ReserveOutcome::SoldOut { sku_id: "b".to_owned(), available: 0, max_per_user: 1, for_ms: 0 };
        scouts.learn(SALE, &[other]);
        assert_eq!(boards(&scouts), BATCH_MAX);
    }

    #[test]
    fn they_are_bounded() {
        let mut scouts = Scouts::default();
        for sku in 0..=SCOUTED_MAX {
            scouts.begin("sale", &sku.to_string());
        }
        assert_eq!(scouts.0.values().map(HashMap::len).sum::<usize>(), 1);
    }
}
