//! Stripe's signature by a computed vector, its events, its units.

use serde_json::json;

use super::*;
use crate::dispute::Disputed;

const SECRET: &str = "whsec_test_secret";
const BODY: &[u8] = br#"{"id":"evt_test_webhook","object":"event"}"#;
const HEX: &str = "88a022085c6bdb887b02cb26ff76dd681234d9675c0f22844059f55552a8883a";
const SENT_S: u64 = 1_492_774_577;

fn accepts(secret: &str, header: &str, now_s: u64) -> bool {
    let header = |name: &str| (name == "stripe-signature").then(|| header.to_owned());
    Stripe.is_authentic(&[secret.to_owned()], &Message { header: &header, body: BODY }, now_s)
}

#[test]
fn the_whole_secret_is_the_key() {
    let good = format!("t={SENT_S},v1={HEX}");
    assert!(accepts(SECRET, &good, SENT_S));
    assert!(accepts(SECRET, &format!("t={SENT_S},v0=00,v1=00,v1={HEX}"), SENT_S + 300));
    assert!(!accepts(SECRET, &good, SENT_S + 301) && !accepts(SECRET, &good, SENT_S - 301));
    for bad in [
        format!("t={SENT_S},v0={HEX}"),
        format!("t=1492774578,v1={HEX}"),
        format!("v1={HEX}"),
        format!("t={SENT_S},v1={}", HEX.replace("88a0", "88a1")),
        String::new(),
    ] {
        assert!(!accepts(SECRET, &bad, SENT_S), "{bad}");
    }
    assert!(!accepts("test_secret", &good, SENT_S) && !accepts("", &good, SENT_S));
}

#[test]
fn signatures_beyond_the_bound_are_not_checked() {
    let behind = |others: usize| {
        let others = format!("v1={},", "00".repeat(signature::MAC_BYTES)).repeat(others);
        accepts(SECRET, &format!("t={SENT_S},{others}v1={HEX}"), SENT_S)
    };
    assert!(behind(signature::CANDIDATES_MAX - 1) && !behind(signature::CANDIDATES_MAX));
}

#[test]
fn its_timestamp_is_digits_however_it_is_signed() {
    let signed_at = |at: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
        mac.update(format!("{at}.").as_bytes());
        mac.update(BODY);
        accepts(SECRET, &format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes())), SENT_S)
    };
    assert!(signed_at("1492774577"));
    assert!(!signed_at("+1492774577") && !signed_at("01492774577"));
}

