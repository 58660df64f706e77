//! AWS Signature Version 4 for the Invoke API, with the time passed in. AWS's own crate would add a tenth to the
//! Worker's size; here it only verifies, in the tests.

use hmac::Mac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;

use crate::runtime::config::Lambda;
use crate::runtime::digest::{hmac_sha256, sha256_hex};

const SERVICE: &str = "lambda";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The headers that sign a POST of `payload` to `url` with `headers`, whose names are in small letters. A query has one
/// parameter, encoded by [`encoded`].
///
/// # Errors
/// What cannot be signed, as a sentence for the log.
pub fn sign(
    lambda: &Lambda,
    url: &str,
    headers: &[(&'static str, &'static str)],
    payload: &[u8],
    now_ms: u64,
) -> Result<Vec<(&'static str, String)>, String> {
    let signed = sign_for(lambda, SERVICE, ("POST", url), headers, payload, now_ms);
    signed.ok_or_else(|| format!("sigv4: cannot sign for {url} at {now_ms}"))
}

fn sign_for(
    lambda: &Lambda,
    service: &str,
    (method, url): (&str, &str),
    headers: &[(&str, &str)],
    payload: &[u8],
    now_ms: u64,
) -> Option<Vec<(&'static str, String)>> {
    let (_, rest) = url.split_once("://")?;
    let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (date, time) = date_and_time(now_ms)?;
    let moment = format!("{date}T{time}Z");

    let mut headers = headers.to_vec();
    headers.extend([("host", host), ("x-amz-date", &moment)]);
    headers.extend(lambda.session_token.as_deref().map(|token| ("x-amz-security-token", token)));
    headers.sort_unstable();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let request = format!("{method}\n{}\n{query}\n{lines}\n{names}\n{}", canonical(path), sha256_hex(payload));

    let scope = format!("{date}/{}/{service}/aws4_request", lambda.region);
    let to_sign = format!("{ALGORITHM}\n{moment}\n{scope}\n{}", sha256_hex(request.as_bytes()));
    let mut key = format!("AWS4{}", lambda.secret_access_key).into_bytes();
    for part in [date.as_str(), &lambda.region, service, "aws4_request", &to_sign] {
        key = hmac_sha256(&key, &[part.as_bytes()])?.finalize().into_bytes().to_vec();
    }
    let credential = format!("{}/{scope}", lambda.access_key_id);
    let authorization =
        format!("{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={}", hex::encode(&key));

    let mut signed = vec![("authorization", authorization), ("x-amz-date", moment)];
    signed.extend(lambda.session_token.clone().map(|token| ("x-amz-security-token", token)));
    Some(signed)
}

/// What stays as it is in a value of a query, and in a canonical path.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// A value of a query, as it is sent and signed.
pub fn encoded(value: &str) -> impl std::fmt::Display {
    utf8_percent_encode(value, UNRESERVED)
}

/// A path as it is sent, encoded once more.
fn canonical(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { utf8_percent_encode(path, PATH).to_string() }
}

