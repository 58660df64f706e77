//! Who the buyers are to the shop: a session token of their own and an address of their own, made before the opening.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderValue;
use serde_json::json;
use sha2::Sha256;

use super::buyer::Who;

/// Longer than any rush.
const TOKEN_TTL_S: i64 = 3_600;

/// Makes buyers of one sale.
pub struct Crowd<'a> {
    sale_id: &'a str,
    session_secret: &'a str,
    /// Sets their addresses apart from those of other runs, which the shop still counts.
    tag: u16,
    /// So many of them come from one address.
    per_address: usize,
}

impl<'a> Crowd<'a> {
    pub fn new(sale_id: &'a str, session_secret: &'a str, per_address: usize) -> Self {
        let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
        Self { sale_id, session_secret, tag: u16::from_be_bytes([high, low]), per_address }
    }

    pub fn member(&self, number: usize) -> anyhow::Result<Who> {
        let user_id = format!("{}-{number}", self.sale_id);
        let expires = jiff::Timestamp::now().as_second() + TOKEN_TTL_S;
        let token = HeaderValue::from_str(&format!("Bearer {}", self.token(&user_id, expires)?))?;
        // A /64 each: an IPv6 network counts as one address.
        let network = number / self.per_address.max(1);
        let (high, low) = (network >> 16, network & 0xffff);
        let address = HeaderValue::from_str(&format!("2001:db8:{:x}:{low:x}::{:x}", self.tag, high + 1))?;
        Ok(Who { user_id, token, address })
    }

    /// HS256, as docs/callers.md says.
    fn token(&self, user_id: &str, expires: i64) -> anyhow::Result<String> {
        let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
        let header = encode(json!({"alg": "HS256", "typ": "JWT"}).to_string());
        let signed = format!("{header}.{}", encode(json!({"sub": user_id, "exp": expires}).to_string()));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.session_secret.as_bytes())?;
        mac.update(signed.as_bytes());
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
    }
}
