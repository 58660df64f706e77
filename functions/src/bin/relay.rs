//! `relay` (schema/routines/relay.sql) on the scheduler's tick: delivers events to their subscribers, again every
//! `RELAY_INTERVAL_S` until `RELAY_FOR_S` is over, and removes data whose retention is over (schema/routines/retain.sql).

use std::sync::Mutex;
use std::time::{Duration, Instant};

use functions::events::relay::Relay;
use functions::runtime::limits::{RELAY_DEFAULT_MS, RELAY_FOR_S, RELAY_RESERVE_MS, REMOVE_EVERY_S};
use functions::runtime::{config, handler};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use protocol::expire::Tick;
use protocol::relay::Relayed;
use tracing::{error, info, warn};

/// Whether it is time for this instance to remove again.
fn is_time(last: &Mutex<Option<Instant>>) -> bool {
    let Ok(mut last) = last.lock() else { return false };
    let due = last.is_none_or(|last| last.elapsed() >= Duration::from_secs(REMOVE_EVERY_S));
    if due {
        *last = Some(Instant::now());
    }
    due
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let relay = &Relay::from_env()?;
    let window = config::seconds("RELAY_FOR_S", RELAY_FOR_S)?;
    let removed_at = &Mutex::new(None);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Tick>| async move {
        let began = Instant::now();
        let stop = handler::stop(&event.context, began, RELAY_DEFAULT_MS, RELAY_RESERVE_MS);
        let mut relayed = relay.run(window, stop).await;
        if let Ok(relayed) = &mut relayed
            && is_time(removed_at)
        {
            // Not urgent: what is locked or late is removed next time.
            match relay.remove(stop).await {
                Ok(removed) => relayed.removed = removed,
                Err(broken) => warn!(verb = "retain", %broken),
            }
        }
        let (tick, ms) = (event.payload, began.elapsed().as_millis() as u64);
        match &relayed {
            Ok(Relayed { fanned_out, delivered, failed, dead, removed }) => {
                info!(verb = "relay", fanned_out, delivered, failed, dead, removed, request_id = tick.execution_id, ms);
            }
            Err(broken) => error!(verb = "relay", %broken, request_id = tick.execution_id, ms),
        }
        relayed.map_err(lambda_runtime::Diagnostic::from)
    }))
    .await
}
