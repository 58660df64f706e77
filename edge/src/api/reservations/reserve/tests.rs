//! The rules of a cart, and what each outcome becomes.

use protocol::shop::{Hold, HoldStatus, SaleStatus};
use serde_json::Value;

use super::*;

fn read_cart(body: &str) -> Result<Vec<String>, u16> {
    let cart = crate::http::body::json::<Cart>(crate::http::media_type::JSON, body.as_bytes());
    let cart = cart.map_err(|problem| Response::from(problem).status)?;
    Ok(field_errors(&cart).into_iter().map(|error| error.pointer).collect())
}

fn cart_of(items: &str) -> Result<Vec<String>, u16> {
    read_cart(&format!(r#"{{"sale_id":"spring-drop","items":{items}}}"#))
}

#[test]
fn a_value_out_of_bounds_is_named_by_its_pointer() {
    let line = |sku: usize| format!(r#"{{"sku_id":"s-{sku}","qty":1}}"#);
    let lines = |count| format!("[{}]", (0..count).map(line).collect::<Vec<_>>().join(","));
    for (items, want) in [
        (lines(1), vec![]),
        (lines(10), vec![]),
        (lines(11), vec!["/items"]),
        (lines(0), vec!["/items"]),
        (r#"[{"sku_id":"a","qty":100}]"#.into(), vec![]),
        (r#"[{"sku_id":"a","qty":1.0}]"#.into(), vec![]),
        (r#"[{"sku_id":"a","qty":0}]"#.into(), vec!["/items/0/qty"]),
        (r#"[{"sku_id":"a","qty":101}]"#.into(), vec!["/items/0/qty"]),
        (r#"[{"sku_id":"a","qty":-1}]"#.into(), vec!["/items/0/qty"]),
        (r#"[{"sku_id":"a","qty":1e9}]"#.into(), vec!["/items/0/qty"]),
        (r#"[{"sku_id":"a","qty":99999999999999999999}]"#.into(), vec!["/items/0/qty"]),
        (r#"[{"sku_id":"a\u0000","qty":1}]"#.into(), vec!["/items/0/sku_id"]),
        (r#"[{"sku_id":"a","qty":1},{"sku_id":"a","qty":2}]"#.into(), vec!["/items/1/sku_id"]),
        (
            r#"[{"sku_id":"","qty":0},{"sku_id":"B","qty":1}]"#.into(),
            vec!["/items/0/sku_id", "/items/0/qty", "/items/1/sku_id"],
        ),
    ] {
        assert_eq!(cart_of(&items), Ok(want.into_iter().map(str::to_owned).collect()), "{items}");
    }
    assert_eq!(read_cart(r#"{"sale_id":"봄","items":[]}"#), Ok(vec!["/sale_id".to_owned(), "/items".to_owned()]));
}

#[test]
fn another_shape_is_malformed() {
    for items in [
        "null",
        "{}",
        "[null]",
        "[1]",
        r#"[["a",1]]"#,
        r#"[{"sku_id":"a"}]"#,
        r#"[{"sku_id":"a","qty":1.5}]"#,
        r#"[{"sku_id":"a","qty":"1"}]"#,
        r#"[{"sku_id":1,"qty":1}]"#,
        r#"[{"sku_id":"a","qty":1,"price":0}]"#,
        r#"[{"sku_id":"a","qty":1,"qty":1}]"#,
        r#"[{"sku_id":"a","qty":null}]"#,
    ] {
        assert_eq!(cart_of(items), Err(400), "{items}");
    }
    assert_eq!(read_cart(r#"{"sale_id":"a","items":[],"user_id":"b"}"#), Err(400));
}

#[test]
fn the_same_cart_has_the_same_fingerprint_however_it_is_written() {
    let fingerprint = |body: &str| {
        let cart = crate::http::body::json::<Cart>(crate::http::media_type::JSON, body.as_bytes()).ok()?;
        idempotency::fingerprint(&cart).ok()
    };
    let one = fingerprint(r#"{"sale_id":"s","items":[{"sku_id":"a","qty":1}]}"#);
    assert_eq!(one.as_ref().map(String::len), Some(64));
    assert_eq!(fingerprint(r#" {"items" : [ {"qty":1.0,"sku_id":"\u0061"} ], "sale_id":"s"}"#), one);
    assert_ne!(fingerprint(r#"{"sale_id":"s","items":[{"sku_id":"a","qty":2}]}"#), one);
}

fn hold() -> Hold {
    Hold { status: HoldStatus::Hold, ..crate::gate::testing::hold("019a9e7c-4b5a-7c3d-8e9f-0123456789ab") }
}

#[test]
fn a_replay_is_the_same_answer_with_a_mark() {
    let of =
        |replayed| into_response(ReserveOutcome::Granted { hold: hold(), replayed }).unwrap_or_else(Response::from);
    let (first, again) = (of(false), of(true));
    assert_eq!((first.status, first.header("Idempotent-Replayed")), (201, None));
    assert_eq!(first.header("Location"), Some("/v1/reservations/019a9e7c-4b5a-7c3d-8e9f-0123456789ab"));
    assert_eq!((again.status, again.header("Idempotent-Replayed")), (201, Some("true")));
    assert_eq!(first.body, again.body);
}

#[test]
fn every_refusal_has_its_status_code_and_facts() {
    let sku_id = || "a".to_owned();
    for (outcome, status, code, facts) in [
        (ReserveOutcome::IdempotencyKeyReused, 422, "idempotency_key_reused", serde_json::json!({})),
        (ReserveOutcome::RequestInProgress, 409, "request_in_progress", serde_json::json!({})),
        (ReserveOutcome::NotFound { sku_id: None }, 404, "not_found", serde_json::json!({})),
        (ReserveOutcome::NotFound { sku_id: Some(sku_id()) }, 404, "not_found", serde_json::json!({"sku_id": "a"})),
        (
            ReserveOutcome::SaleNotOpen {
                opens_at: "2026-01-15T05:05:00Z".to_owned(),
                status: SaleStatus::Scheduled,
                for_ms: 0,
            },
            403,
            "sale_not_open",
            serde_json::json!({"opens_at": "2026-01-15T05:05:00Z", "sale_status": "scheduled"}),
        ),
        (
            ReserveOutcome::AlreadyHolding { hold_id: "h".to_owned(), sku_id: sku_id() },
            409,
            "already_holding",
            serde_json::json!({"hold_id": "h", "sku_id": "a"}),
        ),
        (
            ReserveOutcome::LimitReached { sku_id: sku_id(), max_per_user: 2, retry_at: None },
            409,
            "limit_reached",
            serde_json::json!({"of": "sku", "sku_id": "a", "max_per_user": 2}),
        ),
        (
            ReserveOutcome::LimitReached {
                sku_id: sku_id(),
                max_per_user: 2,
                retry_at: Some("2026-01-15T05:05:00Z".to_owned()),
            },
            409,
            "limit_reached",
            serde_json::json!({"of": "sku", "sku_id": "a", "retry_at": "2026-01-15T05:05:00Z"}),
        ),
        (
            ReserveOutcome::SoldOut { sku_id: sku_id(), available: 0, max_per_user: 1, for_ms: 800 },
            409,
            "sold_out",
            serde_json::json!({"sku_id": "a", "available": 0}),
        ),
    ] {
        let answer = into_response(outcome).unwrap_or_else(Response::from);
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        assert_eq!(
            (answer.status, body.get("code"), body.get("status")),
            (status, Some(&code.into()), Some(&status.into()))
        );
        for (name, fact) in facts.as_object().into_iter().flatten() {
            assert_eq!(body.get(name), Some(fact), "{code}");
        }
    }
}

#[test]
fn a_user_over_the_limit_is_told_when_to_come_back() {
    let charge = Charge { admitted: false, remaining: 0, reset_s: 1 };
    let refused = answer(charge, Verdict::Charged).unwrap_or_else(Response::from);
    let refused = limits(refused, charge, &Config::from(|_| None));
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("1")));
    assert_eq!(refused.header("RateLimit-Policy"), Some("\"reservations\";q=20;w=4"));
    assert_eq!(refused.header("RateLimit"), Some("\"reservations\";r=0;t=1"));
}

#[test]
fn no_outcome_is_unavailable() {
    let charge = Charge { admitted: true, remaining: 1, reset_s: 1 };
    for verdict in [Verdict::Unavailable, Verdict::Charged] {
        let answer = answer(charge, verdict).unwrap_or_else(Response::from);
        assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")));
    }
}
