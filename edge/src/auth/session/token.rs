//! A session token: a JWT (RFC 7519), HS256 with one of the session secrets. Errors are specific: a token's holder may
//! read it, and its issuer has to find the mistake.
//!
//! No library judges it, because each would change the rules: `jwt-compact` does not look at `crit` and reads no `exp`
//! with parts of a second; `jsonwebtoken` reads a clock of its own, in whole seconds, and accepts `"crit":null`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use protocol::printable::is_printable;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::http::body::Object;
use crate::runtime::config::SessionRules;
use crate::runtime::digest::hmac_sha256;
use crate::runtime::limits::{
    SESSION_LEEWAY_S, SESSION_SECRET_MIN_BYTES, SESSION_TTL_MAX_S, TOKEN_MAX_BYTES, USER_ID_MAX_CHARS,
};

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    TooLong,
    Form,
    Header,
    Algorithm,
    Critical,
    Signature,
    Claims,
    NoSubject,
    NoExpiry,
    Expired,
    ExpiryTooFar,
    NotBefore,
    NotYet,
    Audience,
    Issuer,
    /// No operator has it.
    Operator,
}

impl Mistake {
    /// In the characters that RFC 6750 allows: no quotation mark, no backslash.
    pub fn says(self) -> &'static str {
        match self {
            Self::TooLong => "the token is longer than 4096 bytes",
            Self::Form => "the token is not three parts of base64url",
            Self::Header => "the header of the token is not JSON with an alg",
            Self::Algorithm => "the alg of the token is not HS256",
            Self::Critical => "the token has a crit, and no extension is understood",
            Self::Signature => "the signature of the token is not one of ours",
            Self::Claims => "the claims of the token are not one JSON object",
            Self::NoSubject => "the sub of the token is not 1 to 128 printable characters",
            Self::NoExpiry => "the exp of the token is not a number of seconds",
            Self::Expired => "the token has expired",
            Self::ExpiryTooFar => "the exp of the token is more than 30 days ahead, or not in seconds",
            Self::NotBefore => "the nbf of the token is not a number of seconds",
            Self::NotYet => "the nbf of the token is ahead",
            Self::Audience => "the aud of the token is another",
            Self::Issuer => "the iss of the token is another",
            Self::Operator => "the token is no operator's",
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that must be understood; none is.
    #[serde(default, deserialize_with = "given")]
    crit: Option<IgnoredAny>,
}

/// Values of any type, so that a wrong one can be named. Other claims may be any JSON.
#[derive(Deserialize)]
struct Claims {
    #[serde(default, deserialize_with = "given")]
    sub: Option<Value>,
    /// Unix seconds, like `nbf`; RFC 7519 allows parts of one.
    #[serde(default, deserialize_with = "given")]
    exp: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    nbf: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    aud: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    iss: Option<Value>,
}

/// A member that is present must have its type: `null` is not absent.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[derive(Serialize)]
struct OwnClaims<'a> {
    sub: &'a str,
    /// Unix seconds.
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
}

/// Whether it has the form of a token. Clients may send many cookies.
pub fn is_formed(token: &str) -> bool {
    token.len() <= TOKEN_MAX_BYTES && token.split('.').count() == 3 && !token.split('.').any(str::is_empty)
}

/// The `user_id` that the token names.
///
/// # Errors
/// The first mistake.
pub fn subject(token: &str, rules: &SessionRules, now_ms: u64) -> Result<String, Mistake> {
    if token.len() > TOKEN_MAX_BYTES {
        return Err(Mistake::TooLong);
    }
    if !is_formed(token) {
        return Err(Mistake::Form);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Mistake::Form)?;
    let (header, claims) = signed.split_once('.').ok_or(Mistake::Form)?;
    let header: Header = json(header).ok_or(Mistake::Header)?;
    ensure(header.alg == "HS256", Mistake::Algorithm)?;
    ensure(header.crit.is_none(), Mistake::Critical)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Mistake::Form)?;
    let signs =
        |secret: &String| key(secret).is_some_and(|mac| mac.chain_update(signed).verify_slice(&signature).is_ok());
    ensure(rules.secrets.iter().any(signs), Mistake::Signature)?;
    judge(json(claims).ok_or(Mistake::Claims)?, rules, now_ms)
}

fn judge(claims: Claims, rules: &SessionRules, now_ms: u64) -> Result<String, Mistake> {
    let now_s = now_ms as f64 / 1_000.0;
    let number = |claim: &Option<Value>| claim.as_ref().and_then(Value::as_f64);
    let expires_s = number(&claims.exp).ok_or(Mistake::NoExpiry)?;
    ensure(expires_s + SESSION_LEEWAY_S > now_s, Mistake::Expired)?;
    ensure(expires_s <= now_s + SESSION_TTL_MAX_S + SESSION_LEEWAY_S, Mistake::ExpiryTooFar)?;
    if claims.nbf.is_some() {
        let from_s = number(&claims.nbf).ok_or(Mistake::NotBefore)?;
        ensure(from_s <= now_s + SESSION_LEEWAY_S, Mistake::NotYet)?;
    }
    ensure(rules.audience.as_ref().is_none_or(|ours| names(&claims.aud, ours)), Mistake::Audience)?;
    let issued_by = |ours: &String| claims.iss.as_ref().and_then(Value::as_str) == Some(ours);
    ensure(rules.issuer.as_ref().is_none_or(issued_by), Mistake::Issuer)?;
    match claims.sub {
        Some(Value::String(sub)) if is_printable(&sub, USER_ID_MAX_CHARS) => Ok(sub),
        _ => Err(Mistake::NoSubject),
    }
}

/// `aud` is one name or several (RFC 7519, 4.1.3).
fn names(audience: &Option<Value>, ours: &str) -> bool {
    match audience {
        Some(Value::String(one)) => one == ours,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(ours)),
        _ => false,
    }
}

/// A token for `user_id`, as the hosted page's own backend would make one.
pub fn issue(user_id: &str, rules: &SessionRules, expires_s: u64) -> Option<String> {
    let (aud, iss) = (rules.audience.as_deref(), rules.issuer.as_deref());
    let claims = serde_json::to_vec(&OwnClaims { sub: user_id, exp: expires_s, aud, iss }).ok()?;
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let signed = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#));
    let signature = key(rules.secrets.first()?)?.chain_update(&signed).finalize().into_bytes();
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn ensure(holds: bool, mistake: Mistake) -> Result<(), Mistake> {
    if holds { Ok(()) } else { Err(mistake) }
}

/// A part of a token: a JSON object in UTF-8, unread members included.
fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    serde_json::from_str(&text).ok().map(|Object(value)| value)
}

/// A missing or short secret verifies nothing.
fn key(secret: &str) -> Option<hmac::Hmac<sha2::Sha256>> {
    (secret.len() >= SESSION_SECRET_MIN_BYTES).then(|| hmac_sha256(secret.as_bytes(), &[])).flatten()
}

#[cfg(test)]
mod tests;
