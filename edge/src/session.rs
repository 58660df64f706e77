//! Who is calling: the buyer's session token (a JWT, HS256) and the operator's token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use subtle::ConstantTimeEq;
use wire::printable::is_printable;

use crate::bounds;
use crate::digest::{hmac_sha256, sha256};
use crate::problem::{Code, Problem};

pub const COOKIE: &str = "holdfast_session";

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that must be understood: there are none that we do.
    #[serde(default, deserialize_with = "given")]
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Unix seconds; RFC 7519 allows parts of one.
    exp: f64,
    #[serde(default, deserialize_with = "given")]
    nbf: Option<f64>,
}

#[derive(Serialize)]
struct OwnClaims<'a> {
    sub: &'a str,
    /// Unix seconds.
    exp: u64,
}

/// What is there has to have its type: `null` is not left out.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// The buyer, by the Authorization header, else by the cookie.
///
/// # Errors
/// `unauthenticated`, whatever is wrong with the token: why is nobody's business.
pub fn buyer(auth: Option<&str>, cookies: Option<&str>, secret: &str, now_ms: u64) -> Result<String, Problem> {
    let token = match auth {
        Some(header) => bearer(header),
        None => cookies.and_then(cookie),
    };
    token
        .and_then(|token| subject(token, secret, now_ms))
        .ok_or_else(|| unauthenticated(auth.is_some() || token.is_some()))
}

/// The operator, by the Authorization header alone.
///
/// # Errors
/// `unauthenticated`.
pub fn operator(auth: Option<&str>, admin_token: &str) -> Result<(), Problem> {
    let configured = admin_token.len() >= bounds::ADMIN_TOKEN_MIN_BYTES;
    // Hashes have one length, so the comparison does not tell how long the right token is.
    let same = |token: &str| bool::from(sha256(token.as_bytes()).ct_eq(&sha256(admin_token.as_bytes())));
    let admitted = configured && auth.and_then(bearer).is_some_and(same);
    if admitted { Ok(()) } else { Err(unauthenticated(auth.is_some())) }
}

