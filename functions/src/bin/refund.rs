//! `refund` (schema/routines/refund.sql) makes due refunds on the scheduler's tick until none is left, and again every
//! `REFUND_INTERVAL_S` until `REFUND_FOR_S` is over, at each gateway independently.

use std::time::{Duration, Instant};

use functions::payment::gateways::Gateways;
use functions::payment::refund::{RefundJob, RefundResult, refund_now};
use functions::runtime::database::{Database, InfraError};
use functions::runtime::limits::{REFUND_FOR_S, REFUND_LEASE_S, REFUNDS_AT_ONCE};
use functions::runtime::{config, handler};
use futures_util::future::join_all;
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
    /// Refunds at one gateway until nothing is due or `stop`.
    async fn refund_at(&self, gateway: &str, stop: Instant, run: &mut RefundRun) -> Result<(), InfraError> {
        let gateways = [gateway];
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
                return Ok(());
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
                return Ok(());
            }
        }
    }

    /// One gateway's refunds, round after round. A round that fails is tried again with the next one.
    ///
    /// # Errors
    /// The last round failed: refunds may be left that are due.
    async fn rounds(&self, gateway: &str, stop: Instant) -> (RefundRun, Result<(), InfraError>) {
        let mut run = RefundRun::default();
        loop {
            let done = self.refund_at(gateway, stop, &mut run).await;
            if let Err(broken) = &done {
                error!(verb = "refund", gateway, %broken, "refunds could not be claimed");
            }
            let next = Instant::now() + self.every;
            if next >= stop {
                return (run, done);
            }
            tokio::time::sleep_until(next.into()).await;
        }
    }

    /// Every gateway by itself: one whose refunds cannot be claimed, or that is slow, neither ends nor delays what is
    /// done at another. What was done counts also where a gateway failed.
    async fn run(&self) -> (RefundRun, Result<(), InfraError>) {
        let stop = Instant::now() + self.window;
        let all = join_all(self.gateways.names().into_iter().map(|gateway| self.rounds(gateway, stop))).await;
        all.into_iter()
            .fold((RefundRun::default(), Ok(())), |(run, done), (more, ended)| (run.and(more), done.and(ended)))
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
        window: config::seconds("REFUND_FOR_S", REFUND_FOR_S)?,
    };
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Tick>| async move {
        let began = Instant::now();
        let (run, done) = refund.run().await;
        let (tick, ms) = (event.payload, began.elapsed().as_millis() as u64);
        let RefundRun { completed, failed, later } = run;
        match &done {
            Ok(()) => info!(verb = "refund", completed, failed, later, request_id = tick.execution_id, ms),
            Err(broken) => {
                error!(verb = "refund", completed, failed, later, %broken, request_id = tick.execution_id, ms);
            }
        }
        done.map(|()| run).map_err(lambda_runtime::Diagnostic::from)
    }))
    .await
}
