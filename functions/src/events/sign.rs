//! Standard Webhooks 1.0.0, the sender's side: secrets and signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a secret; the specification asks for 24 to 64.
const SECRET_BYTES: usize = 32;

/// A new secret. None: the system has no randomness.
#[must_use]
pub fn new_secret() -> Option<String> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("whsec_{}", STANDARD.encode(bytes)))
}

/// `webhook-signature`: one signature for each secret, separated by spaces, so that a receiver with either of two
/// accepts it. `timestamp` is in Unix seconds. None: a secret is malformed, or there is none.
#[must_use]
pub fn signatures(secrets: &[String], id: &str, timestamp: u64, body: &str) -> Option<String> {
    let signed: Option<Vec<String>> = secrets.iter().map(|secret| signature(secret, id, timestamp, body)).collect();
    signed.filter(|signed| !signed.is_empty()).map(|signed| signed.join(" "))
}

fn signature(secret: &str, id: &str, timestamp: u64, body: &str) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_come_out() {
        for (secret, id, timestamp, body, want) in [
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
        ] {
            assert_eq!(signatures(&[secret.to_owned()], id, timestamp, body).as_deref(), Some(want));
        }
    }

    #[test]
    fn two_secrets_are_two_signatures_and_none_is_no_message() {
        let secrets: Vec<String> = (0..2).filter_map(|_| new_secret()).collect();
        let both = signatures(&secrets, "id", 1, "{}").unwrap_or_default();
        let each: Vec<String> = secrets.iter().filter_map(|secret| signature(secret, "id", 1, "{}")).collect();
        assert_eq!(both.split(' ').collect::<Vec<_>>(), each);
        assert_ne!(secrets[0], secrets[1]);
        assert_eq!(signatures(&[], "id", 1, "{}"), None);
        assert_eq!(signatures(&["whsec_?".to_owned()], "id", 1, "{}"), None);
    }
}
