//! AWS Signature Version 4 for the Invoke API, with the time passed in.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_request};
use aws_sigv4::sign::v4;

use crate::config::Lambda;

const SERVICE: &str = "lambda";

/// The headers that sign a POST of `payload` to `url` with `headers`.
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
    sign_for(lambda, SERVICE, ("POST", url), headers, payload, now_ms)
}

fn sign_for(
    lambda: &Lambda,
    service: &str,
    (method, url): (&str, &str),
    headers: &[(&'static str, &'static str)],
    payload: &[u8],
    now_ms: u64,
) -> Result<Vec<(&'static str, String)>, String> {
    // `SystemTime::now` panics in Wasm; a moment counted from the epoch does not.
    let now = UNIX_EPOCH.checked_add(Duration::from_millis(now_ms)).unwrap_or(UNIX_EPOCH);
    let token = lambda.session_token.clone();
    let identity = Credentials::new(&lambda.access_key_id, &lambda.secret_access_key, token, None, "wrangler").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&lambda.region)
        .name(service)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| format!("sigv4: {error}"))?
        .into();
    let signable = SignableRequest::new(method, url, headers.iter().copied(), SignableBody::Bytes(payload))
        .map_err(|error| format!("sigv4: {error}"))?;
    let signed = sign_request(signable, &params).map_err(|error| format!("sigv4: {error}"))?;
    let (headers, _) = signed.into_parts().0.into_parts();
    Ok(headers.into_iter().map(|header| (header.name(), header.value().to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 August 2015, 12:36:00 UTC: the moment of AWS's published examples.
    const THEN_MS: u64 = 1_440_938_160_000;

    fn authorization(
        session_token: Option<&str>,
        method: &str,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) -> String {
        let lambda = Lambda {
            url: String::new(),
            region: "us-east-1".to_owned(),
            prefix: String::new(),
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: session_token.map(str::to_owned),
        };
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
}
