//! How a function runs: its log, and Lambda's loop around its handler.

use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::{Context, Diagnostic, Error, LambdaEvent, service_fn};
use protocol::Trace;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{error, info};

use crate::runtime::database::InfraError;

/// One JSON object a line on standard output, which Lambda collects.
pub fn log_as_json() {
    let level = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(level)
        .init();
}

/// Answers invocations until the instance is ended. An error of the handler is reported for its invocation alone.
///
/// # Errors
/// The Lambda runtime API is gone.
pub async fn serve<Q, A, F>(handler: F) -> Result<(), Error>
where
    Q: DeserializeOwned,
    A: Serialize,
    F: AsyncFn(Q) -> Result<A, InfraError>,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Q>| async move {
        let began = Instant::now();
        let answer = handler(event.payload).await;
        if let Err(broken) = &answer {
            error!(invocation = event.context.request_id, ms = began.elapsed().as_millis() as u64, %broken);
        }
        answer.map_err(Diagnostic::from)
    }))
    .await
}

/// When a function that uses its whole time has to stop: `reserve_ms` before Lambda's deadline. The deadline is a time of
/// day, and the instance's clock may be ahead of it: of one that seems to be over, `default_ms`, the intended timeout, counts.
#[must_use]
pub fn stop(context: &Context, began: Instant, default_ms: u64, reserve_ms: u64) -> Instant {
    let allowed = context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::from_millis(default_ms));
    began + allowed.saturating_sub(Duration::from_millis(reserve_ms))
}

/// Logs one line an outcome. It takes no token, key or body, so none can be logged.
pub fn log_outcome(verb: &str, trace: &Trace, outcome: &str, began: Instant) {
    let ms = began.elapsed().as_millis() as u64;
    info!(verb, outcome, request_id = trace.request_id, traceparent = trace.traceparent, ms);
}
