//! `refund` (schema/routines/refund.sql) makes due refunds on the scheduler's tick until none is left, and again every
//! `REFUND_INTERVAL_S` until `REFUND_FOR_S` is over.

use std::time::{Duration, Instant};

use functions::payment::gateways::Gateways;
use functions::payment::refund::{RefundJob, RefundResult, refund_now};
use functions::runtime::database::{Database, InfraError};
use functions::runtime::limits::{REFUND_LEASE_S, REFUNDS_AT_ONCE};
use functions::runtime::{config, handler};
use futures_util::future::{join_all, try_join_all};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use protocol::expire::Tick;
use protocol::refund::RefundRun;
use tokio_postgres::types::Type;
use tracing::{error, info};

/// When to try again after each failure, in seconds; after the last it is a dead letter. A day and a half in all.
const SCHEDULE_S: &str = "0,5,30,120,600,1800,7200,18000,36000,64800";

struct Refund {
    database: Database,
    gateways: Gateways,
    schedule: Vec<f64>,
    /// Seconds for which one invocation has a refund claimed; after a crash it waits this long.
    lease_s: i32,
    every: Duration,
    window: Duration,
}

impl Refund {
    /// Refunds until nothing is due or `stop`. Each gateway independently: a slow one does not delay the others.
    async fn all(&self, stop: Instant) -> Result<RefundRun, InfraError> {
        let gateways = self.gateways.names().into_iter().map(|gateway| self.refund_at(gateway, stop));
        let all = try_join_all(gateways).await?;
        Ok(all.into_iter().fold(RefundRun::default(), RefundRun::and))
    }

    async fn refund_at(&self, gateway: &str, stop: Instant) -> Result<RefundRun, InfraError> {
        let gateways = [gateway];
        let mut run = RefundRun::default();
        loop {
            let jobs: Option<Vec<RefundJob>> = self
                .database
                .json(
                    "select holdfast.claim_refunds($1, $2, $3)",
                    &[
                        (&gateways.as_slice(), Type::TEXT_ARRAY),
                        (&REFUNDS_AT_ONCE, Type::INT4),
                        (&self.lease_s, Type::INT4),
                    ],
                )
                .await?;
            let jobs = jobs.unwrap_or_default();
            if jobs.is_empty() {
                return Ok(run);
            }
            let attempts = jobs.iter().map(|job| refund_now(&self.database, &self.gateways, &self.schedule, job));
            for ended in join_all(attempts).await {
                match ended {
                    Ok(RefundResult::Completed) => run.completed += 1,
                    Ok(RefundResult::Failed) => run.failed += 1,
                    Ok(RefundResult::Later) => run.later += 1,
                    // Its lease ends, and it is tried again; the others go on.
                    Err(broken) => error!(verb = "refund", %broken),
                }
            }
            if Instant::now() >= stop {
                return Ok(run);
            }
        }
    }

    async fn run(&self) -> Result<RefundRun, InfraError> {
        let began = Instant::now();
        let stop = began + self.window;
        let mut run = RefundRun::default();
        loop {
            run = run.and(self.all(stop).await?);
            let next = Instant::now() + self.every;
            if next >= stop {
                return Ok(run);
            }
            tokio::time::sleep_until(next.into()).await;
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let refund = &Refund {
        database: Database::from_env()?,
        gateways: Gateways::from_env()?,
        schedule: config::schedule("REFUND_RETRY_S", SCHEDULE_S)?,
        lease_s: i32::try_from(config::seconds("REFUND_LEASE_S", REFUND_LEASE_S)?.as_secs()).unwrap_or(i32::MAX),
        every: config::seconds("REFUND_INTERVAL_S", 10)?.max(Duration::from_secs(1)),
        window: config::seconds("REFUND_FOR_S", 50)?,
    };
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Tick>| async move {
        let began = Instant::now();
        let run = refund.run().await;
        let (tick, ms) = (event.payload, began.elapsed().as_millis() as u64);
        match &run {
            Ok(RefundRun { completed, failed, later }) => {
                info!(verb = "refund", completed, failed, later, request_id = tick.execution_id, ms);
            }
            Err(broken) => error!(verb = "refund", %broken, request_id = tick.execution_id, ms),
        }
        run.map_err(lambda_runtime::Diagnostic::from)
    }))
    .await
}
