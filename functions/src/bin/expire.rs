//! `expire` runs T3 (schema/expire.sql) on the scheduler's tick: until nothing is left, and, where the scheduler is
//! slower than the sweep should be, again every `SWEEP_INTERVAL_S` until `SWEEP_FOR_S` is over. Before it sweeps, it asks
//! the gateways about payments that are under way for holds that are about to end, each gateway by itself.

use std::time::{Duration, Instant};

use functions::bounds::{ASK_LEASE_S, AT_ONCE_MAX, CLAIM_MAX, SWEEP_BATCH, SWEEP_DEFAULT_MS, SWEEP_RESERVE_MS};
use functions::database::{Broken, Database};
use functions::desk::Desk;
use functions::{config, payment, run};
use futures_util::future::{join_all, try_join_all};
use futures_util::{StreamExt, stream};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use tokio_postgres::types::Type;
use tracing::{info, warn};
use wire::Trace;
use wire::confirm::Told;
use wire::expire::{Swept, Tick};

#[derive(Deserialize)]
struct UnderWay {
    gateway: String,
    payment_id: String,
}

/// Payments under way at a gateway whose holds are about to end: those holds do not end while it is asked.
async fn claim(database: &Database, gateway: &str) -> Result<Vec<UnderWay>, Broken> {
    let gateways = [gateway];
    let gateways = gateways.as_slice();
    let params = [(&gateways as _, Type::TEXT_ARRAY), (&CLAIM_MAX as _, Type::INT4), (&ASK_LEASE_S as _, Type::INT4)];
    let due: Option<Vec<UnderWay>> = database.json("select holdfast.claim_payments($1, $2, $3)", &params).await?;
    Ok(due.unwrap_or_default())
}

/// Asks one gateway until nothing is due there, or until the next sweep: a queue at one is no other's.
async fn ask_all(
    database: &Database,
    desk: &Desk,
    gateway: &str,
    first: Vec<UnderWay>,
    next: Instant,
) -> Result<(), Broken> {
    let mut due = first;
    while !due.is_empty() {
        ask(database, desk, due).await;
        due = if Instant::now() < next { claim(database, gateway).await? } else { Vec::new() };
    }
    Ok(())
}

/// Outside every transaction: what a gateway says is done is confirmed, what it does not know is let go. A gateway that
/// does not answer holds up nobody's hold but its own, and that no further than schema/capture.sql bounds it.
async fn ask(database: &Database, desk: &Desk, due: Vec<UnderWay>) {
    let asked = stream::iter(due).map(async |UnderWay { gateway, payment_id }| {
        let told = Told { trace: Trace::default(), gateway, payment_id, ..Told::default() };
        match payment::settle(database, desk, &told).await {
            Ok(settled) => {
                info!(
                    verb = "ask",
                    gateway = told.gateway,
                    payment_id = told.payment_id,
                    outcome = settled.outcome.name()
                );
            }
            // It is claimed again when its lease is over.
            Err(broken) => warn!(verb = "ask", gateway = told.gateway, payment_id = told.payment_id, %broken),
        }
    });
    // What is not over when the lease is, is claimed again.
    let lease = Duration::from_secs(ASK_LEASE_S.unsigned_abs().into());
    if tokio::time::timeout(lease, asked.buffer_unordered(AT_ONCE_MAX).collect::<()>()).await.is_err() {
        warn!(verb = "ask", "gateways took longer to answer than a payment is ours to ask about");
    }
}

/// Sweeps until nothing is left, or until `stop`; one transaction at least.
async fn sweep(database: &Database, stop: Instant, swept: &mut Swept) -> Result<(), Broken> {
    loop {
        let rows = database.call("select holdfast.expire($1)", &[(&SWEEP_BATCH, Type::INT4)]).await?;
        let ended: i32 = rows.first().ok_or_else(|| Broken::misused("the sweep returned no row"))?.try_get(0)?;
        swept.transactions += 1;
        swept.expired += u64::try_from(ended).unwrap_or(0);
        if ended == 0 || Instant::now() >= stop {
            return Ok(());
        }
    }
}

async fn expire(
    database: &Database,
    desk: &Desk,
    every: Duration,
    window: Duration,
    stop: Instant,
) -> Result<Swept, Broken> {
    let began = Instant::now();
    let mut swept = Swept::default();
    loop {
        let next = Instant::now() + every;
        let names = desk.names();
        let claims = try_join_all(names.iter().map(|name| claim(database, name))).await?;
        let asking = names.iter().zip(claims).map(|(name, due)| ask_all(database, desk, name, due, next));
        // The others' holds end meanwhile.
        let (asked, done) = tokio::join!(join_all(asking), sweep(database, stop, &mut swept));
        asked.into_iter().collect::<Result<(), Broken>>()?;
        done?;
        let next = next.max(Instant::now());
        if next >= stop || next >= began + window {
            return Ok(swept);
        }
        tokio::time::sleep_until(next.into()).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run::log_as_json();
    let database = &Database::from_env()?;
    let desk = &Desk::from_env()?;
    let every = config::seconds("SWEEP_INTERVAL_S", 10)?.max(Duration::from_secs(1));
    let window = config::seconds("SWEEP_FOR_S", 55)?;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Tick>| async move {
        let began = Instant::now();
        let stop = run::stop(&event.context, began, SWEEP_DEFAULT_MS, SWEEP_RESERVE_MS);
        let swept = expire(database, desk, every, window, stop).await;
        let (tick, ms) = (event.payload, began.elapsed().as_millis() as u64);
        match &swept {
            Ok(Swept { expired, transactions }) => {
                info!(verb = "expire", expired, transactions, request_id = tick.execution_id, ms);
            }
            Err(broken) => tracing::error!(verb = "expire", %broken, request_id = tick.execution_id, ms),
        }
        swept.map_err(lambda_runtime::Diagnostic::from)
    }))
    .await
}
