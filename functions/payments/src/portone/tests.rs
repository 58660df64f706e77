//! PortOne's events, its keys, its cancellations, and what a payment of it says.

use super::*;

fn api() -> PortOneApi {
    PortOneApi(Account { secret: "v2".to_owned(), live: true })
}

fn refunded(status: u16, body: &Value) -> Refunded {
    api().refunded(&GatewayResponse { status, body: body.to_string().as_bytes() })
}

#[test]
fn an_event_names_its_payment_and_unknown_ones_are_ignored() {
    let read = |event: Value| PortOne.read(event.as_object().expect("an object"));
    let event = json!({"type": "Transaction.Paid", "timestamp": "2024-04-25T10:00:00.000Z",
        "data": {"storeId": "store", "paymentId": "example-payment-id", "transactionId": "tx"}});
    let event = read(event).expect("read").expect("a payment");
    assert_eq!(
        (event.payment_id.as_str(), event.kind, event.details),
        ("example-payment-id", EventKind::Changed, None)
    );
    // The example of PortOne's own documentation.
    let event = json!({"type": "Transaction.Confirm", "timestamp": "2024-04-25T10:00:00.000Z", "data": {
        "paymentId": "example-payment-id", "transactionId": "55451513-9763-4a7a-bb43-78a4c65be843", "totalAmount": 1000}});
    let event = read(event).expect("read").expect("a question");
    assert_eq!(event.kind, EventKind::CaptureApproval { amount: Some(1_000) });
    assert_eq!(read(json!({"type": "BillingKey.Issued", "data": {}})), Ok(None));
    let at = "2024-04-25T10:00:00.000Z";
    let dispute = json!({"type": "Transaction.DisputeCreated", "timestamp": at, "data": {"paymentId": "p"}});
    let opened = DisputeHint::Opened { at: Some(at.to_owned()) };
    assert_eq!(read(dispute).expect("read").map(|event| event.kind), Some(EventKind::Later { dispute: Some(opened) }));
    for name in ["PartialCancelled", "Cancelled", "CancelPending", "VirtualAccountIssued"] {
        let later = read(json!({"type": format!("Transaction.{name}"), "data": {"paymentId": "p"}})).expect("read");
        assert_eq!(later.map(|event| event.kind), Some(EventKind::Later { dispute: None }), "{name}");
    }
    assert!(read(json!({"type": "Transaction.Paid", "data": {}})).is_err());
    assert!(read(json!({})).is_err());
}

#[test]
fn the_key_is_quoted_and_what_is_left_is_compared() {
    let refund = RefundRequest {
        payment_id: "p/1",
        amount: 100,
        left: 150,
        currency: "KRW",
        reason: "late",
        key: "k",
        account: None,
    };
    let request = api().refund(&refund);
    assert_eq!((request.method, request.path.as_str()), ("POST", "/payments/p%2F1/cancel"));
    assert!(request.headers.contains(&("idempotency-key", "\"k\"".to_owned())));
    assert!(request.headers.contains(&("authorization", "PortOne v2".to_owned())));
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    assert_eq!(body, json!({"reason": "late", "amount": 100, "currentCancellableAmount": 150}));
    let account = RefundAccount { bank: "88".to_owned(), number: "110-1".to_owned(), holder: "홍길동".to_owned() };
    let request = api().refund(&RefundRequest { account: Some(&account), ..refund });
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    assert_eq!(body["refundAccount"], json!({"bank": "SHINHAN", "number": "110-1", "holderName": "홍길동"}));
}

#[test]
fn a_confirmed_payment_is_paid_only_if_its_state_says_so() {
    let of = |status: u16, body: Value| api().captured(&GatewayResponse { status, body: body.to_string().as_bytes() });
    assert_eq!(of(200, json!({"payment": {"status": "PAID", "pgTxId": "1"}})), Captured::Done);
    assert_eq!(of(200, json!({"payment": {"status": "VIRTUAL_ACCOUNT_ISSUED"}})), Captured::Waiting);
    assert!(matches!(of(200, json!({"payment": {"status": "FAILED"}})), Captured::Refused(_)));
    // The event has no state: the payment is looked up.
    for unknown in [json!({"payment": {"pgTxId": "1"}}), json!({}), json!({"payment": {"status": "NEW"}})] {
        assert!(matches!(of(200, unknown.clone()), Captured::Unknown(_)), "{unknown}");
    }
    assert!(matches!(of(409, json!({"type": "ALREADY_PAID_OR_WAITING"})), Captured::Unknown(_)));
}

