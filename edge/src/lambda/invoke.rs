//! Calls a function by Lambda's Invoke API and classifies what can go wrong: the function broke, it is throttled, it is
//! late, it cannot be reached.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use hmac::Mac as _;
use protocol::json;
use protocol::proven::{Personal, Proven, signed_text};
use serde::{Serialize, de::DeserializeOwned};
use worker::Delay;

use crate::http::origin;
use crate::http::problem::Problem;
use crate::lambda::address;
use crate::lambda::circuit_breaker::Breaker;
use crate::lambda::concurrency::ConcurrencyLimit;
use crate::lambda::sigv4;
use crate::runtime::config::{Config, Lambda};
use crate::runtime::{clock, digest, js, limits};

/// Why there is no answer. In every case it is unknown whether the function did its work.
#[derive(Debug, PartialEq, Eq)]
pub enum InvokeError {
    /// `X-Amz-Function-Error`: its database is unreachable, or it crashed or timed out.
    Function,
    /// `X-Amz-Function-Error`, because of the request: the same one would fail again.
    Rejected,
    /// 429 or our own limit: all allowed instances are busy.
    Throttled,
    /// Any other status: no permission, no such function, Lambda itself failed.
    Status(u16),
    Deadline,
    Network(String),
    /// An answer that is not of the function's type.
    Unreadable(String),
    /// The circuit breaker is open.
    Resting,
    /// The Worker has no URL to call, one without TLS, or no key to prove with.
    Unconfigured,
}

impl InvokeError {
    /// Whether the failure is the function's, and so counts for the circuit breaker. Everything else concerns this one
    /// request. Throttling is no failure: calls that get an instance go on being answered.
    #[must_use]
    pub fn is_the_functions(&self) -> bool {
        match self {
            Self::Function | Self::Deadline | Self::Network(_) => true,
            // Lambda rejects the request: unreadable, or too large.
            Self::Status(status) => !matches!(status, 400 | 413 | 415 | 422),
            Self::Rejected | Self::Throttled | Self::Unreadable(_) | Self::Resting | Self::Unconfigured => false,
        }
    }
}

impl fmt::Display for InvokeError {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        write!(to, "invoke: {self:?}")
    }
}

impl From<InvokeError> for Problem {
    fn from(error: InvokeError) -> Self {
        Self::unavailable().because(error)
    }
}

thread_local! {
    /// By function, as this isolate sees it.
    static BREAKERS: RefCell<HashMap<&'static str, Breaker>> = RefCell::default();
    static IN_FLIGHT: RefCell<HashMap<&'static str, ConcurrencyLimit>> = RefCell::default();
}

/// Calls `function`, unless its circuit breaker is open.
///
/// # Errors
/// See [`InvokeError`].
pub async fn call<Q: Serialize, A: DeserializeOwned>(
    lambda: &Lambda,
    function: &'static str,
    question: &Q,
) -> Result<A, InvokeError> {
    call_within(lambda, function, question, limits::INVOKE_DEADLINE_MS).await
}

/// The same with another deadline.
///
/// # Errors
/// See [`InvokeError`].
pub async fn call_within<Q: Serialize, A: DeserializeOwned>(
    lambda: &Lambda,
    function: &'static str,
    question: &Q,
    within_ms: u64,
) -> Result<A, InvokeError> {
    let end_ms = take_slot(function, within_ms).await?;
    let answer = call_unless_broken(lambda, function, question, within_ms).await;
    IN_FLIGHT.with_borrow_mut(|calls| calls.entry(function).or_default().leave(end_ms));
    answer
}

/// Whether the circuit breaker of `function` refuses every call at this moment.
pub fn rests(function: &'static str) -> bool {
    BREAKERS.with_borrow(|breakers| breakers.get(function).is_some_and(|breaker| breaker.refuses(clock::now_ms())))
}

