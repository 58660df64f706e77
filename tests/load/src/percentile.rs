//! Percentiles of what was measured, by nearest rank, to four digits: a histogram counts, and keeps no value.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

const DIGITS: u8 = 4;

/// In milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub count: usize,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Percentiles {
    pub fn of(values_us: impl IntoIterator<Item = u64>) -> Self {
        let values = counted(values_us);
        let at = |share: f64| ms(at(&values, share));
        Self { count: values.len() as usize, p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), max_ms: at(1.0) }
    }

    pub fn of_durations(values: &[Duration]) -> Self {
        Self::of(values.iter().map(|took| took.as_micros() as u64))
    }
}

pub fn counted(values: impl IntoIterator<Item = u64>) -> Histogram<u32> {
    #[expect(clippy::expect_used, reason = "the number of digits is constant, and within 0 to 5")]
    let mut counts = Histogram::new(DIGITS).expect("a histogram");
    for value in values {
        // It grows as it has to.
        let _ = counts.record(value);
    }
    counts
}

/// The smallest value that `share` of all do not exceed; zero where there is none.
pub fn at(values: &Histogram<u32>, share: f64) -> u64 {
    values.value_at_quantile(share)
}

pub fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_there() {
        let of = |values: &[u64], share| at(&counted(values.iter().copied()), share);
        let thousand: Vec<u64> = (1..=1000).collect();
        let rows = [(0.0, 1), (0.001, 1), (0.5, 500), (0.9, 900), (0.99, 990), (0.999, 999), (1.0, 1000)];
        for (share, wanted) in rows {
            assert_eq!(of(&thousand, share), wanted, "{share}");
        }
        assert_eq!((of(&[], 0.5), of(&[7], 0.01), of(&[7], 1.0)), (0, 7, 7));
        assert_eq!((of(&[1, 9], 0.5), of(&[1, 9], 0.51)), (1, 9));
    }

    #[test]
    fn a_long_wait_is_reported_to_four_digits() {
        for wait_us in [30_000, 1_234_567, 60_000_000, 3_600_000_000] {
            let told = at(&counted([wait_us]), 0.5);
            assert!(told.abs_diff(wait_us) * 10_000 <= wait_us, "{wait_us}: {told}");
        }
    }

    #[test]
    fn the_order_they_come_in_does_not_matter() {
        let found = Percentiles::of(vec![9_000, 1_000, 5_000]);
        assert_eq!(found, Percentiles { count: 3, p50_ms: 5.0, p90_ms: 9.0, p99_ms: 9.0, max_ms: 9.0 });
        assert_eq!(Percentiles::of(vec![]), Percentiles::default());
    }
}
