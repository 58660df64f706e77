//! Whether a request was made by the Worker for a person: see `protocol::proven`.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use protocol::proven::{FRESH_FOR_MS, Personal, Proven, signed_text};
use sha2::Sha256;

use crate::runtime::config;
use crate::runtime::database::InfraError;

/// Shorter than this proves nothing.
const KEY_MIN_BYTES: usize = 32;

/// Two while one takes the other's place. No `Debug`: they do not belong in a log.
pub struct ProofKeys(Vec<String>);

impl ProofKeys {
    /// From `CONFIRM_KEY`, which the Worker has too; several with commas during a rotation. Without one, nothing is proven.
    #[must_use]
    pub fn from_env() -> Self {
        Self(config::comma_separated("CONFIRM_KEY"))
    }

    /// # Errors
    /// The proof is by no key of ours, too old, or of something else.
    pub fn open(&self, request: &Proven) -> Result<Personal, InfraError> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
        self.open_at(request, now_ms)
    }

    fn open_at(&self, request: &Proven, now_ms: u64) -> Result<Personal, InfraError> {
        let text = signed_text(request.at_ms, &request.proven);
        let mac = hex::decode(&request.mac).unwrap_or_default();
        let signs = |key: &String| {
            let of_key =
                (key.len() >= KEY_MIN_BYTES).then(|| Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()).flatten();
            of_key.is_some_and(|of_key| of_key.chain_update(&text).verify_slice(&mac).is_ok())
        };
        if !self.0.iter().any(signs) {
            return Err(InfraError::misuse("the request is not proven: CONFIRM_KEY is the Worker's and confirm's"));
        }
        if request.at_ms.abs_diff(now_ms) > FRESH_FOR_MS {
            return Err(InfraError::misuse("the request's proof is too old"));
        }
        serde_json::from_str(&request.proven).map_err(|_| InfraError::misuse("what is proven is no request"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const PAY: &str = r#"{"request_id":"r","user_id":"ann","hold_id":"h","pay_with":"free"}"#;

    fn proven(key: &str, at_ms: u64, text: &str) -> Proven {
        let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key");
        let mac = hex::encode(mac.chain_update(signed_text(at_ms, text)).finalize().into_bytes());
        Proven { proven: text.to_owned(), at_ms, mac }
    }

    #[test]
    fn only_a_fresh_request_by_a_key_of_ours_is_proven() {
        let keys = ProofKeys(vec!["another key, which is long enough".to_owned(), KEY.to_owned()]);
        let opens = |request: &Proven| keys.open_at(request, 1_000_000).is_ok();
        assert!(opens(&proven(KEY, 1_000_000, PAY)) && opens(&proven(KEY, 1_000_000 - FRESH_FOR_MS, PAY)));
        let other = Proven { proven: PAY.replace("ann", "bob"), ..proven(KEY, 1_000_000, PAY) };
        let later = Proven { at_ms: 1_000_001, ..proven(KEY, 1_000_000, PAY) };
        let unsigned = Proven { mac: String::new(), ..proven(KEY, 1_000_000, PAY) };
        for request in [
            other,
            later,
            unsigned,
            proven("a key that is not one of ours, but long", 1_000_000, PAY),
            proven(KEY, 1_000_000 - FRESH_FOR_MS - 1, PAY),
            proven(KEY, 1_000_000 + FRESH_FOR_MS + 1, PAY),
            proven(KEY, 1_000_000, "{}"),
        ] {
            assert!(!opens(&request), "{request:?}");
        }
        assert!(ProofKeys(vec![]).open_at(&proven("", 1_000_000, PAY), 1_000_000).is_err());
        assert!(ProofKeys(vec!["short".to_owned()]).open_at(&proven("short", 1_000_000, PAY), 1_000_000).is_err());
    }
}