/// A request of `confirm` for a person, with the proof that the Worker made it.
///
/// # Errors
/// See [`InvokeError`]; `Unconfigured`: there is no `CONFIRM_KEY`.
pub async fn call_proven<A: DeserializeOwned>(
    config: &Config,
    request: &Personal,
    within_ms: u64,
) -> Result<A, InvokeError> {
    let proven = json::print(request).map_err(unreadable)?;
    let proven = prove(&config.confirm_key, proven, clock::now_ms()).ok_or(InvokeError::Unconfigured)?;
    call_within(&config.lambda, "confirm", &proven, within_ms).await
}

/// None: the key is too short to prove anything.
fn prove(key: &str, proven: String, at_ms: u64) -> Option<Proven> {
    if key.len() < limits::CONFIRM_KEY_MIN_BYTES {
        return None;
    }
    let mac = digest::hmac_sha256(key.as_bytes(), &[signed_text(at_ms, &proven).as_bytes()])?;
    Some(Proven { proven, at_ms, mac: hex::encode(mac.finalize().into_bytes()) })
}

/// Waits for a free call slot; it is kept until the returned time, in Unix milliseconds. Polls, because a Worker's
/// request cannot wake another.
async fn take_slot(function: &'static str, within_ms: u64) -> Result<u64, InvokeError> {
    for _ in 0..=limits::PLACE_WAIT_MS / limits::PLACE_POLL_MS {
        let now_ms = clock::now_ms();
        let end_ms = now_ms.saturating_add(within_ms);
        if IN_FLIGHT
            .with_borrow_mut(|calls| calls.entry(function).or_default().enter(now_ms, end_ms, limits::CALLS_MAX))
        {
            return Ok(end_ms);
        }
        Delay::from(Duration::from_millis(limits::PLACE_POLL_MS)).await;
    }
    Err(InvokeError::Throttled)
}

async fn call_unless_broken<Q: Serialize, A: DeserializeOwned>(
    lambda: &Lambda,
    function: &'static str,
    question: &Q,
    within_ms: u64,
) -> Result<A, InvokeError> {
    let admitted = |breakers: &mut HashMap<_, Breaker>| breakers.entry(function).or_default().admit(clock::now_ms());
    if !BREAKERS.with_borrow_mut(admitted) {
        return Err(InvokeError::Resting);
    }
    let answer = match json::print(question) {
        Ok(payload) => exchange(lambda, function, &payload, within_ms).await,
        Err(error) => Err(unreadable(error)),
    };
    BREAKERS.with_borrow_mut(|breakers| {
        let breaker = breakers.entry(function).or_default();
        match &answer {
            Ok(_) => breaker.succeeded(),
            Err(error) if error.is_the_functions() => breaker.failed(clock::now_ms()),
            Err(_) => breaker.no_verdict(clock::now_ms()),
        }
    });
    answer
}

/// The same without a circuit breaker and a limit, for a caller that has its own and has printed its question.
///
/// # Errors
/// See [`InvokeError`].
pub async fn call_unguarded<A: DeserializeOwned>(
    lambda: &Lambda,
    function: &str,
    payload: &str,
) -> Result<A, InvokeError> {
    exchange(lambda, function, payload, limits::INVOKE_DEADLINE_MS).await
}

async fn exchange<A: DeserializeOwned>(
    lambda: &Lambda,
    function: &str,
    payload: &str,
    within_ms: u64,
) -> Result<A, InvokeError> {
    let lambda = lambda.for_function(function);
    // Orders and signatures are never sent unencrypted, except to this machine.
    if !lambda.url.starts_with("https://") && !origin::is_loopback(&lambda.url) {
        return Err(InvokeError::Unconfigured);
    }
    let url = address::of(lambda, function);
    let invocation = [("content-type", "application/json"), ("x-amz-invocation-type", "RequestResponse")];
    let signed =
        sigv4::sign(lambda, &url, &invocation, payload.as_bytes(), clock::now_ms()).map_err(InvokeError::Network)?;
    let headers = invocation.into_iter().chain(signed.iter().map(|(name, value)| (*name, value.as_str())));
    let said = js::invoke(&url, headers, payload, within_ms).await;
    let said = said.map_err(InvokeError::Network)?.ok_or(InvokeError::Deadline)?;
    let (status, broke, answer) = said.parts();
    read(status, broke, answer)
}

