//! Series over time, for the verdict and the plots: what was there, what was sold, who was answered when.

use std::collections::{BTreeMap, HashMap};

use super::Run;
use super::clock::us;
use super::database_state::{DatabaseState, Entry};
use super::tally::{After, PressResult, Story};
use crate::percentile::{at, counted, ms};

/// A number of pieces over time.
pub struct Stock(Vec<(i64, i64)>);

impl Stock {
    /// What was surely there of a SKU: a piece is gone when the ledger has written it down, and back when its release
    /// was acknowledged.
    pub fn sure(run: &Run, truth: &DatabaseState, sku_id: &str) -> Self {
        let told: HashMap<&str, u64> = run.book.stories.iter().filter_map(released).collect();
        let change = |entry: &Entry| {
            let told_us = entry.hold_id.as_deref().filter(|_| entry.qty > 0).and_then(|hold| told.get(hold));
            let told = told_us.map_or(i64::MIN, |us| run.clock.opening_unix_us + *us as i64);
            (entry.at_unix_us.max(told), entry.qty)
        };
        Self::summed(truth.ledger.iter().filter(|entry| entry.sku_id == sku_id).map(change).collect())
    }

    fn summed(mut changes: Vec<(i64, i64)>) -> Self {
        changes.sort_by_key(|(at, _)| *at);
        let sum = changes.into_iter().scan(0, |left, (at, qty)| {
            *left += qty;
            Some((at, *left))
        });
        Self(sum.collect())
    }

    /// The least there was at any moment of this time, both ends included.
    pub fn least_between(&self, from: i64, to: i64) -> i64 {
        let next = self.0.partition_point(|(at, _)| *at <= from);
        let at_first = if next == 0 { 0 } else { self.0[next - 1].1 };
        self.0[next..].iter().take_while(|(at, _)| *at <= to).map(|(_, left)| *left).fold(at_first, i64::min)
    }

    fn at(&self, unix_us: i64) -> i64 {
        self.least_between(unix_us, unix_us)
    }
}

/// The hold that a buyer gave back, and when that was answered.
fn released(story: &Story) -> Option<(&str, u64)> {
    let After::Released { answered_us, .. } = story.after else { return None };
    story.presses.iter().find_map(|press| match &press.told {
        PressResult::Granted { hold_id, .. } => Some((hold_id.as_str(), answered_us)),
        PressResult::Refused { .. } | PressResult::Nothing => None,
    })
}

/// Where each piece of the sale was, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    pub at_us: u64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
}

/// Every `step_us` from the opening to `end_us`.
pub fn pieces(run: &Run, truth: &DatabaseState, step_us: u64, end_us: u64) -> Vec<Pieces> {
    let available = Stock::summed(truth.ledger.iter().map(|entry| (entry.at_unix_us, entry.qty)).collect());
    let sold = Stock::summed(truth.orders.values().map(|order| (order.at_unix_us, 1)).collect());
    let total: i64 = truth.report.skus.iter().map(|sku| sku.total).sum();
    let moment = |at_us: u64| {
        let unix_us = run.clock.opening_unix_us + at_us as i64;
        // Two that follow each other closely may have been written down before the piece between them was.
        let (available, sold) = (available.at(unix_us).max(0), sold.at(unix_us));
        Pieces { at_us, available, held: total - available - sold, sold }
    };
    (0..=end_us.div_ceil(step_us)).map(|step| moment(step * step_us)).collect()
}

/// Answers by code in each step since the opening.
pub fn answers(run: &Run, step_us: u64, end_us: u64) -> BTreeMap<String, Vec<u64>> {
    let steps = end_us.div_ceil(step_us) as usize;
    let mut series: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for heard in &run.book.heard {
        let step = (heard.at_us / step_us) as usize;
        let counts = series.entry(run.book.name(heard).to_owned()).or_insert_with(|| vec![0; steps]);
        if let Some(count) = counts.get_mut(step) {
            *count += 1;
        }
    }
    series
}

/// Presses that were due in each step since the opening.
pub fn due(run: &Run, step_us: u64, end_us: u64) -> Vec<u64> {
    let mut counts = vec![0; end_us.div_ceil(step_us) as usize];
    for story in &run.book.stories {
        if let Some(count) = counts.get_mut((us(story.buyer.at) / step_us) as usize) {
            *count += story.presses.len() as u64;
        }
    }
    counts
}

/// Of those who were due in each step: its middle, and how long they waited at these percentiles, in milliseconds.
pub fn latencies(run: &Run, step_us: u64, shares: &[f64]) -> Vec<(u64, Vec<f64>)> {
    let mut steps: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for story in &run.book.stories {
        let due_us = us(story.buyer.at);
        let waits = story.presses.iter().map(|press| press.answered_us.saturating_sub(due_us));
        steps.entry(due_us / step_us).or_default().extend(waits);
    }
    let percentiles = |(step, waits): (u64, Vec<u64>)| {
        let waits = counted(waits);
        (step * step_us + step_us / 2, shares.iter().map(|share| ms(at(&waits, *share))).collect())
    };
    steps.into_iter().map(percentiles).collect()
}

#[cfg(test)]
mod tests {
    use super::Stock;

    #[test]
    fn the_least_there_was_is_found_at_the_ends_and_between() {
        let stock = Stock::summed(vec![(100, 2), (200, -1), (300, -1), (400, 1), (500, -1)]);
        for ((from, to), least) in [
            ((0, 50), 0),
            ((100, 199), 2),
            ((150, 250), 1),
            ((150, 300), 0),
            ((400, 499), 1),
            ((399, 450), 0),
            ((450, 500), 0),
            ((600, 700), 0),
        ] {
            assert_eq!(stock.least_between(from, to), least, "{from} to {to}");
        }
    }
}
