//! Standard Webhooks 1.0.0, over the raw bytes: how a gateway's webhook is verified, and how a message to a subscriber is
//! signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::event::Message;

/// What is signed beside the body, and the signature.
pub const HEADERS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
/// How far a webhook's clock may be from ours, both ways; Stripe's libraries use the same.
pub const TOLERANCE_S: u64 = 300;
/// Signatures of one message that are looked at: a sender has one, or two while a secret is being changed.
pub const CANDIDATES_MAX: usize = 8;
/// An HMAC-SHA256, and its base64.
pub const MAC_BYTES: usize = 32;
const ENCODED_CHARS: usize = 44;
/// A secret's length after decoding, as the specification bounds it.
const SECRET_MIN_BYTES: usize = 24;
const SECRET_MAX_BYTES: usize = 64;
/// Bytes of a subscriber's secret.
pub const SECRET_BYTES: usize = 32;

/// What came with a webhook, as it came.
struct Signed<'a> {
    id: Option<&'a str>,
    /// Unix seconds.
    timestamp: Option<&'a str>,
    /// Space-separated `v1,<base64>`; several while a secret is being changed.
    signature: Option<&'a str>,
    body: &'a [u8],
}

/// The key of a configured `whsec_…`; none if it is missing or of a length the specification does not allow.
fn key(secret: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
    (SECRET_MIN_BYTES..=SECRET_MAX_BYTES).contains(&key.len()).then_some(key)
}

/// Unix seconds as every gateway writes them: digits, of which the first is no zero. A number is read in more ways than it
/// is signed in.
pub fn seconds(text: &str) -> Option<u64> {
    let plain = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && !text.starts_with('0')).then(|| text.parse().ok()).flatten()
}

/// Whether one of the secrets signed it: there are two while one takes the other's place.
#[must_use]
pub fn is_signed(secrets: &[String], message: &Message, now_s: u64) -> bool {
    let header = message.header;
    let (id, timestamp, signature) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let signed = Signed {
        id: id.as_deref(),
        timestamp: timestamp.as_deref(),
        signature: signature.as_deref(),
        body: message.body,
    };
    secrets.iter().filter_map(|secret| key(secret)).any(|key| is_valid(&signed, &key, now_s))
}

fn is_valid(signed: &Signed, key: &[u8], now_s: u64) -> bool {
    check(signed, key, now_s).unwrap_or(false)
}

fn check(signed: &Signed, key: &[u8], now_s: u64) -> Option<bool> {
    let (id, timestamp) = (signed.id?, signed.timestamp?);
    let sent_s = seconds(timestamp)?;
    if id.is_empty() || now_s.abs_diff(sent_s) > TOLERANCE_S {
        return Some(false);
    }
    let candidates = candidates(signed.signature?);
    if candidates.is_empty() {
        return Some(false);
    }
    let mac = mac(key, id, timestamp, signed.body)?;
    Some(candidates.iter().any(|candidate| mac.clone().verify_slice(candidate).is_ok()))
}

fn mac(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].iter().for_each(|part| mac.update(part));
    Some(mac)
}

/// A new secret's text.
#[must_use]
pub fn secret(bytes: &[u8; SECRET_BYTES]) -> String {
    format!("whsec_{}", STANDARD.encode(bytes))
}

/// `webhook-signature`: one signature for each secret, separated by spaces, so that a receiver with either of two
/// accepts it. `timestamp` is in Unix seconds. None: a secret is malformed, or there is none.
#[must_use]
pub fn signatures(secrets: &[String], id: &str, timestamp: u64, body: &str) -> Option<String> {
    let signed: Option<Vec<String>> = secrets.iter().map(|secret| signature(secret, id, timestamp, body)).collect();
    signed.filter(|signed| !signed.is_empty()).map(|signed| signed.join(" "))
}

