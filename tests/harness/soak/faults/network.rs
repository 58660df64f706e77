//! What a network does to what passes on it.

use std::time::Duration;

use fastrand::Rng;

use crate::proxy::Proxy;

pub async fn disturb(way: &Proxy, what: &str, rng: &mut Rng) {
    match what {
        "connections cut" => way.cut(*rng.choice(&[0.2, 0.5, 1.0]).unwrap_or(&1.0)),
        // Sometimes longer than whoever waits has patience.
        "stalled" => {
            let most_ms = if rng.f64() < 0.2 { 5_500 } else { 1_500 };
            let how_long = Duration::from_millis(rng.u64(100..most_ms));
            way.stall(how_long);
            tokio::time::sleep(how_long).await;
        }
        "slow" => {
            way.delay(Duration::from_millis(rng.u64(5..80)));
            tokio::time::sleep(Duration::from_millis(rng.u64(500..4_000))).await;
            way.delay(Duration::ZERO);
        }
        _ => way.lose(rng.u32(1..=6)),
    }
}
