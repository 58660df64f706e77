//! Reading gateways' responses and writing requests: what the gateways have in common.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::http::GatewayResponse;
use crate::snapshot::{LookupResult, PaymentSnapshot};
use crate::units::Unit;

/// Statuses after which the request may still be carried out: timeout, conflict, too early, too many requests.
pub fn is_inconclusive(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429)
}

/// The beginning of a response, for the log and the operator.
pub fn excerpt(response: &GatewayResponse) -> String {
    let text = String::from_utf8_lossy(response.body);
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    format!("{} {text}", response.status)
}

pub fn json(response: &GatewayResponse) -> Option<Value> {
    serde_json::from_slice(response.body).ok()
}

/// A gateway's amount in minor units, exactly: a number that is no such amount is none, and one that is written as a
/// fraction, `1.0`, is one only while every reader keeps it exactly.
pub fn amount(value: &Value, unit: Unit) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    let whole = match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        Value::Number(number) => number.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=EXACT).contains(n))?.to_string(),
        _ => return None,
    };
    unit.read(&whole)
}

pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// All but RFC 3986's unreserved characters; the dot is encoded, too.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// An id from outside as one segment of a path. `.` and `..` are encoded twice, because URL parsers take `%2E%2E` for
/// the parent, too: the gateway is queried for an id that no payment has.
pub fn segment(id: &str) -> String {
    let encoded = utf8_percent_encode(id, SEGMENT).to_string();
    if matches!(id, "." | "..") { segment(&encoded) } else { encoded }
}

/// A page of a list, as JSON.
pub fn page(response: &GatewayResponse) -> Result<Value, String> {
    match (response.status, json(response)) {
        (200, Some(page)) => Ok(page),
        (200, None) => Err("a list that is no JSON".to_owned()),
        _ => Err(excerpt(response)),
    }
}

/// The result of a lookup; `snapshot` reads the payment.
pub fn lookup_result(
    response: &GatewayResponse,
    snapshot: impl FnOnce(&Value) -> Option<PaymentSnapshot>,
) -> LookupResult {
    match response.status {
        200 => match json(response).as_ref().and_then(snapshot) {
            Some(snapshot) => LookupResult::Known(snapshot),
            None => LookupResult::Unreadable("an answer that is no payment".to_owned()),
        },
        404 => LookupResult::NotFound,
        // The gateway works; 401, about our secret, is among these. 429 is its way to say that it does not answer now.
        ..500 if response.status != 429 => LookupResult::Refused(excerpt(response)),
        _ => LookupResult::Unknown(excerpt(response)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{amount, lookup_result, segment};
    use crate::units::Unit;
    use crate::{GatewayResponse, LookupResult};

    #[test]
    fn an_amount_is_a_whole_number_however_it_is_written_and_never_a_rounded_one() {
        let of = |text: &str| amount(&serde_json::from_str::<Value>(text).expect("JSON"), Unit::Minor);
        assert_eq!((of("1000"), of("1000.0"), of("1e3"), of("0")), (Some(1000), Some(1000), Some(1000), Some(0)));
        for none in ["1.5", "-1", "\"1\"", "null", "1e300", "9007199254740993", "18446744073709551615"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_refused_lookup_is_no_failure_of_the_gateway() {
        let of = |status| lookup_result(&GatewayResponse { status, body: b"{}" }, |_| None);
        assert_eq!(of(404), LookupResult::NotFound);
        for status in [302, 400, 401, 403, 405, 408, 409, 422] {
            assert!(matches!(of(status), LookupResult::Refused(_)), "{status}");
        }
        assert!(matches!(of(200), LookupResult::Unreadable(_)), "what it says of one payment");
        for status in [429, 500, 503, 599] {
            assert!(matches!(of(status), LookupResult::Unknown(_)), "{status}");
        }
    }

    #[test]
    fn an_id_from_outside_stays_one_segment_of_the_path() {
        assert_eq!(segment("pay_1-A~"), "pay_1-A~");
        assert_eq!(segment("../refunds?a=1#b 가"), "%2E%2E%2Frefunds%3Fa%3D1%23b%20%EA%B0%80");
        assert_eq!(
            (segment("."), segment(".."), segment("...")),
            ("%252E".into(), "%252E%252E".into(), "%2E%2E%2E".into())
        );
    }
}
