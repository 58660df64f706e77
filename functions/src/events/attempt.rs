//! The result of an attempt by the receiver's response: Standard Webhooks 1.0.0, "Webhook headers and responses".

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::runtime::limits::{BREAKER_OPEN_S, RETRY_AFTER_MAX_S};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryResult {
    Accepted,
    /// 410: the endpoint no longer exists.
    Gone,
    Failed {
        /// Whether the receiver works, so that only this message failed.
        healthy: bool,
        /// Its `Retry-After`.
        pause: Option<Duration>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub answer: DeliveryResult,
    /// Of the answer, where there was one.
    pub status: Option<u16>,
    /// For the operator; without secrets and addresses.
    pub error: Option<String>,
}

impl Attempt {
    #[must_use]
    pub fn accepted(status: Option<u16>) -> Self {
        Self { answer: DeliveryResult::Accepted, status, error: None }
    }

    /// No answer, for a reason.
    #[must_use]
    pub fn failed(error: impl Into<String>) -> Self {
        let error: String = error.into().chars().filter(|character| !character.is_control()).take(300).collect();
        Self { answer: DeliveryResult::Failed { healthy: false, pause: None }, status: None, error: Some(error) }
    }

    /// By an HTTP answer's status and `Retry-After`.
    #[must_use]
    pub fn answered(status: u16, retry_after: Option<&str>, now: Timestamp) -> Self {
        let asked = retry_after.and_then(|text| pause(text, now));
        let answer = match status {
            200..300 => return Self::accepted(Some(status)),
            410 => DeliveryResult::Gone,
            // Throttle, says the specification, whether or not it was said for how long.
            429 | 502 | 504 => {
                DeliveryResult::Failed { healthy: false, pause: asked.or(Some(Duration::from_secs(BREAKER_OPEN_S))) }
            }
            503 => DeliveryResult::Failed { healthy: false, pause: asked },
            500.. => DeliveryResult::Failed { healthy: false, pause: None },
            _ => DeliveryResult::Failed { healthy: true, pause: None },
        };
        let redirect = if (300..400).contains(&status) { ", and no redirect is followed" } else { "" };
        Self { answer, status: Some(status), error: Some(format!("the receiver answered {status}{redirect}")) }
    }
}

/// `Retry-After`, seconds or a date (RFC 9110), bounded: a receiver may not suspend itself for a year.
fn pause(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let seconds = text.parse::<u64>().ok().or_else(|| {
        let at = DateTimeParser::new().parse_timestamp(text).ok()?;
        u64::try_from(at.as_second().saturating_sub(now.as_second())).ok()
    })?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_MAX_S)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_accepted_or_final_or_throttling_or_a_failure() {
        let failed =
            |healthy, pause_s: Option<u64>| DeliveryResult::Failed { healthy, pause: pause_s.map(Duration::from_secs) };
        for (status, retry_after, want) in [
            (200, None, DeliveryResult::Accepted),
            (204, Some("5"), DeliveryResult::Accepted),
            (301, None, failed(true, None)),
            (400, Some("5"), failed(true, None)),
            (404, None, failed(true, None)),
            (410, None, DeliveryResult::Gone),
            (429, None, failed(false, Some(30))),
            (429, Some("7"), failed(false, Some(7))),
            (429, Some("99999999"), failed(false, Some(3_600))),
            (429, Some("soon"), failed(false, Some(30))),
            (500, Some("7"), failed(false, None)),
            (502, None, failed(false, Some(30))),
            (503, None, failed(false, None)),
            (503, Some("Fri, 01 Jan 2027 00:00:09 GMT"), failed(false, Some(9))),
            (503, Some("Fri, 01 Jan 2021 00:00:09 GMT"), failed(false, None)),
            (504, None, failed(false, Some(30))),
        ] {
            let now = Timestamp::from_second(1_798_761_600).unwrap_or_default();
            assert_eq!(Attempt::answered(status, retry_after, now).answer, want, "{status} {retry_after:?}");
        }
    }
}
