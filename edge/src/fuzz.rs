//! Every parser of untrusted bytes, each as a function of bytes that must not panic, with what has to hold of the
//! values that it accepts. tests/fuzz drives these by coverage; here its corpus is replayed.

use ::payments::signature::{TOLERANCE_S, is_signed, seconds};
use ::payments::{Message, RawEvent};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::Mac;
use protocol::admin::{Adjustment, NewSale, StatusChange};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::admin::{actions, dead_letters, payments};
use crate::api::payments::returns;
use crate::api::reservations::reserve;
use crate::api::{lists, lookup};
use crate::auth::operator::Operators;
use crate::auth::session;
use crate::auth::session::Buyer;
use crate::http::media_type::JSON;
use crate::http::{body, idempotency, language, percent, query, text, trace};
use crate::routes;
use crate::runtime::config::SessionRules;
use crate::runtime::digest::hmac_sha256;
use crate::runtime::limits;
use crate::runtime::limits::{SESSION_LEEWAY_S, SESSION_TTL_MAX_S};

mod answers;

pub type Target = fn(&[u8]);

/// By the names of their folders in tests/fuzz/corpus.
pub const TARGETS: [(&str, Target); 10] = [
    ("token", token),
    ("claims", claims),
    ("key", key),
    ("body", body),
    ("webhook", webhook),
    ("path", path),
    ("query", query),
    ("header", header),
    ("gateway", answers::gateway),
    ("lambda", answers::lambda),
];

const SECRET: &str = "a secret of thirty-two bytes, or a few more";
const NOW_MS: u64 = 1_800_000_000_500;

fn rules() -> SessionRules {
    SessionRules { secrets: vec![SECRET.to_owned()], ..SessionRules::default() }
}

/// An unsigned token is refused in every header.
fn token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert!(session::buyer(Some(&text), None, &rules(), NOW_MS).is_err());
    assert!(session::buyer(Some(&format!("Bearer {text}")), None, &rules(), NOW_MS).is_err());
    assert!(session::buyer(None, Some(&text), &rules(), NOW_MS).is_err());
    assert!(session::operator(Some(&text), &Operators::of("", SECRET)).is_err() || text.ends_with(SECRET));
}

/// The claims that must hold of an accepted token, and no others: a number among the rest may be larger than a `Value`
/// holds.
#[derive(Default, Deserialize)]
struct Signed {
    alg: String,
}

#[derive(Default, Deserialize)]
struct Claimed {
    sub: String,
    exp: f64,
}

/// Signed header and claims: accepted only if every rule holds. They are separated by a NUL.
fn claims(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = hmac_sha256(SECRET.as_bytes(), &[signed.as_bytes()]).map(|mac| mac.finalize().into_bytes());
    let token = format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(mac.unwrap_or_default()));
    let Ok(Buyer { user_id: user, .. }) = session::buyer(Some(&token), None, &rules(), NOW_MS) else { return };
    let header: Signed = serde_json::from_slice(header).unwrap_or_default();
    let claims: Claimed = serde_json::from_slice(claims).unwrap_or_default();
    assert_eq!((header.alg.as_str(), &claims.sub), ("HS256", &user));
    let from_now_s = claims.exp - NOW_MS as f64 / 1_000.0;
    assert!((-SESSION_LEEWAY_S..=SESSION_TTL_MAX_S + SESSION_LEEWAY_S).contains(&from_now_s));
    assert!(protocol::printable::is_printable(&user, limits::USER_ID_MAX_CHARS));
}

/// A key is the same however it is spelled.
fn key(data: &[u8]) {
    let Ok(header) = std::str::from_utf8(data) else { return };
    let Ok(key) = idempotency::key(Some(header)) else { return };
    assert!((1..=limits::IDEMPOTENCY_KEY_MAX_CHARS).contains(&key.len()));
    assert!(key.bytes().all(|byte| byte.is_ascii_graphic()));
    let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
    assert_eq!(idempotency::key(Some(&quoted)).ok().as_deref(), Some(key.as_str()));
}

/// Every body that is read; the first byte says which.
fn body(data: &[u8]) {
    let Some((kind, json)) = data.split_first() else { return };
    match kind % 5 {
        0 => kept::<reserve::Cart>(json),
        1 => kept::<NewSale>(json),
        2 => kept::<Adjustment>(json),
        3 => kept::<StatusChange>(json),
        _ => {
            // What a gateway adds is read over; but it is an object all the same, and text.
            let Ok(RawEvent(event)) = body::json(JSON, json) else { return };
            assert!(std::str::from_utf8(json).is_ok_and(|text| text.trim_start().starts_with('{')));
            assert_eq!(serde_json::from_slice(json).ok().as_ref(), Some(&event));
            for reader in ::payments::NAMES.into_iter().filter_map(::payments::webhook) {
                let notice = reader.read(&event).ok().flatten();
                assert!(notice.is_none_or(|notice| json_says(&event, &notice.payment_id)));
            }
        }
    }
}

