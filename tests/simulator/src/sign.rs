//! Standard Webhooks 1.0.0, the sender's half: the signature that the edge has to accept. Written from the specification
//! and not from the edge's code, so that the two check each other.

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// `webhook-signature` for one message: `v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`.
/// `timestamp` is in Unix seconds. The key is the secret's base64 after `whsec_`; a secret that is not base64 signs with
/// its own bytes, which no verifier accepts: what a test of a wrong secret wants.
pub fn sign(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> String {
    let key = key(secret).unwrap_or_else(|_| secret.as_bytes().to_vec());
    #[expect(clippy::expect_used, reason = "HMAC is defined for keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes any key");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Refuses a secret outside the specification's 24 to 64 bytes: better at the start than as a 401 for every webhook.
pub(super) fn check(secret: &str) -> anyhow::Result<()> {
    let length = key(secret)?.len();
    ensure!((24..=64).contains(&length), "the webhook secret has {length} bytes; Standard Webhooks asks for 24 to 64");
    Ok(())
}

fn key(secret: &str) -> anyhow::Result<Vec<u8>> {
    STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).context("the webhook secret is not base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_come_out() {
        let rows = [
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
        ];
        for (secret, id, timestamp, body, expected) in rows {
            assert_eq!(sign(secret, id, timestamp, body.as_bytes()), expected);
            assert!(check(secret).is_ok());
        }
    }

    #[test]
    fn a_short_or_unreadable_secret_is_refused_at_the_start() {
        for secret in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64"] {
            assert!(check(secret).is_err(), "{secret:?} was accepted");
        }
    }
}
