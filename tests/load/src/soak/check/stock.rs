//! What was said of stock: sold out only if it was, nothing granted while a sale was paused, no SKU below zero at any
//! moment, and the operator's changes there, each once.

use std::collections::HashMap;

use super::{Storm, Verdict};
use crate::soak::log::{ReserveResult, Us};

/// A commit's time is taken before its log is on disk, and only then its rows are seen.
const SEEN_WITHIN_US: Us = 500_000;
/// A Gate repeats "sold out" for less than a second.
const REMEMBERED_US: Us = 1_000_000;
/// After an operator's question that was not answered, it may still be carried out so long.
const ON_ITS_WAY_US: Us = 15_000_000;

/// What of a SKU was surely there: gone at the commit that took it, back when it was visible.
struct Stock(Vec<(Us, i64)>);

impl Stock {
    fn new(mut changes: Vec<(Us, i64)>) -> Self {
        changes.sort_unstable();
        let sum = changes.into_iter().scan(0, |left, (at_us, qty)| {
            *left += qty;
            Some((at_us, *left))
        });
        Self(sum.collect())
    }

    /// The least at any moment of this time.
    fn least_between(&self, from: Us, to: Us) -> i64 {
        let next = self.0.partition_point(|(at_us, _)| *at_us <= from);
        let at_first = if next == 0 { 0 } else { self.0[next - 1].1 };
        self.0[next..].iter().take_while(|(at_us, _)| *at_us <= to).fold(at_first, |least, (_, left)| least.min(*left))
    }
}

pub fn judge(storm: &Storm<'_>, verdict: &mut Verdict) {
    let mut sure: HashMap<(&str, &str), Vec<(Us, i64)>> = HashMap::new();
    let mut exact: HashMap<_, Vec<_>> = HashMap::new();
    for moved in &storm.truth.moved {
        let (sku, late) =
            ((moved.sale_id.as_str(), moved.sku_id.as_str()), if moved.qty > 0 { SEEN_WITHIN_US } else { 0 });
        sure.entry(sku).or_default().push((moved.committed_us + late, moved.qty));
        // What came back in one moment with what was taken was there to be taken.
        exact.entry(sku).or_default().push((moved.committed_us, -moved.qty, moved.qty));
    }
    for (sku, mut changes) in exact {
        changes.sort_unstable();
        let mut left = 0;
        for (at_us, _, qty) in changes {
            left += qty;
            verdict
                .check("no SKU was below zero at any moment", left >= 0, || format!("{sku:?} had {left} at {at_us}"));
        }
    }
    let stock: HashMap<_, _> = sure.into_iter().map(|(sku, changes)| (sku, Stock::new(changes))).collect();
    sold_out(storm, verdict, &stock);
    paused(storm, verdict);
    adjusted(storm, verdict);
}

fn sold_out(storm: &Storm<'_>, verdict: &mut Verdict, stock: &HashMap<(&str, &str), Stock>) {
    for asked in &storm.log.asked {
        let ReserveResult::SoldOut { sku } = &asked.told else { continue };
        let sale = &storm.sales[asked.sale];
        let (from, to) = (asked.last_us - REMEMBERED_US, asked.answered_us);
        let wanted = asked.lines.iter().find(|(line, _)| sale.skus[*line].id == *sku).map(|(_, qty)| *qty);
        let least = stock.get(&(sale.id.as_str(), sku.as_str())).map_or(0, |stock| stock.least_between(from, to));
        let true_then = wanted.is_some_and(|wanted| least < wanted);
        if !true_then && storm.unprovable(from, to) {
            verdict.unprovable += 1;
            continue;
        }
        verdict.check("sold out is told only if it was", true_then, || format!("{asked:?}, and there were {least}"));
    }
}

/// Once a pause is answered nothing is granted, until it is to be open again.
fn paused(storm: &Storm<'_>, verdict: &mut Verdict) {
    for (n, pause) in storm.log.pauses.iter().enumerate() {
        let before = &storm.log.pauses[..n];
        let unsure = before
            .iter()
            .any(|other| other.sale == pause.sale && !other.sure && pause.asked_us < other.open_us + ON_ITS_WAY_US);
        if unsure {
            continue;
        }
        let sale = &storm.sales[pause.sale].id;
        let granted =
            storm.truth.holds.iter().find(|(_, hold)| {
                hold.sale_id == *sale && (pause.paused_us..pause.opening_us).contains(&hold.created_us)
            });
        verdict.check("nothing is granted in a pause", granted.is_none(), || format!("{pause:?}: {granted:?}"));
    }
}

fn adjusted(storm: &Storm<'_>, verdict: &mut Verdict) {
    for change in &storm.log.adjusted {
        let found = storm.truth.adjusted.get(&change.key);
        let true_then = match (change.done, found) {
            (Some((total, available)), Some(found)) => *found == (change.delta, total, available),
            (Some(_), None) => false,
            (None, found) => found.is_none() || change.unknown > 0,
        };
        verdict.check("the operator's stock is what was answered", true_then, || format!("{change:?}: {found:?}"));
    }
}

#[cfg(test)]
pub fn least(changes: Vec<(Us, i64)>, from: Us, to: Us) -> i64 {
    Stock::new(changes).least_between(from, to)
}