#[test]
fn an_event_only_causes_a_lookup_whatever_it_contains() {
    let event = |r#type: &str| {
        let intent = json!({"id": "pi_1", "amount": 1000, "amount_received": 1000, "currency": "krw", "livemode": true,
            "metadata": {"hold_id": "h"}, "status": "succeeded"});
        json!({"id": "evt_1", "type": r#type, "livemode": true, "data": {"object": intent}})
    };
    let read = |event: Value| Stripe.read(event.as_object().expect("an object"));
    for r#type in ["payment_intent.succeeded", "payment_intent.amount_capturable_updated"] {
        let event = read(event(r#type)).expect("read").expect("a payment");
        assert_eq!((event.payment_id.as_str(), event.details), ("pi_1", None), "{type}");
    }
    assert_eq!(read(event("charge.refunded")), Ok(None));
    assert!(read(json!({"type": "payment_intent.succeeded", "data": {"object": {}}})).is_err());
}

#[test]
fn only_an_id_of_our_form_in_the_metadata_marks_an_intent_as_ours() {
    let api = StripeApi(Account { secret: "sk_live_1".to_owned(), live: true });
    let mark = |metadata: Value| {
        let intent = json!({"id": "pi_1", "status": "succeeded", "amount_received": 1000, "currency": "krw",
            "livemode": true, "metadata": metadata});
        let LookupResult::Known(snapshot) =
            api.snapshot(&GatewayResponse { status: 200, body: intent.to_string().as_bytes() })
        else {
            panic!("a payment")
        };
        snapshot.mark
    };
    assert!(mark(json!({"hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab"})).is_some());
    for other in [json!({}), json!({"hold_id": ""}), json!({"hold_id": "room 12"}), json!({"order": "7"}), Value::Null]
    {
        assert_eq!(mark(other.clone()), None, "{other}");
    }
}

#[test]
fn a_capture_is_done_only_if_the_intent_says_so() {
    let api = StripeApi(Account { secret: "sk_live_1".to_owned(), live: true });
    let of = |status: &str| {
        let intent = json!({"id": "pi_1", "status": status, "amount": 5, "amount_received": 5, "amount_capturable": 5,
            "currency": "krw", "livemode": true});
        api.captured(&GatewayResponse { status: 200, body: intent.to_string().as_bytes() })
    };
    assert_eq!(of("succeeded"), Captured::Done);
    assert!(matches!(of("canceled"), Captured::Refused(_)));
    assert!(matches!(of("processing"), Captured::Unknown(_)) && matches!(of("requires_capture"), Captured::Unknown(_)));
    let void = |status: &str| {
        let intent = json!({"id": "pi_1", "status": status, "amount": 5, "amount_received": 5, "amount_capturable": 5,
            "currency": "krw", "livemode": true});
        api.was_voided(&GatewayResponse { status: 200, body: intent.to_string().as_bytes() })
    };
    assert!(void("canceled") && !void("requires_capture") && !void("succeeded"));
}

#[test]
fn an_amount_that_is_not_exactly_one_is_no_payment() {
    let api = StripeApi(Account { secret: "sk_live_1".to_owned(), live: true });
    let of = |currency: &str, amount: Value| {
        let intent = json!({"id": "pi_1", "status": "succeeded", "amount_received": amount, "currency": currency,
            "livemode": true});
        api.snapshot(&GatewayResponse { status: 200, body: intent.to_string().as_bytes() })
    };
    let amount = |result| if let LookupResult::Known(snapshot) = result { Some(snapshot.amount) } else { None };
    assert_eq!(amount(of("isk", json!(50_000))), Some(500));
    for result in [of("isk", json!(50_050)), of("usd", json!(10.5)), of("usd", json!("10")), of("iqd", json!(1_000))] {
        assert!(matches!(result, LookupResult::Unreadable(_)), "{result:?}");
    }
}

#[test]
fn a_refund_that_is_pending_has_not_arrived_and_one_that_failed_never_will() {
    let api = StripeApi(Account { secret: "sk_live_1".to_owned(), live: true });
    let read = |charge: Value| {
        let intent = json!({"id": "pi_1", "status": "succeeded", "amount_received": 1000, "currency": "krw",
            "livemode": true, "latest_charge": charge});
        let LookupResult::Known(snapshot) =
            api.snapshot(&GatewayResponse { status: 200, body: intent.to_string().as_bytes() })
        else {
            panic!("a payment")
        };
        (snapshot.left(), snapshot.refunding.unwrap_or_default())
    };
    let refund = |status: &str, amount: i64| json!({"status": status, "amount": amount});
    let all = [refund("succeeded", 300), refund("pending", 200), refund("requires_action", 100), refund("failed", 50)];
    let charge = |more: bool| json!({"amount_refunded": 700, "refunds": {"data": all, "has_more": more}});
    assert_eq!(read(charge(false)), (700, 300));
    // Of a list that goes on, the charge's sum knows the rest.
    assert_eq!(read(charge(true)), (600, 300));
    assert_eq!(read(json!({"amount_refunded": 400})), (600, 0));
    assert_eq!(read(Value::Null), (1_000, 0));
}

#[test]
fn a_key_that_was_used_for_something_else_says_nothing_of_a_capture() {
    let api = StripeApi(Account { secret: "sk_live_1".to_owned(), live: true });
    let of = |body: Value| api.captured(&GatewayResponse { status: 400, body: body.to_string().as_bytes() });
    assert!(matches!(of(json!({"error": {"type": "idempotency_error"}})), Captured::Unknown(_)));
    assert!(matches!(of(json!({"error": {"code": "payment_intent_unexpected_state"}})), Captured::Unknown(_)));
    assert!(matches!(of(json!({"error": {"code": "amount_too_large"}})), Captured::Refused(_)));
}

#[test]
fn a_refund_is_a_form_with_its_key() {
    let api = StripeApi(Account { secret: "sk_live_1".to_owned(), live: true });
    let refund = RefundRequest {
        payment_id: "pi_1",
        amount: 5,
        left: 5,
        currency: "KRW",
        reason: "hold expired",
        key: "refund-1",
        account: None,
    };
    let request = api.refund(&refund);
    let form = "payment_intent=pi_1&amount=5&reason=requested_by_customer&metadata[reason]=hold%20expired";
    assert_eq!((request.path.as_str(), request.body.as_str()), ("/v1/refunds", form));
    assert!(request.headers.contains(&("idempotency-key", "refund-1".to_owned())));
    let of = |status: u16, body: Value| api.refunded(&GatewayResponse { status, body: body.to_string().as_bytes() });
    assert_eq!(of(200, json!({"status": "succeeded"})), Refunded::Done);
    assert_eq!(of(200, json!({"status": "pending"})), Refunded::Requested);
    assert_eq!(of(400, json!({"error": {"code": "charge_already_refunded"}})), Refunded::Already);
    assert!(matches!(of(400, json!({"error": {"type": "idempotency_error"}})), Refunded::Refused(_)));
    assert!(matches!(of(409, json!({"error": {"code": "idempotency_key_in_use"}})), Refunded::Unknown(_)));
    assert!(matches!(of(500, json!({})), Refunded::Unknown(_)));
}

#[test]
fn what_comes_later_names_its_intent_and_what_has_none_is_not_ours() {
    let read = |r#type: &str, object: Value| {
        Stripe.read(json!({"type": r#type, "data": {"object": object}}).as_object().expect("an object")).expect("read")
    };
    for r#type in ["charge.refunded", "refund.failed", "charge.refund.updated", "charge.dispute.closed"] {
        let event = read(r#type, json!({"id": "x", "payment_intent": "pi_1"})).expect("a payment");
        assert_eq!((event.payment_id.as_str(), event.kind), ("pi_1", EventKind::Later { dispute: None }), "{type}");
        assert_eq!(read(r#type, json!({"id": "x", "payment_intent": null})), None, "{type}");
    }
}

#[test]
fn disputes_are_looked_up_separately_and_an_open_one_counts_first() {
    let api = StripeApi(Account { secret: "sk_live_1".to_owned(), live: true });
    let snapshot_of = |charge: Value| {
        let intent = json!({"id": "pi_1", "status": "succeeded", "amount_received": 1000, "currency": "krw",
            "livemode": true, "latest_charge": charge});
        api.snapshot(&GatewayResponse { status: 200, body: intent.to_string().as_bytes() })
    };
    let snapshot = |charge: Value| {
        let LookupResult::Known(snapshot) = snapshot_of(charge) else { panic!("a payment") };
        snapshot.disputed
    };
    assert_eq!(snapshot(json!({"disputed": true})), Disputed::NeedsLookup);
    assert_eq!((snapshot(json!({"disputed": false})), snapshot(json!("ch_1"))), (Disputed::No, Disputed::Unsaid));
    let dispute = |all: Value| {
        let body = json!({"data": all}).to_string();
        api.dispute(&GatewayResponse { status: 200, body: body.as_bytes() }, "KRW")
            .map(|one| (one.state.name(), one.amount, one.lost_before))
    };
    let one = |status: &str, amount: i64| json!({"status": status, "amount": amount});
    assert_eq!(dispute(json!([one("won", 300), one("under_review", 200)])), Some(("open", 200, 0)));
    assert_eq!(dispute(json!([one("won", 300), one("lost", 200)])), Some(("lost", 200, 0)));
    assert_eq!(dispute(json!([one("warning_closed", 300)])), Some(("won", 300, 0)));
    // The bank has returned a part of it, and may return another.
    let both = Dispute { state: crate::DisputeState::Open, amount: 200, lost_before: 300 };
    assert_eq!(dispute(json!([one("lost", 300), one("won", 100), one("under_review", 200)])), Some(("open", 200, 300)));
    let LookupResult::Known(snapshot) = snapshot_of(json!({"disputed": true})) else { panic!("a payment") };
    assert_eq!(PaymentSnapshot { disputed: Disputed::Yes(both), ..snapshot }.in_dispute(), (300, 200));
    assert_eq!(dispute(json!([])), None);
}

#[test]
fn its_lists_go_on_after_the_last_and_refunds_go_back_a_month() {
    let api = StripeApi(Account { secret: "sk_live_1".to_owned(), live: true });
    let page = |list, cursor| crate::ListPage { list, from_s: 1_000_000_000, until_s: 1_000_086_400, cursor };
    let path = api.list(&page("payment_intents", "pi_9")).path;
    assert!(
        path.contains("created[gte]=1000000000&created[lt]=1000086400&expand[]=")
            && path.ends_with("&starting_after=pi_9")
    );
    assert!(api.list(&page("refunds", "")).path.contains("created[gte]=997494400&"));
    let listed = |list, body: Value| {
        api.listed(&page(list, ""), &GatewayResponse { status: 200, body: body.to_string().as_bytes() })
    };
    let refund = |status: &str| json!({"id": status, "payment_intent": "pi_1", "status": status, "created": 7});
    let found =
        listed("refunds", json!({"data": [refund("succeeded"), refund("failed")], "has_more": true})).expect("a page");
    let detail: Vec<&crate::EntryDetail> = found.entries.iter().map(|entry| &entry.detail).collect();
    assert_eq!(detail, [&crate::EntryDetail::Changed { at_s: Some(7) }, &crate::EntryDetail::Changed { at_s: None }]);
    assert_eq!(found.next.as_deref(), Some("failed"));
    assert!(api.listed(&page("refunds", ""), &GatewayResponse { status: 500, body: b"{}" }).is_err());
    // A bank decides months later: what it has decided is in the list.
    assert!(api.list(&page("disputes", "")).path.contains("created[gte]=965526400&"));
    let dispute = json!({"id": "dp_1", "payment_intent": "pi_1", "status": "lost", "amount": 300, "currency": "krw"});
    let found = listed("disputes", json!({"data": [dispute], "has_more": false})).expect("a page");
    let lost = Dispute { state: crate::DisputeState::Lost, amount: 300, lost_before: 0 };
    assert_eq!(found.entries[0].detail, crate::EntryDetail::Disputed(lost));
}
