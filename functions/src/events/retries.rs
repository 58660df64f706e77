//! The retry schedule.

use std::time::Duration;

/// The pause before each attempt; as many attempts as pauses.
#[derive(Clone, Debug)]
pub struct Retries(Vec<Duration>);

impl Retries {
    /// None: there must be one attempt at least.
    #[must_use]
    pub fn new(pauses: Vec<Duration>) -> Option<Self> {
        (!pauses.is_empty()).then_some(Self(pauses))
    }

    /// The pause after `made` attempts, with up to 20 % jitter, so that attempts that failed together are not repeated
    /// together. None: that was the last attempt. A schedule of its own and not `backon`'s: an attempt's number and time are
    /// in the database, and the next one is another invocation's.
    #[must_use]
    pub fn after(&self, made: usize, asked: Option<Duration>) -> Option<Duration> {
        let pause = *self.0.get(made)?;
        Some(pause.mul_f64(1.0 + fastrand::f64() / 5.0).max(asked.unwrap_or_default()))
    }

    /// How long a delivery waits for a receiver whose breaker is open before it is given up without further attempts:
    /// twice as long as all attempts would take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        (self.0.iter().sum::<Duration>() * 2).max(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::limits::RETRIES_S;

    #[test]
    fn ten_attempts_over_three_days_with_jitter_and_then_no_more() {
        let retries = Retries::new(RETRIES_S.map(Duration::from_secs).to_vec());
        let retries = retries.unwrap_or(Retries(vec![]));
        for (made, least_s) in [(1, 5), (2, 300), (9, 86_400)] {
            let least = Duration::from_secs(least_s);
            let pauses: Vec<Duration> = (0..50).filter_map(|_| retries.after(made, None)).collect();
            assert!(pauses.iter().all(|pause| (least..=least.mul_f64(1.21)).contains(pause)), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "no jitter");
        }
        assert_eq!(retries.after(10, None), None);
        assert_eq!(retries.after(1, Some(Duration::from_secs(60))), Some(Duration::from_secs(60)));
        assert!(retries.patience() > Duration::from_secs(6 * 86_400));
    }
}
