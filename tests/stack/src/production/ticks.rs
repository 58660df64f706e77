//! Ticks as EventBridge Scheduler delivers them: within a minute of their time, at least once, and whether or not the one before
//! is through.

use std::time::Duration;

use fastrand::Rng;

/// The share of ticks that come twice.
const TWICE: f64 = 0.1;

/// When a tick is delivered after its time: once or twice, each up to a beat late.
pub fn deliveries(random: &mut Rng, every: Duration) -> Vec<Duration> {
    let times = if random.f64() < TWICE { 2 } else { 1 };
    (0..times).map(|_| every.mul_f64(random.f64())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_late_and_some_come_twice() {
        let (mut random, every) = (Rng::with_seed(1), Duration::from_secs(10));
        let all: Vec<Vec<Duration>> = (0..10_000).map(|_| deliveries(&mut random, every)).collect();
        let twice = all.iter().filter(|tick| tick.len() == 2).count();
        assert!((900..1_100).contains(&twice) && all.iter().all(|tick| !tick.is_empty()), "{twice}");
        let late: Vec<Duration> = all.into_iter().flatten().collect();
        assert!(late.iter().all(|late| *late < every));
        assert!(
            late.iter().any(|late| *late > every.mul_f64(0.9)) && late.iter().any(|late| *late < every.mul_f64(0.1))
        );
    }
}