/// A payment is named by what the message says, never by anything else.
fn json_says(event: &Map<String, Value>, payment_id: &str) -> bool {
    fn any(value: &Value, text: &str) -> bool {
        match value {
            Value::String(own) => own == text,
            Value::Array(values) => values.iter().any(|value| any(value, text)),
            Value::Object(values) => values.values().any(|value| any(value, text)),
            _ => false,
        }
    }
    event.values().any(|value| any(value, payment_id))
}

/// What was understood, said again, is understood as the same.
fn kept<T: DeserializeOwned + Serialize>(json: &[u8]) {
    let Ok(first) = body::json::<T>(JSON, json) else { return };
    let said = serde_json::to_vec(&first).unwrap_or_default();
    let again = body::json::<T>(JSON, &said).map(|again| serde_json::to_vec(&again).ok());
    assert_eq!(again.ok().flatten(), Some(said));
    assert!(idempotency::printed(&first).is_ok_and(|printed| idempotency::fingerprint_of(&printed).len() == 64));
}

/// id, timestamp, signatures and body, separated by line feeds; a secret of its own.
fn webhook(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let (id, timestamp, signatures, body) = (next(), next(), next(), next());
    let (Ok(id), Ok(timestamp), Ok(signatures)) =
        (std::str::from_utf8(id), std::str::from_utf8(timestamp), std::str::from_utf8(signatures))
    else {
        return;
    };
    let secret = SECRET.as_bytes();
    let secrets = [format!("whsec_{}", STANDARD.encode(secret))];
    let now_s = NOW_MS.checked_div(1_000).unwrap_or_default();
    let valid = |signatures: &str| {
        let header = |name: &str| {
            let value = match name {
                "webhook-id" => id,
                "webhook-timestamp" => timestamp,
                "webhook-signature" => signatures,
                _ => return None,
            };
            Some(value.to_owned())
        };
        is_signed(&secrets, &Message { header: &header, body }, now_s)
    };
    assert!(!valid(signatures));
    let mac = hmac_sha256(secret, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]);
    let good = STANDARD.encode(mac.map(|mac| mac.finalize().into_bytes()).unwrap_or_default());
    let in_time = seconds(timestamp).is_some_and(|sent_s| now_s.abs_diff(sent_s) <= TOLERANCE_S);
    assert_eq!(valid(&format!("v1,{good} {signatures}")), in_time && !id.is_empty());
}

/// The table of paths and the small grammars of ids.
fn path(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else { return };
    if let Ok(offers) = routes::find::offers(path, true) {
        assert!(!offers.routes.is_empty() && path.starts_with('/'));
        assert!(routes::find::choose(&offers, "BREW").is_err());
    }
    if let Some(id) = text::uuid(path) {
        assert_eq!(text::uuid(&id).as_ref(), Some(&id));
        assert!(id.eq_ignore_ascii_case(path));
    }
    assert!(!text::is_slug(path) || path.bytes().all(|byte| byte.is_ascii_graphic()));
}

fn query(data: &[u8]) {
    let Ok(url) = std::str::from_utf8(data) else { return };
    let known = ["state", "cursor", "limit"];
    let names: Vec<_> = percent::query(url).map(|(name, _)| name).collect();
    let once = |name: &str| known.contains(&name) && names.iter().filter(|other| *other == name).count() == 1;
    assert_eq!(query::error(url, &known).is_none(), names.iter().all(|name| once(name)));
    if let Ok(id) = lookup::hold_of(url) {
        assert_eq!(id.as_deref().and_then(text::uuid), id);
    }
    for (name, value) in percent::query(url) {
        // Taken off once: what is left is text, whatever it says.
        assert!(name.len() <= url.len() && value.is_none_or(|value| value.len() <= url.len()));
    }
    if let Ok((_, after, limit)) = dead_letters::asked(url) {
        assert!((1..=limits::PAGE_MAX).contains(&limit));
        assert!(after.is_none_or(|after| after.len() <= limits::DEAD_LETTER_ID_MAX_CHARS));
    }
    if let Ok(page) = payments::page(url) {
        assert!((1..=limits::PAGE_MAX).contains(&page.limit));
    }
    lists::assert_lists(url);
    actions::assert_page(url);
    returns::assert_comeback(url);
}

/// Headers that are read and never refused.
fn header(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parent = trace::parent(Some(&text), 1, 2);
    assert_eq!(trace::parent(Some(&parent), 3, 4), parent);
    assert!(parent.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(["ko", "en"].contains(&language::of(Some(&text))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fuzzer_has_kept_still_holds() {
        for (name, target) in TARGETS {
            let folder = format!("{}/../tests/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
            let inputs = std::fs::read_dir(&folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
            let inputs: Vec<Vec<u8>> = inputs.collect();
            assert!(!inputs.is_empty(), "{name}");
            inputs.iter().for_each(|input| target(input));
        }
    }

    #[test]
    fn the_targets_let_through_what_is_in_order() {
        claims(b"{\"alg\":\"HS256\"}\0{\"sub\":\"a\",\"exp\":1900000000}");
        webhook(b"msg_1\n1800000000\nv1,AAAA\n{}");
        // One that has the operator's token is let in, and says so.
        token(format!("Bearer {SECRET}").as_bytes());
        kept::<StatusChange>(br#"{"status":"open"}"#);
    }
}