/// Classifies Lambda's response.
///
/// # Errors
/// See [`InvokeError`].
pub fn read<A: DeserializeOwned>(status: u16, function_error: bool, answer: &str) -> Result<A, InvokeError> {
    judge(status, function_error, answer)?;
    json::read(answer).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> InvokeError {
    InvokeError::Unreadable(error.to_string())
}

fn judge(status: u16, function_error: bool, answer: &str) -> Result<(), InvokeError> {
    match status {
        _ if function_error => Err(if is_rejection(answer) { InvokeError::Rejected } else { InvokeError::Function }),
        200 => Ok(()),
        429 => Err(InvokeError::Throttled),
        other => Err(InvokeError::Status(other)),
    }
}

/// Whether the function rejects the request: by the error type that it reports. Errors that Lambda reports (time-out,
/// crash, failed start) have a type with one of Lambda's prefixes. An error that cannot be read does not come from the
/// function.
fn is_rejection(answer: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Reported {
        #[serde(rename = "errorType")]
        error_type: String,
    }
    let Ok(Reported { error_type }) = json::read(answer) else { return false };
    let lambdas = ["Runtime.", "Sandbox.", "Extension.", "Function."];
    error_type != "Retryable" && !lambdas.iter().any(|prefix| error_type.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::Response;

    #[test]
    fn a_result_is_distinguished_from_every_kind_of_error() {
        let of = |status, broke| judge(status, broke, "{}");
        assert_eq!(of(200, false), Ok(()));
        assert_eq!(of(200, true), Err(InvokeError::Function));
        assert_eq!(of(429, false), Err(InvokeError::Throttled));
        for status in [202, 302, 403, 404, 500, 502] {
            assert_eq!(of(status, false), Err(InvokeError::Status(status)));
        }
        assert!(read::<u8>(200, false, "x").is_err_and(|error| !error.is_the_functions()));
        assert_eq!(read(200, false, "7"), Ok(7_u8));
    }

    #[test]
    fn an_error_about_the_request_is_not_a_failure_of_the_function() {
        let of = |error_type: &str| {
            judge(200, true, &serde_json::json!({"errorType": error_type, "errorMessage": "m"}).to_string())
        };
        for error_type in ["NonRetryable", "InvalidEventDataError", "alloc::string::String", "&str"] {
            assert_eq!(of(error_type), Err(InvokeError::Rejected), "{error_type}");
        }
        for error_type in ["Retryable", "Sandbox.Timedout", "Runtime.ExitError", "Function.ResponseSizeTooLarge"] {
            assert_eq!(of(error_type), Err(InvokeError::Function), "{error_type}");
        }
        assert_eq!(judge(200, true, "Task timed out after 25.00 seconds"), Err(InvokeError::Function));
        let counts = [InvokeError::Function, InvokeError::Deadline, InvokeError::Status(502), InvokeError::Status(403)];
        assert!(counts.iter().all(InvokeError::is_the_functions));
        let others = [InvokeError::Rejected, InvokeError::Throttled, InvokeError::Status(413), InvokeError::Resting];
        assert!(!others.iter().any(InvokeError::is_the_functions));
    }

    #[test]
    fn a_client_gets_a_retry_after_and_no_cause() {
        let answer = Response::from(Problem::from(InvokeError::Network("10.0.0.1: connection refused".to_owned())));
        assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")));
        assert!(!String::from_utf8_lossy(&answer.body).contains("10.0.0.1"));
    }
}
