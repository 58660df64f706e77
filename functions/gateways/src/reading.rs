//! Reading what gateways answer, and writing what they are asked: what all of them have in common.

use serde_json::Value;

use crate::{Answer, Asked, Truth};

/// Statuses after which the same request may still be done: busy, in flight, too many.
pub fn again(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429)
}

/// The beginning of an answer, for a log and an operator.
pub fn said(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(answer.body);
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    format!("{} {text}", answer.status)
}

pub fn json(answer: &Answer) -> Option<Value> {
    serde_json::from_slice(answer.body).ok()
}

/// A whole number however it is written: `1`, `1.0`.
pub fn whole(value: &Value) -> Option<i64> {
    wire::whole::number(value).ok()
}

pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// An id from outside as one segment of a path.
pub fn segment(id: &str) -> String {
    use std::fmt::Write;
    id.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

/// A page of a list, as JSON.
pub fn page(answer: &Answer) -> Result<Value, String> {
    match (answer.status, json(answer)) {
        (200, Some(page)) => Ok(page),
        (200, None) => Err("a list that is no JSON".to_owned()),
        _ => Err(said(answer)),
    }
}

/// A payment that the gateway says it has; `truth` reads it.
pub fn asked(answer: &Answer, truth: impl FnOnce(&Value) -> Option<Truth>) -> Asked {
    match answer.status {
        200 => match json(answer).as_ref().and_then(truth) {
            Some(truth) => Asked::Known(truth),
            None => Asked::Unknown("an answer that is no payment".to_owned()),
        },
        404 => Asked::NotFound,
        // 401 is about our secret, whatever was asked.
        400..500 if !again(answer.status) && answer.status != 401 => Asked::Refused(said(answer)),
        _ => Asked::Unknown(said(answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::{asked, segment};
    use crate::{Answer, Asked};

    #[test]
    fn a_question_that_is_refused_is_no_failure_of_the_gateway() {
        let of = |status| asked(&Answer { status, body: b"{}" }, |_| None);
        assert_eq!(of(404), Asked::NotFound);
        for status in [400, 403, 405, 422] {
            assert!(matches!(of(status), Asked::Refused(_)), "{status}");
        }
        for status in [200, 302, 401, 408, 409, 429, 500, 503] {
            assert!(matches!(of(status), Asked::Unknown(_)), "{status}");
        }
    }

    #[test]
    fn an_id_from_outside_stays_one_segment_of_the_path() {
        assert_eq!(segment("pay_1-A~"), "pay_1-A~");
        assert_eq!(segment("../refunds?a=1#b 가"), "%2E%2E%2Frefunds%3Fa%3D1%23b%20%EA%B0%80");
    }
}
