//! Percentiles of what was measured, by nearest rank: always a value that somebody really had to wait.

use serde::Serialize;

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
    pub fn of(mut values_us: Vec<u64>) -> Self {
        values_us.sort_unstable();
        let at = |share: f64| ms(of_sorted(&values_us, share));
        Self { count: values_us.len(), p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

/// The smallest value that `share` of all do not exceed; zero where there is none.
pub fn of_sorted(sorted: &[u64], share: f64) -> u64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

pub fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_there() {
        let thousand: Vec<u64> = (1..=1000).collect();
        let rows = [(0.0, 1), (0.001, 1), (0.5, 500), (0.9, 900), (0.99, 990), (0.999, 999), (1.0, 1000)];
        for (share, wanted) in rows {
            assert_eq!(of_sorted(&thousand, share), wanted, "{share}");
        }
        assert_eq!((of_sorted(&[], 0.5), of_sorted(&[7], 0.01), of_sorted(&[7], 1.0)), (0, 7, 7));
        assert_eq!((of_sorted(&[1, 9], 0.5), of_sorted(&[1, 9], 0.51)), (1, 9));
    }

    #[test]
    fn the_order_they_come_in_does_not_matter() {
        let found = Percentiles::of(vec![9_000, 1_000, 5_000]);
        assert_eq!(found, Percentiles { count: 3, p50_ms: 5.0, p90_ms: 9.0, p99_ms: 9.0, max_ms: 9.0 });
        assert_eq!(Percentiles::of(vec![]), Percentiles::default());
    }
}
