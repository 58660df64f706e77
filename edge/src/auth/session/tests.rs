//! Whose request it is, by header and cookies.

use super::*;
use crate::http::response::Response;

const SECRET: &str = "a secret of thirty-two bytes, or a few more";
const NOW_MS: u64 = 1_800_000_000_500;

fn rules() -> SessionRules {
    SessionRules { secrets: vec![SECRET.to_owned()], ..SessionRules::default() }
}

fn token(user_id: &str, expires_s: u64) -> String {
    token::issue(user_id, &rules(), expires_s).unwrap_or_default()
}

fn who(auth: Option<&str>, cookies: &str) -> Option<String> {
    buyer(auth, Some(cookies), &rules(), NOW_MS).ok().map(|buyer| buyer.user_id)
}

#[test]
fn a_cookie_counts_where_there_is_no_bearer() {
    let (ann, bob) = (token("ann", 1_800_000_060), token("bob", 1_800_000_060));
    let cookies = format!("a=b; {COOKIE}={ann}; c=d");
    assert_eq!(who(None, &cookies).as_deref(), Some("ann"));
    // A browser that has a password for this host sends it with everything.
    assert_eq!(who(Some("Basic YTpi"), &cookies).as_deref(), Some("ann"));
    assert_eq!(who(Some(""), &cookies).as_deref(), Some("ann"));
    assert_eq!(who(Some(&format!("bearer {bob}")), &cookies).as_deref(), Some("bob"));
    // A bearer token overrides the cookie.
    for other in ["Bearer", "Bearer ", "Bearer x", "BEARER x.y.z"] {
        assert_eq!(who(Some(other), &cookies), None, "{other}");
    }
    let by_cookie = |auth| buyer(auth, Some(&cookies), &rules(), NOW_MS).map(|buyer| buyer.by_cookie);
    assert_eq!((by_cookie(None), by_cookie(Some(&format!("Bearer {bob}")))), (Ok(true), Ok(false)));
}

#[test]
fn of_several_cookies_the_valid_one_counts() {
    let (stale, ann, bob) = (token("old", 1_700_000_000), token("ann", 1_800_000_060), token("bob", 1_800_000_060));
    for cookies in [
        format!("{COOKIE}={stale}; {COOKIE}={ann}"),
        format!("{COOKIE}={ann}; {COOKIE}={stale}"),
        format!("{COOKIE}=; {COOKIE}=x; {COOKIE}={ann}"),
        format!("{COOKIE}=\"{ann}\""),
        format!("{COOKIE}={stale}, {COOKIE}={ann}"),
        format!("{HOST_COOKIE}={ann}; {COOKIE}={bob}"),
        format!("{COOKIE}={bob}; {HOST_COOKIE}=\"{ann}\""),
        format!("{HOST_COOKIE}={stale}; {COOKIE}={ann}"),
        format!("x{COOKIE}={bob}; {COOKIE}x={bob}; {COOKIE} = {ann}"),
        format!("{}{COOKIE}={ann}", format!("{COOKIE}=a.b; ").repeat(500)),
    ] {
        assert_eq!(who(None, &cookies).as_deref(), Some("ann"), "{cookies}");
    }
    for cookies in [
        String::new(),
        COOKIE.to_owned(),
        format!("{COOKIE}={stale}"),
        format!("{COOKIE}=\"{ann}"),
        format!("Holdfast_session={ann}"),
        // The number of signatures that one request has checked is bounded, however many cookies it brings.
        format!("{}{COOKIE}={ann}", format!("{COOKIE}={stale}; ").repeat(limits::SESSION_COOKIES_MAX)),
    ] {
        assert_eq!(who(None, &cookies), None, "{cookies}");
    }
}

#[test]
fn an_operators_token_is_no_session() {
    let admin = &Operators::of("", "an operator's token");
    let found = operator(Some("Bearer an operator's token"), admin);
    assert_eq!(found.ok().map(|who| who.name), Some("admin".to_owned()));
    for other in [None, Some(""), Some("Bearer"), Some("Bearer an operator's toke"), Some("an operator's token")] {
        assert!(operator(other, admin).is_err(), "{other:?}");
    }
    assert!(operator(Some("Bearer "), &Operators::of("", "")).is_err());
    assert!(operator(Some("Bearer short"), &Operators::of("", "short")).is_err());
}

#[test]
fn the_challenge_says_what_is_wrong_with_the_token_if_there_was_one() {
    let answer = |auth, cookies| Response::from(buyer(auth, cookies, &rules(), NOW_MS).map(|_| ()).unwrap_err());
    let challenge = |auth, cookies| answer(auth, cookies).header("WWW-Authenticate").map(str::to_owned);
    for (auth, cookies) in [(None, None), (Some("Basic YTpi"), None), (None, Some("a=b")), (Some(""), Some(""))] {
        assert_eq!(challenge(auth, cookies).as_deref(), Some("Bearer"));
    }
    let form = r#"Bearer error="invalid_token", error_description="the token is not three parts of base64url""#;
    assert_eq!(challenge(Some("Bearer x"), None).as_deref(), Some(form));
    assert_eq!(challenge(None, Some("holdfast_session=x")).as_deref(), Some(form));
    let expired = format!("Bearer {}", token("ann", 1_700_000_000));
    let answer = answer(Some(&expired), None);
    assert_eq!(answer.internal.as_deref(), Some("the token has expired"));
    assert!(String::from_utf8_lossy(&answer.body).contains("the token has expired"));
}
