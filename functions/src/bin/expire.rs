//! `expire` runs T3 (schema/routines/expire.sql) on the scheduler's tick until no hold is due, and again every
//! `SWEEP_INTERVAL_S` until `SWEEP_FOR_S` is over. In parallel it looks up pending payments of holds that are about to
//! end, each gateway independently.

use std::time::{Duration, Instant};

use functions::payment::gateways::Gateways;
use functions::payment::{hints, opening};
use functions::runtime::database::{Database, InfraError};
use functions::runtime::limits::{
    ASK_LEASE_S, AT_ONCE_MAX, CLAIM_MAX, SWEEP_BATCH, SWEEP_DEFAULT_MS, SWEEP_FOR_S, SWEEP_INTERVAL_S, SWEEP_RESERVE_MS,
};
use functions::runtime::{config, handler};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use protocol::Trace;
use protocol::confirm::PaymentHint;
use protocol::expire::{Swept, Tick};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::{error, info, warn};

#[derive(Deserialize)]
struct PendingPayment {
    gateway: String,
    payment_id: String,
    /// Only a payment page was opened: `payment_id` is the reference it was opened with.
    opened: bool,
}

/// Claims pending payments of holds that are about to end; those holds do not end while their payments are looked up.
async fn claim(database: &Database, gateway: &str) -> Result<Vec<PendingPayment>, InfraError> {
    let gateways = [gateway];
    let gateways = gateways.as_slice();
    let params = [(&gateways as _, Type::TEXT_ARRAY), (&CLAIM_MAX as _, Type::INT4), (&ASK_LEASE_S as _, Type::INT4)];
    let due: Option<Vec<PendingPayment>> = database.json("select holdfast.claim_payments($1, $2, $3)", &params).await?;
    Ok(due.unwrap_or_default())
}

/// Looks up one gateway's due payments until none is left or the next round begins. A failure is recorded and tried
/// again in the next round; it stops neither other gateways nor the sweep.
async fn look_up_all(database: &Database, gateways: &Gateways, gateway: &str, next: Instant) {
    loop {
        match claim(database, gateway).await {
            Ok(due) if due.is_empty() => return,
            Ok(due) => look_up(database, gateways, due).await,
            Err(broken) => {
                error!(verb = "ask", gateway, %broken, "payments could not be claimed");
                return;
            }
        }
        if Instant::now() >= next {
            return;
        }
    }
}

/// Outside every transaction: settles what the gateway knows and ends what it does not know. A silent gateway delays
/// only the holds of its own payments, and at most as long as schema/routines/capture.sql allows.
async fn look_up(database: &Database, gateways: &Gateways, due: Vec<PendingPayment>) {
    let lookups = stream::iter(due).map(async |PendingPayment { gateway, payment_id, opened }| {
        let outcome = if opened {
            opening::look_up(database, gateways, &gateway, &payment_id).await
        } else {
            let (gateway, payment_id) = (gateway.clone(), payment_id.clone());
            let hint = PaymentHint { trace: Trace::default(), gateway, payment_id, ..PaymentHint::default() };
            hints::settle(database, gateways, &hint).await.map(|settled| settled.outcome)
        };
        match outcome {
            Ok(outcome) => info!(verb = "ask", gateway, payment_id, opened, outcome = outcome.name()),
            // It is claimed again when its lease is over.
            Err(broken) => warn!(verb = "ask", gateway, payment_id, opened, %broken),
        }
    });
    // What has not finished when the lease ends is claimed again.
    let lease = Duration::from_secs(ASK_LEASE_S.unsigned_abs().into());
    if tokio::time::timeout(lease, lookups.buffer_unordered(AT_ONCE_MAX).collect::<()>()).await.is_err() {
        warn!(verb = "ask", "gateways took longer to answer than a payment is ours to ask about");
    }
}

/// Sweeps until nothing is left, or until `stop`; one transaction at least.
async fn sweep(database: &Database, stop: Instant, swept: &mut Swept) -> Result<(), InfraError> {
    loop {
        let rows = database.call("select holdfast.expire($1)", &[(&SWEEP_BATCH, Type::INT4)]).await?;
        let ended: i32 = rows.first().ok_or_else(|| InfraError::misuse("the sweep returned no row"))?.try_get(0)?;
        swept.transactions += 1;
        swept.expired += u64::try_from(ended).unwrap_or(0);
        if ended == 0 || Instant::now() >= stop {
            return Ok(());
        }
    }
}

/// The interval of the rounds, and their end.
#[derive(Clone, Copy)]
struct Rounds {
    every: Duration,
    /// No round begins then or later.
    end: Instant,
    /// A round in progress stops then.
    stop: Instant,
}

impl Rounds {
    /// Waits for the next round; false: there is none.
    async fn another(self, next: Instant) -> bool {
        let next = next.max(Instant::now());
        if next >= self.end {
            return false;
        }
        tokio::time::sleep_until(next.into()).await;
        true
    }
}

/// Looks up one gateway's payments, round after round. A slow gateway delays only its own next round.
async fn look_up_rounds(database: &Database, gateways: &Gateways, gateway: &str, rounds: Rounds) {
    loop {
        let next = Instant::now() + rounds.every;
        look_up_all(database, gateways, gateway, next.min(rounds.stop)).await;
        if !rounds.another(next).await {
            return;
        }
    }
}

/// T3, round after round. One that fails is tried again with the next.
///
/// # Errors
/// The last round failed: holds may be left that should have ended.
async fn sweep_rounds(database: &Database, rounds: Rounds) -> Result<Swept, InfraError> {
    let mut swept = Swept::default();
    loop {
        let next = Instant::now() + rounds.every;
        let done = sweep(database, rounds.stop, &mut swept).await;
        if let Err(broken) = &done {
            error!(verb = "expire", %broken, "a sweep failed");
        }
        if !rounds.another(next).await {
            return done.map(|()| swept);
        }
    }
}

/// Runs both in parallel: a failed claim or a silent gateway does not stop the sweep, and a failed sweep does not
/// cancel lookups in flight.
async fn expire(database: &Database, gateways: &Gateways, rounds: Rounds) -> Result<Swept, InfraError> {
    let lookups =
        join_all(gateways.names().into_iter().map(|gateway| look_up_rounds(database, gateways, gateway, rounds)));
    let (_, swept) = tokio::join!(lookups, sweep_rounds(database, rounds));
    swept
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let database = &Database::from_env()?;
    let gateways = &Gateways::from_env()?;
    let every = config::seconds("SWEEP_INTERVAL_S", SWEEP_INTERVAL_S)?.max(Duration::from_secs(1));
    let window = config::seconds("SWEEP_FOR_S", SWEEP_FOR_S)?;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Tick>| async move {
        let began = Instant::now();
        let stop = handler::stop(&event.context, began, SWEEP_DEFAULT_MS, SWEEP_RESERVE_MS);
        let swept = expire(database, gateways, Rounds { every, end: stop.min(began + window), stop }).await;
        let (tick, ms) = (event.payload, began.elapsed().as_millis() as u64);
        match &swept {
            Ok(Swept { expired, transactions }) => {
                info!(verb = "expire", expired, transactions, request_id = tick.execution_id, ms);
            }
            Err(broken) => error!(verb = "expire", %broken, request_id = tick.execution_id, ms),
        }
        swept.map_err(lambda_runtime::Diagnostic::from)
    }))
    .await
}
