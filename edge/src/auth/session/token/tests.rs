//! Which tokens are accepted, and how the challenge describes the others.

use super::*;

const SECRET: &str = "a secret of thirty-two bytes, or a few more";
const OTHER: &str = "another secret, of thirty-two bytes or more";
const NOW_MS: u64 = 1_800_000_000_500;
const HS256: &str = r#"{"alg":"HS256"}"#;

fn rules() -> SessionRules {
    SessionRules { secrets: vec![SECRET.to_owned()], ..SessionRules::default() }
}

fn signed(secret: &str, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = hmac_sha256(secret.as_bytes(), &[signed.as_bytes()]).map(|mac| mac.finalize().into_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.unwrap_or_default()))
}

fn of(header: &str, claims: &str) -> Result<String, Mistake> {
    subject(&signed(SECRET, header, claims), &rules(), NOW_MS)
}

#[test]
fn a_token_we_issue_names_its_user_until_it_expires() {
    let token = issue("홍길동", &rules(), 1_800_000_001).unwrap_or_default();
    let at = |now_ms| subject(&token, &rules(), now_ms);
    assert_eq!((at(NOW_MS).as_deref(), at(NOW_MS + 5_499).as_deref()), (Ok("홍길동"), Ok("홍길동")));
    assert_eq!(at(NOW_MS + 5_500), Err(Mistake::Expired));
}

