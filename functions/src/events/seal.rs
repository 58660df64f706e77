//! Encrypts subscribers' secrets for storage, with a key that only `admin` and `relay` have.
//!
//! `SEAL_KEY` is 32 bytes in base64, or two such keys with a comma between during a rotation: the first encrypts, each
//! decrypts. A secret stored in clear by an earlier release is accepted, and encrypted when it is next used.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};

use crate::runtime::config::{self, ConfigError};
use crate::runtime::database::InfraError;

/// Prefix of an encrypted secret; no secret in clear has it.
const PREFIX: &str = "sealed:";
/// Associated data: a ciphertext made for another purpose does not decrypt here.
const PURPOSE: &[u8] = b"holdfast subscription secret";

/// The keys; at least one.
pub struct Seal {
    first: Key,
    others: Vec<Key>,
}

struct Key {
    /// Identifies the key without revealing it.
    id: String,
    key: LessSafeKey,
}

impl fmt::Debug for Seal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Seal")
    }
}

impl Seal {
    /// By `SEAL_KEY`.
    ///
    /// # Errors
    /// It is missing, or not 32 bytes in base64.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::of(&config::required("SEAL_KEY")?)
            .ok_or_else(|| ConfigError::new("SEAL_KEY", "must be 32 bytes in base64, or several with commas"))
    }

    /// None: one of them is not a key.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let mut keys = text.split(',').map(|one| Key::of(one.trim())).collect::<Option<Vec<Key>>>()?;
        let others = keys.split_off(1.min(keys.len()));
        Some(Self { first: keys.pop()?, others })
    }

    /// # Errors
    /// The system has no randomness.
    pub fn seal(&self, secret: &str) -> Result<String, InfraError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| InfraError::misuse("there is no randomness to seal with"))?;
        let mut sealed = secret.as_bytes().to_vec();
        let done = self.first.key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(PURPOSE),
            &mut sealed,
        );
        done.map_err(|_| InfraError::misuse("a secret could not be sealed"))?;
        let bytes = [nonce.as_slice(), &sealed].concat();
        Ok(format!("{PREFIX}{}:{}", self.first.id, STANDARD_NO_PAD.encode(bytes)))
    }

    /// Decrypts a secret; one stored in clear is returned as it is.
    ///
    /// # Errors
    /// It was encrypted with none of these keys, or changed since.
    pub fn open(&self, stored: &str) -> Result<String, InfraError> {
        let Some(rest) = stored.strip_prefix(PREFIX) else { return Ok(stored.to_owned()) };
        self.opened(rest)
            .ok_or_else(|| InfraError::misuse("a secret cannot be opened: SEAL_KEY has not the key it is sealed with"))
    }

    fn opened(&self, rest: &str) -> Option<String> {
        let (id, text) = rest.split_once(':')?;
        let key = [&self.first].into_iter().chain(&self.others).find(|key| key.id == id)?;
        let bytes = STANDARD_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let secret = key.key.open_in_place(nonce, Aad::from(PURPOSE), &mut sealed).ok()?;
        String::from_utf8(secret.to_vec()).ok()
    }

    /// Whether it is encrypted with the current key.
    #[must_use]
    pub fn is_current(&self, stored: &str) -> bool {
        stored.strip_prefix(PREFIX).and_then(|rest| rest.split_once(':')).is_some_and(|(id, _)| id == self.first.id)
    }
}

impl Key {
    fn of(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok()?);
        let id = hex::encode(Sha256::digest([b"holdfast seal key ", bytes.as_slice()].concat()).get(..4)?);
        Some(Self { id, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; 32])
    }

    fn seal(keys: &str) -> Seal {
        Seal::of(keys).expect("keys")
    }

    #[test]
    fn a_sealed_secret_is_unreadable_and_can_be_opened() {
        let seal = seal(&key(1));
        let (one, two) = (seal.seal("whsec_a").unwrap_or_default(), seal.seal("whsec_a").unwrap_or_default());
        assert!(one != two && !one.contains("whsec_a") && one.starts_with("sealed:"), "{one}");
        assert_eq!(seal.open(&one).ok().as_deref(), Some("whsec_a"));
        assert!(seal.is_current(&one));
    }

    #[test]
    fn what_earlier_releases_wrote_in_clear_is_read_as_it_is() {
        let seal = seal(&key(1));
        assert_eq!(seal.open("whsec_a").ok().as_deref(), Some("whsec_a"));
        assert!(!seal.is_current("whsec_a"));
    }

    #[test]
    fn another_key_opens_nothing_and_the_one_before_still_does() {
        let sealed = seal(&key(1)).seal("whsec_a").unwrap_or_default();
        assert!(seal(&key(2)).open(&sealed).is_err());
        let both = seal(&format!("{}, {}", key(2), key(1)));
        assert_eq!(both.open(&sealed).ok().as_deref(), Some("whsec_a"));
        assert!(!both.is_current(&sealed), "it is sealed anew when it is next used");
        let (head, tail) = sealed.split_at(sealed.len() - 2);
        let other = if tail == "AA" { "BA" } else { "AA" };
        assert!(seal(&key(1)).open(&format!("{head}{other}")).is_err(), "changed since");
        assert!(seal(&key(1)).open("sealed:").is_err());
    }

    #[test]
    fn a_key_is_32_bytes_in_base64() {
        for wrong in ["", ",", "x", &STANDARD.encode([1; 31]), &format!("{},", key(1))] {
            assert!(Seal::of(wrong).is_none(), "{wrong}");
        }
    }
}