/// A token for `user_id`, as the hosted page's own backend would make one.
pub fn issue(user_id: &str, secret: &str, expires_s: u64) -> Option<String> {
    let claims = serde_json::to_vec(&OwnClaims { sub: user_id, exp: expires_s }).ok()?;
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let signed = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#));
    let signature = key(secret)?.chain_update(&signed).finalize().into_bytes();
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn subject(token: &str, secret: &str, now_ms: u64) -> Option<String> {
    if token.len() > bounds::TOKEN_MAX_BYTES {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    key(secret)?.chain_update(signed).verify_slice(&signature).ok()?;

    let header: Header = json(header)?;
    let claims: Claims = json(claims)?;
    let now_s = now_ms as f64 / 1_000.0;
    let valid = header.alg == "HS256"
        && header.crit.is_none()
        && claims.exp > now_s
        && claims.nbf.is_none_or(|from_s| from_s <= now_s)
        && is_printable(&claims.sub, bounds::USER_ID_MAX_CHARS);
    valid.then_some(claims.sub)
}

/// A part of a token: JSON in UTF-8, members that nobody reads included.
fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    serde_json::from_str(&text).ok()
}

/// A secret that is missing or short proves nothing, so nobody is let in by it.
fn key(secret: &str) -> Option<hmac::Hmac<sha2::Sha256>> {
    (secret.len() >= bounds::SESSION_SECRET_MIN_BYTES).then(|| hmac_sha256(secret.as_bytes(), &[])).flatten()
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn cookie(cookies: &str) -> Option<&str> {
    cookies.split(';').find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn unauthenticated(given: bool) -> Problem {
    let challenge = if given { r#"Bearer error="invalid_token""# } else { "Bearer" };
    Problem::new(Code::Unauthenticated, "Send a valid token as `Authorization: Bearer …`.")
        .header("WWW-Authenticate", challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret of thirty-two bytes, or a few more";
    const NOW_MS: u64 = 1_800_000_000_500;

    fn token(header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let mac = hmac_sha256(SECRET.as_bytes(), &[signed.as_bytes()]).map(|mac| mac.finalize().into_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.unwrap_or_default()))
    }

    fn of(header: &str, claims: &str) -> Option<String> {
        let auth = format!("Bearer {}", token(header, claims));
        buyer(Some(&auth), None, SECRET, NOW_MS).ok()
    }

    const HS256: &str = r#"{"alg":"HS256"}"#;

    #[test]
    fn a_token_we_issue_names_its_user_until_it_expires() {
        let token = issue("홍길동", SECRET, 1_800_000_001).unwrap_or_default();
        let auth = format!("bearer {token}");
        assert_eq!(buyer(Some(&auth), None, SECRET, NOW_MS).ok().as_deref(), Some("홍길동"));
        assert_eq!(buyer(Some(&auth), None, SECRET, NOW_MS + 500).ok(), None);
        let cookies = format!("a=b; {COOKIE}={token}; c=d");
        assert_eq!(buyer(None, Some(&cookies), SECRET, NOW_MS).ok().as_deref(), Some("홍길동"));
        // Who presents a header means the header.
        assert_eq!(buyer(Some("Basic YTpi"), Some(&cookies), SECRET, NOW_MS).ok(), None);
    }

    #[test]
    fn only_hs256_is_believed_and_no_extension_of_it() {
        let claims = r#"{"sub":"a","exp":1900000000}"#;
        assert_eq!(of(HS256, claims).as_deref(), Some("a"));
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS384"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","crit":null}"#,
            r#"{"alg":"none","alg":"HS256"}"#,
        ] {
            assert_eq!(of(header, claims), None, "{header}");
        }
    }

    #[test]
    fn claims_are_required_typed_and_within_their_time() {
        let long = format!(r#"{{"sub":"{}","exp":1900000000}}"#, "a".repeat(129));
        for (claims, believed) in [
            (r#"{"sub":"a","exp":1800000000.6,"nbf":1800000000.5}"#, true),
            (r#"{"sub":"a","exp":1900000000,"role":"x","aud":["y"]}"#, true),
            // JSON has no largest number, and this one is nobody's to read.
            (r#"{"sub":"a","exp":1900000000,"role":1e999}"#, true),
            (r#"{"sub":"a","exp":1e999}"#, false),
            (r#"{"sub":"a","exp":1800000000}"#, false),
            (r#"{"sub":"a","exp":1900000000,"nbf":1800000001}"#, false),
            (r#"{"sub":"a","exp":1900000000,"nbf":null}"#, false),
            (r#"{"sub":"a","exp":"1900000000"}"#, false),
            (r#"{"sub":"a","exp":null}"#, false),
            (r#"{"sub":"a"}"#, false),
            (r#"{"exp":1900000000}"#, false),
            (r#"{"sub":"","exp":1900000000}"#, false),
            (r#"{"sub":"a\u0000","exp":1900000000}"#, false),
            (r#"{"sub":"a\u200b","exp":1900000000}"#, false),
            (r#"{"sub":" ","exp":1900000000}"#, false),
            (r#"{"sub":"a\u200c b","exp":1900000000}"#, true),
            (r#"{"sub":1,"exp":1900000000}"#, false),
            (long.as_str(), false),
        ] {
            assert_eq!(of(HS256, claims).is_some(), believed, "{claims}");
        }
    }

    #[test]
    fn what_is_signed_otherwise_or_not_at_all_is_nobody() {
        let good = token(HS256, r#"{"sub":"a","exp":1900000000}"#);
        let (signed, _) = good.rsplit_once('.').unwrap_or_default();
        let long = "x".repeat(5_000);
        for token in
            ["", ".", "..", "a.b.c", signed, &format!("{signed}."), &format!("{good}="), &format!("{good}A"), &long]
        {
            assert!(buyer(Some(&format!("Bearer {token}")), None, SECRET, NOW_MS).is_err(), "{token}");
        }
        assert!(buyer(Some(&format!("Bearer {good}")), None, &SECRET.to_uppercase(), NOW_MS).is_err());
    }

    #[test]
    fn a_missing_or_short_secret_lets_nobody_in() {
        assert_eq!(issue("a", "", 1_900_000_000), None);
        assert_eq!(issue("a", "short", 1_900_000_000), None);
        assert!(operator(Some("Bearer "), "").is_err());
        assert!(operator(Some("Bearer short"), "short").is_err());
    }

    #[test]
    fn the_operator_has_one_token_and_it_is_no_session() {
        let admin = "an operator's token";
        assert!(operator(Some("Bearer an operator's token"), admin).is_ok());
        for other in [None, Some(""), Some("Bearer"), Some("Bearer an operator's toke"), Some("an operator's token")] {
            assert!(operator(other, admin).is_err(), "{other:?}");
        }
    }

    #[test]
    fn the_challenge_says_whether_there_was_a_token() {
        let challenge = |auth, cookies| {
            let answer = buyer(auth, cookies, SECRET, NOW_MS).map_err(crate::answer::Answer::from).err();
            answer.and_then(|answer| answer.header("WWW-Authenticate").map(str::to_owned))
        };
        assert_eq!(challenge(None, None).as_deref(), Some("Bearer"));
        assert_eq!(challenge(Some("Bearer x"), None).as_deref(), Some(r#"Bearer error="invalid_token""#));
        assert_eq!(challenge(None, Some("holdfast_session=x")).as_deref(), Some(r#"Bearer error="invalid_token""#));
    }
}