fn signature(secret: &str, id: &str, timestamp: u64, body: &str) -> Option<String> {
    let mac = mac(&key(secret)?, id, &timestamp.to_string(), body.as_bytes())?;
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// The candidates of a signature, up to a bound: the sender is not authenticated yet, and each costs a hash.
fn candidates(header: &str) -> Vec<Vec<u8>> {
    let encoded = header.split(' ').filter_map(|one| one.strip_prefix("v1,").filter(|mac| mac.len() == ENCODED_CHARS));
    let decoded = encoded.filter_map(|mac| STANDARD.decode(mac).ok().filter(|mac| mac.len() == MAC_BYTES));
    decoded.take(CANDIDATES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const GOOD: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
    const SENT_S: u64 = 1_649_367_553;

    fn vector<'a>(signature: &'a str, timestamp: &'a str) -> Signed<'a> {
        Signed {
            id: Some("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
            timestamp: Some(timestamp),
            signature: Some(signature),
            body: br#"{"email":"test@example.com","username":"test_user"}"#,
        }
    }

    fn accepts(signature: &str, now_s: u64) -> bool {
        is_valid(&vector(signature, "1649367553"), &key(SECRET).unwrap_or_default(), now_s)
    }

    #[test]
    fn the_published_vectors_are_valid() {
        assert!(accepts(GOOD, SENT_S));
        // The second is signed with 24 bytes whose secret has no prefix.
        let other = Signed {
            id: Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
            timestamp: Some("1614265330"),
            signature: Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            body: br#"{"test": 2432232314}"#,
        };
        let secret = key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap_or_default();
        assert!(is_valid(&other, &secret, 1_614_265_330));
    }

    #[test]
    fn one_good_signature_among_several_is_enough() {
        assert!(accepts(&format!("v1a,AAAA v1,AAAA v2,xyz {GOOD}"), SENT_S));
        for bad in [
            "",
            "v1,",
            "v1",
            &GOOD[..7],
            &GOOD[..35],
            &GOOD[3..],
            &GOOD.replace("v1,", "v2,"),
            &GOOD.replace("tZ1", "tZ2"),
            "v1,!!",
        ] {
            assert!(!accepts(bad, SENT_S), "{bad}");
        }
    }

    #[test]
    fn signatures_beyond_the_bound_are_not_checked() {
        let wrong = format!("v1,{} ", STANDARD.encode([7_u8; MAC_BYTES]));
        let behind = |forged: usize| accepts(&format!("{}{GOOD}", wrong.repeat(forged)), SENT_S);
        assert!(behind(CANDIDATES_MAX - 1) && !behind(CANDIDATES_MAX));
        // What cannot be a signature does not count against the bound.
        let formless = "v1,AAAA v2,x v1, ".repeat(1_000);
        assert!(accepts(&format!("{formless}{GOOD}"), SENT_S));
        assert_eq!(candidates(&wrong.repeat(1_300)).len(), CANDIDATES_MAX);
        assert_eq!(candidates(&formless).len(), 0);
    }

    #[test]
    fn five_minutes_either_way_are_tolerated_and_no_more() {
        assert!(accepts(GOOD, SENT_S + 300) && accepts(GOOD, SENT_S - 300));
        assert!(!accepts(GOOD, SENT_S + 301) && !accepts(GOOD, SENT_S - 301));
    }

    #[test]
    fn every_part_is_signed_and_every_header_required() {
        let secret = key(SECRET).unwrap_or_default();
        let refused = |signed: Signed| !is_valid(&signed, &secret, SENT_S);
        let good = || vector(GOOD, "1649367553");
        assert!(!refused(good()));
        assert!(refused(Signed { id: None, ..good() }));
        assert!(refused(Signed { id: Some("msg_other"), ..good() }));
        assert!(refused(Signed { timestamp: None, ..good() }));
        assert!(refused(Signed { signature: None, ..good() }));
        assert!(refused(Signed { body: b"{}", ..good() }));
        // Another JSON of the same meaning is another body.
        assert!(refused(Signed { body: &[good().body, b"\n"].concat(), ..good() }));
        for timestamp in ["1649367554", "+1649367553", "1649367553.0", "", "-1", "99999999999999999999"] {
            assert!(refused(vector(GOOD, timestamp)), "{timestamp}");
        }
    }

    #[test]
    fn a_timestamp_has_one_form_however_it_is_signed() {
        let secret = key(SECRET).unwrap_or_default();
        let signed_at = |timestamp: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&secret).expect("a key");
            mac.update(format!("msg_1.{timestamp}.{{}}").as_bytes());
            let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
            let signed =
                Signed { id: Some("msg_1"), timestamp: Some(timestamp), signature: Some(&signature), body: b"{}" };
            is_valid(&signed, &secret, SENT_S)
        };
        assert!(signed_at("1649367553"));
        for other in ["+1649367553", "01649367553", "0001649367553", " 1649367553", "1649367553 ", "１649367553"] {
            assert!(!signed_at(other), "{other}");
        }
        assert_eq!((seconds("999999999999"), seconds("1000000000000")), (Some(999_999_999_999), None));
    }

    #[test]
    fn a_secret_of_another_length_is_no_key() {
        for secret in ["", "whsec_", "whsec_AAAA", "not base64!", &format!("whsec_{}", "A".repeat(88))] {
            assert_eq!(key(secret), None, "{secret}");
        }
    }

    #[test]
    fn the_published_vectors_come_out() {
        for (secret, id, timestamp, body, want) in [
            (
                SECRET,
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                SENT_S,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                GOOD,
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
        let secrets = [secret(&[1; SECRET_BYTES]), secret(&[2; SECRET_BYTES])];
        let both = signatures(&secrets, "id", 1, "{}").unwrap_or_default();
        let each: Vec<String> = secrets.iter().filter_map(|secret| signature(secret, "id", 1, "{}")).collect();
        assert_eq!(both.split(' ').collect::<Vec<_>>(), each);
        assert_ne!(each[0], each[1]);
        assert_eq!(signatures(&[], "id", 1, "{}"), None);
        assert_eq!(signatures(&["whsec_?".to_owned()], "id", 1, "{}"), None);
    }
}