#[test]
fn only_hs256_without_critical_extensions_is_accepted() {
    let claims = r#"{"sub":"a","exp":1800000060}"#;
    assert_eq!(of(HS256, claims).as_deref(), Ok("a"));
    for (header, mistake) in [
        (r#"{"alg":"none"}"#, Mistake::Algorithm),
        (r#"{"alg":"hs256"}"#, Mistake::Algorithm),
        (r#"{"alg":"HS384"}"#, Mistake::Algorithm),
        (r#"{"alg":"RS256"}"#, Mistake::Algorithm),
        (r#"{}"#, Mistake::Header),
        (r#"["HS256"]"#, Mistake::Header),
        (r#"{"alg":"HS256","crit":["exp"]}"#, Mistake::Critical),
        (r#"{"alg":"HS256","crit":null}"#, Mistake::Critical),
        (r#"{"alg":"none","alg":"HS256"}"#, Mistake::Header),
    ] {
        assert_eq!(of(header, claims), Err(mistake), "{header}");
    }
}

#[test]
fn claims_are_required_typed_and_within_their_time() {
    let long = format!(r#"{{"sub":"{}","exp":1800000060}}"#, "a".repeat(129));
    for believed in [
        r#"{"sub":"a","exp":1799999995.6,"nbf":1800000005.5}"#,
        r#"{"sub":"a","exp":1802592000,"role":"x","aud":["y"],"iss":1}"#,
        // JSON has no largest number, and no rule reads this member.
        r#"{"sub":"a","exp":1800000060,"role":1e999}"#,
        r#"{"sub":"a\u200c b","exp":1800000060}"#,
    ] {
        assert!(of(HS256, believed).is_ok(), "{believed}");
    }
    for (claims, mistake) in [
        (r#"{"sub":"a","exp":1e999}"#, Mistake::Claims),
        (r#"{"sub":"a","exp":1799999995}"#, Mistake::Expired),
        (r#"{"sub":"a","exp":-1e300}"#, Mistake::Expired),
        (r#"{"sub":"a","exp":1802592007}"#, Mistake::ExpiryTooFar),
        // In milliseconds.
        (r#"{"sub":"a","exp":1800000060000}"#, Mistake::ExpiryTooFar),
        (r#"{"sub":"a","exp":1e308}"#, Mistake::ExpiryTooFar),
        (r#"{"sub":"a","exp":1800000060,"nbf":1800000006}"#, Mistake::NotYet),
        (r#"{"sub":"a","exp":1800000060,"nbf":null}"#, Mistake::NotBefore),
        (r#"{"sub":"a","exp":1800000060,"nbf":"1"}"#, Mistake::NotBefore),
        (r#"{"sub":"a","exp":"1800000060"}"#, Mistake::NoExpiry),
        (r#"{"sub":"a","exp":null}"#, Mistake::NoExpiry),
        (r#"{"sub":"a"}"#, Mistake::NoExpiry),
        (r#"{"exp":1800000060}"#, Mistake::NoSubject),
        (r#"{"sub":"","exp":1800000060}"#, Mistake::NoSubject),
        (r#"{"sub":"a\u0000","exp":1800000060}"#, Mistake::NoSubject),
        (r#"{"sub":"a\u200b","exp":1800000060}"#, Mistake::NoSubject),
        (r#"{"sub":" ","exp":1800000060}"#, Mistake::NoSubject),
        (r#"{"sub":1,"exp":1800000060}"#, Mistake::NoSubject),
        (long.as_str(), Mistake::NoSubject),
        (r#"{"sub":"a","sub":"b","exp":1800000060}"#, Mistake::Claims),
        ("[]", Mistake::Claims),
        (r#"["a",1800000060]"#, Mistake::Claims),
    ] {
        assert_eq!(of(HS256, claims), Err(mistake), "{claims}");
    }
}

#[test]
fn audience_and_issuer_are_required_where_they_are_configured() {
    let rules =
        SessionRules { audience: Some("shop".to_owned()), issuer: Some("https://id.example".to_owned()), ..rules() };
    let of = |aud: &str, iss: &str| {
        let claims = format!(r#"{{"sub":"a","exp":1800000060{aud}{iss}}}"#);
        subject(&signed(SECRET, HS256, &claims), &rules, NOW_MS)
    };
    let ours = r#","iss":"https://id.example""#;
    for aud in [r#","aud":"shop""#, r#","aud":["blog","shop"]"#] {
        assert_eq!(of(aud, ours).as_deref(), Ok("a"), "{aud}");
    }
    for aud in
        ["", r#","aud":"blog""#, r#","aud":[]"#, r#","aud":["shop-2"]"#, r#","aud":null"#, r#","aud":{"shop":1}"#]
    {
        assert_eq!(of(aud, ours), Err(Mistake::Audience), "{aud}");
    }
    for iss in ["", r#","iss":"https://id.example/""#, r#","iss":["https://id.example"]"#] {
        assert_eq!(of(r#","aud":"shop""#, iss), Err(Mistake::Issuer), "{iss}");
    }
    let own = issue("a", &rules, 1_800_000_060).unwrap_or_default();
    assert_eq!(subject(&own, &rules, NOW_MS).as_deref(), Ok("a"));
}

#[test]
fn a_secret_is_rotated_without_a_gap() {
    let both = SessionRules { secrets: vec![OTHER.to_owned(), SECRET.to_owned()], ..SessionRules::default() };
    let claims = r#"{"sub":"a","exp":1800000060}"#;
    for secret in [SECRET, OTHER] {
        assert!(subject(&signed(secret, HS256, claims), &both, NOW_MS).is_ok(), "{secret}");
    }
    assert_eq!(
        subject(&signed("a third secret of thirty-two bytes or more", HS256, claims), &both, NOW_MS),
        Err(Mistake::Signature)
    );
    let new = issue("a", &both, 1_800_000_060).unwrap_or_default();
    assert_eq!(subject(&new, &rules(), NOW_MS), Err(Mistake::Signature), "signed with the first");
}

#[test]
fn a_token_with_another_signature_or_none_is_refused() {
    let good = signed(SECRET, HS256, r#"{"sub":"a","exp":1800000060}"#);
    let (signed_part, _) = good.rsplit_once('.').unwrap_or_default();
    let long = "x".repeat(5_000);
    for (token, mistake) in [
        ("", Mistake::Form),
        (".", Mistake::Form),
        ("..", Mistake::Form),
        ("a.b.c", Mistake::Header),
        ("a.b.c.d", Mistake::Form),
        (signed_part, Mistake::Form),
        (&format!("{signed_part}."), Mistake::Form),
        (&format!("{good}="), Mistake::Form),
        (&format!("{signed_part}.AAAA"), Mistake::Signature),
        // The right bytes, and one more.
        (&format!("{good}A"), Mistake::Signature),
        (&long, Mistake::TooLong),
    ] {
        assert_eq!(subject(token, &rules(), NOW_MS), Err(mistake), "{token}");
    }
}

#[test]
fn a_missing_or_short_secret_accepts_no_token() {
    for secret in ["", "short"] {
        let rules = SessionRules { secrets: vec![secret.to_owned()], ..SessionRules::default() };
        assert_eq!(issue("a", &rules, 1_800_000_060), None);
        let token = signed(secret, HS256, r#"{"sub":"a","exp":1800000060}"#);
        assert_eq!(subject(&token, &rules, NOW_MS), Err(Mistake::Signature));
    }
    assert_eq!(issue("a", &SessionRules::default(), 1_800_000_060), None);
}

#[test]
fn a_fault_is_described_in_characters_that_a_challenge_may_have() {
    use Mistake::*;
    for mistake in [
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
        Operator,
    ] {
        let allowed = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(mistake.says().bytes().all(allowed), "{mistake:?}");
    }
    assert!(Mistake::TooLong.says().contains(&TOKEN_MAX_BYTES.to_string()));
    assert!(Mistake::ExpiryTooFar.says().contains(&format!("{} days", SESSION_TTL_MAX_S / 86_400.0)));
    assert!(Mistake::NoSubject.says().contains(&format!("1 to {USER_ID_MAX_CHARS} ")));
}