#[test]
fn a_cancellation_is_done_or_requested_or_neither() {
    let cancelled = |status: &str| json!({"cancellation": {"status": status, "id": "c", "totalAmount": 100}});
    assert_eq!(refunded(200, &cancelled("SUCCEEDED")), Refunded::Done);
    assert_eq!(refunded(200, &cancelled("REQUESTED")), Refunded::Requested);
    assert!(matches!(refunded(200, &cancelled("FAILED")), Refunded::Refused(_)));
    assert_eq!(refunded(409, &json!({"type": "PAYMENT_ALREADY_CANCELLED"})), Refunded::Already);
    let kind = |kind: &str| json!({"type": kind});
    assert!(matches!(refunded(409, &kind("IDEMPOTENCY_OUTSTANDING_REQUEST")), Refunded::Unknown(_)));
    assert!(matches!(refunded(409, &kind("CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN")), Refunded::Refused(_)));
    assert!(matches!(refunded(502, &kind("PG_PROVIDER")), Refunded::Unknown(_)));
    assert!(matches!(refunded(200, &json!({})), Refunded::Unknown(_)));
}

#[test]
fn a_payment_says_what_is_left_of_it_and_whether_it_is_play_money() {
    let read = |payment: Value| api().snapshot(&GatewayResponse { status: 200, body: payment.to_string().as_bytes() });
    let payment = json!({"status": "PARTIAL_CANCELLED", "id": "p1", "channel": {"type": "TEST"}, "currency": "KRW",
        "amount": {"total": 1000, "paid": 700, "cancelled": 300}, "customData": "{\"hold_id\":\"019a9e7c-4b5a-7c3d-8e9f-0123456789ab\",\"user_id\":\"u\"}",
        "cancellations": [{"status": "SUCCEEDED", "totalAmount": 300}, {"status": "REQUESTED", "totalAmount": 700}]});
    let LookupResult::Known(snapshot) = read(payment) else { panic!("a payment") };
    assert_eq!(
        (snapshot.state, snapshot.left(), snapshot.refunding, snapshot.live),
        (State::Paid, 700, Some(700), false)
    );
    assert_eq!(snapshot.mark.map(|mark| mark.hold_ref).as_deref(), Some("019a9e7c-4b5a-7c3d-8e9f-0123456789ab"));
    assert_eq!(snapshot.user_id.as_deref(), Some("u"));
    assert!(matches!(read(json!({"status": "NEW_STATUS"})), LookupResult::Unreadable(_)));
    assert_eq!(api().snapshot(&GatewayResponse { status: 404, body: b"{}" }), LookupResult::NotFound);
}

#[test]
fn nothing_is_left_of_a_cancelled_payment_whatever_its_sums_say() {
    let read = |more: Value| {
        let mut payment = json!({"status": "CANCELLED", "id": "p1", "channel": {"type": "LIVE"}, "currency": "KRW"});
        payment.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let body = payment.to_string();
        let LookupResult::Known(snapshot) = api().snapshot(&GatewayResponse { status: 200, body: body.as_bytes() })
        else {
            panic!("a payment")
        };
        (snapshot.state, snapshot.amount, snapshot.refunded, snapshot.left())
    };
    // An account that was cancelled before its deposit, and a payment that was refunded.
    for more in [
        json!({"amount": {"total": 1000, "paid": 0, "cancelled": 0}, "cancellations": []}),
        json!({"amount": {"total": 1000}}),
        json!({"amount": {"total": 1000, "paid": 0, "cancelled": 1000},
               "cancellations": [{"status": "SUCCEEDED", "totalAmount": 1000}]}),
    ] {
        assert_eq!(read(more.clone()), (State::Paid, 1_000, 1_000, 0), "{more}");
    }
}
