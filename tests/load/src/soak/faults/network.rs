//! What a network does to what passes on it.

use std::time::Duration;

use fastrand::Rng;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::soak::players;
use stack::proxy::{Moment, Proxy};

/// A player asks some hundred times a second while there is a way to the database.
const PATIENCE: Duration = Duration::from_secs(3);

pub async fn disturb(way: &Proxy, what: &str, rng: &mut Rng) {
    match what {
        "connections cut" => way.cut(*rng.choice(&[0.2, 0.5, 1.0]).unwrap_or(&1.0)),
        // Sometimes longer than the client's time-out.
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

/// Cuts the connections of some players, one after the other, before their request arrives or before its response does.
pub async fn cut_players(way: &Proxy, rng: &mut Rng) -> bool {
    let mut struck = false;
    for _ in 0..rng.u32(3..=10) {
        let moment = if rng.bool() { Moment::Before } else { Moment::After };
        let (strike, at) = oneshot::channel();
        way.trigger(players::DOORS, moment, move |_| {
            // The waiting client may have been dropped with the storm.
            let _ = strike.send(());
        });
        if !matches!(timeout(PATIENCE, at).await, Ok(Ok(()))) {
            break;
        }
        struck = true;
        // Do not fault the same player twice in a row.
        tokio::time::sleep(Duration::from_millis(rng.u64(50..400))).await;
    }
    struck
}