/// `20150830` and `123600`, in UTC. None: later than a year of four digits.
fn date_and_time(now_ms: u64) -> Option<(String, String)> {
    let now = OffsetDateTime::from_unix_timestamp(i64::try_from(now_ms / 1_000).ok()?).ok()?;
    let (year, month, day) = now.to_calendar_date();
    let (hour, minute, second) = now.to_hms();
    let date = format!("{year}{:02}{day:02}", u8::from(month));
    Some((date, format!("{hour:02}{minute:02}{second:02}")))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{self, SignableBody, SignableRequest, SigningSettings};
    use aws_sigv4::sign::v4;

    use super::*;

    /// 30 August 2015, 12:36:00 UTC: the moment of AWS's published examples.
    const THEN_MS: u64 = 1_440_938_160_000;

    fn lambda(session_token: Option<&str>) -> Lambda {
        Lambda {
            url: String::new(),
            region: "us-east-1".to_owned(),
            prefix: String::new(),
            qualifier: None,
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: session_token.map(str::to_owned),
            admin: None,
        }
    }

    fn authorization(
        session_token: Option<&str>,
        method: &str,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) -> String {
        let lambda = lambda(session_token);
        let url = (method, "https://example.amazonaws.com/");
        let signed = sign_for(&lambda, "service", url, headers, body.as_bytes(), THEN_MS).unwrap_or_default();
        signed.into_iter().find(|(name, _)| *name == "authorization").map(|(_, value)| value).unwrap_or_default()
    }

    #[test]
    fn the_published_examples_are_signed_as_published() {
        assert_eq!(
            authorization(None, "GET", &[], ""),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        for (token, method, headers, body, signature) in [
            (None, "POST", &[][..], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"),
                "GET",
                &[],
                "",
                "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ),
            (
                None,
                "POST",
                &[
                    ("content-type", "application/x-www-form-urlencoded"),
                    ("content-length", "13"),
                    ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"),
                ],
                "Param1=value1",
                "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ),
        ] {
            let authorization = authorization(token, method, headers, body);
            assert!(authorization.ends_with(&format!("Signature={signature}")), "{authorization}");
        }
    }

    #[test]
    fn the_payload_and_its_headers_are_signed() {
        let of = |headers, body| authorization(None, "POST", headers, body);
        let plain = of(&[("content-type", "application/json")], "{}");
        assert!(plain.contains("SignedHeaders=content-type;host;x-amz-date"), "{plain}");
        assert_ne!(plain, of(&[("content-type", "application/json")], "{ }"));
        assert_ne!(plain, of(&[("content-type", "text/plain")], "{}"));
    }

    /// The same by AWS's own crate.
    fn by_aws(lambda: &Lambda, url: &str, headers: &[(&str, &str)], body: &[u8], now_ms: u64) -> Vec<(String, String)> {
        let (id, secret, token) = (&lambda.access_key_id, &lambda.secret_access_key, lambda.session_token.clone());
        let identity = Credentials::new(id, secret, token, None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&lambda.region)
            .name(SERVICE)
            .time(UNIX_EPOCH + Duration::from_millis(now_ms))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let request = SignableRequest::new("POST", url, headers.iter().copied(), SignableBody::Bytes(body)).unwrap();
        let (signed, _) = http_request::sign(request, &params).unwrap().into_parts().0.into_parts();
        let mut signed: Vec<_> = signed.iter().map(|one| (one.name().to_owned(), one.value().to_owned())).collect();
        signed.sort();
        signed
    }

    #[test]
    fn every_request_is_signed_as_aws_signs_it() {
        let invocation = [("content-type", "application/json"), ("x-amz-invocation-type", "RequestResponse")];
        for url in [
            "https://lambda.ap-northeast-2.amazonaws.com/2015-03-31/functions/reserve/invocations",
            "http://127.0.0.1:9000/2015-03-31/functions/shop-reserve_2/invocations",
            "https://a.example/2015-03-31/functions/arn:aws:lambda:us-east-1:1:function:reserve/invocations",
            "https://a.example/2015-03-31/functions/reserve%3A1/invocations",
            "https://lambda.ap-northeast-2.amazonaws.com/2015-03-31/functions/holdfast-reserve/invocations?Qualifier=live",
            "https://lambda.ap-northeast-2.amazonaws.com/2015-03-31/functions/reserve/invocations?Qualifier=%24LATEST",
            "https://a.example",
        ] {
            for token in [None, Some("a/token+with=all")] {
                for (body, now_ms) in [("", 0), ("{}", THEN_MS), ("홍", 1_709_164_800_000), ("x", 1_798_761_599_999)] {
                    let lambda = lambda(token);
                    let ours = sign(&lambda, url, &invocation, body.as_bytes(), now_ms).unwrap_or_default();
                    let mut ours: Vec<_> = ours.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                    ours.sort();
                    assert_eq!(ours, by_aws(&lambda, url, &invocation, body.as_bytes(), now_ms), "{url} {now_ms}");
                }
            }
        }
    }

    #[test]
    fn every_day_of_the_calendar_has_its_date() {
        for days in 0..100_000_u64 {
            let at_ms = days * 86_400_000 + 86_399_999;
            let at = jiff::Timestamp::from_millisecond(at_ms as i64).unwrap().strftime("%Y%m%d %H%M%S").to_string();
            assert_eq!(date_and_time(at_ms).map(|(date, time)| format!("{date} {time}")), Some(at));
        }
        assert_eq!(date_and_time(u64::MAX), None);
    }
}
