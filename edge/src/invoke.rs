//! Calls a function by Lambda's Invoke API, the same on AWS and on the local emulator, and tells an answer from a
//! function that broke, one that is throttled, one that is late and one that cannot be reached.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use worker::Delay;

use crate::breaker::Breaker;
use crate::config::Lambda;
use crate::in_flight::InFlight;
use crate::problem::Problem;
use crate::{bounds, clock, crossing, origin, sigv4};

/// Why there is no answer. Whether the function did its work is unknown in every case.
#[derive(Debug, PartialEq, Eq)]
pub enum InvokeError {
    /// `X-Amz-Function-Error`: it returned an error, panicked or timed out.
    Function,
    /// 429, or our own bound: as many instances as are allowed are busy.
    Throttled,
    /// Any other status: not ours to call, no such function, Lambda itself.
    Status(u16),
    Deadline,
    Network(String),
    /// An answer that is not what the verb promises.
    Unreadable(String),
    /// It failed several times in a row and is left alone for a moment.
    Resting,
    /// The Worker is not configured to call anything, or to call it in clear.
    Unconfigured,
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
    /// One a function, as this isolate saw it.
    static BREAKERS: RefCell<HashMap<&'static str, Breaker>> = RefCell::default();
    static IN_FLIGHT: RefCell<HashMap<&'static str, InFlight>> = RefCell::default();
}

/// Calls `function` unless it has just failed too often.
///
/// # Errors
/// See [`InvokeError`].
pub async fn call<Q: Serialize, A: DeserializeOwned>(
    lambda: &Lambda,
    function: &'static str,
    question: &Q,
) -> Result<A, InvokeError> {
    call_within(lambda, function, question, bounds::INVOKE_DEADLINE_MS).await
}

/// The same for a function that may take longer.
///
/// # Errors
/// See [`InvokeError`].
pub async fn call_within<Q: Serialize, A: DeserializeOwned>(
    lambda: &Lambda,
    function: &'static str,
    question: &Q,
    within_ms: u64,
) -> Result<A, InvokeError> {
    let end_ms = place(function, within_ms).await?;
    let answer = call_unless_broken(lambda, function, question, within_ms).await;
    IN_FLIGHT.with_borrow_mut(|calls| calls.entry(function).or_default().leave(end_ms));
    answer
}

/// A place among the calls in the air, kept until the moment that it says. A burst waits here for a while; each looks for
/// itself, because one request may not wake another.
async fn place(function: &'static str, within_ms: u64) -> Result<u64, InvokeError> {
    for _ in 0..=bounds::PLACE_WAIT_MS / bounds::PLACE_POLL_MS {
        let now_ms = clock::now_ms();
        let end_ms = now_ms.saturating_add(within_ms);
        if IN_FLIGHT
            .with_borrow_mut(|calls| calls.entry(function).or_default().enter(now_ms, end_ms, bounds::CALLS_MAX))
        {
            return Ok(end_ms);
        }
        Delay::from(Duration::from_millis(bounds::PLACE_POLL_MS)).await;
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
    let answer = exchange(lambda, function, question, within_ms).await;
    BREAKERS.with_borrow_mut(|breakers| {
        let breaker = breakers.entry(function).or_default();
        if answer.is_ok() { breaker.succeeded() } else { breaker.failed(clock::now_ms()) }
    });
    answer
}

/// The same for a caller with a breaker of its own.
///
/// # Errors
/// See [`InvokeError`].
pub async fn call_unguarded<Q: Serialize, A: DeserializeOwned>(
    lambda: &Lambda,
    function: &str,
    question: &Q,
) -> Result<A, InvokeError> {
    exchange(lambda, function, question, bounds::INVOKE_DEADLINE_MS).await
}

async fn exchange<Q: Serialize, A: DeserializeOwned>(
    lambda: &Lambda,
    function: &str,
    question: &Q,
    within_ms: u64,
) -> Result<A, InvokeError> {
    // A buyer's order and our signature go over no network in clear.
    if !lambda.url.starts_with("https://") && !origin::is_loopback(&lambda.url) {
        return Err(InvokeError::Unconfigured);
    }
    let payload = serde_json::to_string(question).map_err(unreadable)?;
    let url = format!("{}/2015-03-31/functions/{}{function}/invocations", lambda.url, lambda.prefix);
    let invocation = [("content-type", "application/json"), ("x-amz-invocation-type", "RequestResponse")];
    let signed =
        sigv4::sign(lambda, &url, &invocation, payload.as_bytes(), clock::now_ms()).map_err(InvokeError::Network)?;
    let headers = invocation.into_iter().chain(signed.iter().map(|(name, value)| (*name, value.as_str())));
    let said = crossing::invoke(&url, headers, &payload, within_ms).await;
    let said = said.map_err(InvokeError::Network)?.ok_or(InvokeError::Deadline)?;
    let (status, broke, answer) = said.parts();
    judge(status, broke)?;
    serde_json::from_str(answer).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> InvokeError {
    InvokeError::Unreadable(error.to_string())
}

fn judge(status: u16, function_error: bool) -> Result<(), InvokeError> {
    match status {
        _ if function_error => Err(InvokeError::Function),
        200 => Ok(()),
        429 => Err(InvokeError::Throttled),
        other => Err(InvokeError::Status(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Answer;

    #[test]
    fn an_answer_is_told_from_everything_that_is_none() {
        assert_eq!(judge(200, false), Ok(()));
        assert_eq!(judge(200, true), Err(InvokeError::Function));
        assert_eq!(judge(429, false), Err(InvokeError::Throttled));
        for status in [202, 302, 403, 404, 500, 502] {
            assert_eq!(judge(status, false), Err(InvokeError::Status(status)));
        }
    }

    #[test]
    fn a_client_learns_only_that_it_should_try_again() {
        let answer = Answer::from(Problem::from(InvokeError::Network("10.0.0.1: connection refused".to_owned())));
        assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")));
        assert!(!String::from_utf8_lossy(&answer.body).contains("10.0.0.1"));
    }
}
