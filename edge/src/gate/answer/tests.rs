//! What each outcome becomes.

use protocol::shop::{Hold, HoldStatus, SaleStatus};
use serde_json::Value;

use super::*;

fn hold() -> Hold {
    Hold { status: HoldStatus::Hold, ..crate::gate::testing::hold("019a9e7c-4b5a-7c3d-8e9f-0123456789ab") }
}

#[test]
fn a_replay_is_the_same_answer_with_a_mark() {
    let of = |replayed| into_response(ReserveOutcome::Granted { hold: hold(), replayed });
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
        let answer = into_response(outcome);
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
fn no_outcome_is_unavailable() {
    let charge = Charge { admitted: true, remaining: 1, reset_s: 1 };
    for verdict in [Verdict::Unavailable, Verdict::Charged] {
        let answer = answer(charge, verdict);
        assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")));
    }
    assert_eq!(counted(charge).status, 204);
    assert_eq!(counted(Charge { admitted: false, ..charge }).status, 429);
}
