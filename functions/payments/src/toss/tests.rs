//! Toss: its messages, its states, its units, by the examples of its own documentation.

use super::*;

fn api(secret: &str) -> TossApi {
    TossApi(Account { secret: secret.to_owned(), live: true })
}

#[test]
fn an_event_only_causes_a_lookup() {
    let read = |event: Value| Toss.read(event.as_object().expect("an object"));
    let event = json!({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2022-01-01T00:00:00.000000",
        "data": {"paymentKey": "key", "orderId": "o", "status": "DONE", "totalAmount": 1}});
    let event = read(event).expect("read").expect("a payment");
    assert_eq!((event.payment_id.as_str(), event.details), ("key", None));
    assert_eq!(read(json!({"eventType": "BILLING_DELETED"})), Ok(None));
    // The example of Toss's own documentation.
    let callback = json!({"createdAt": "2022-06-09T15:40:09.000000", "secret": "ps_Wy", "status": "DONE",
        "transactionKey": "9FF15E1A29D0E77C218F57262BFA4986", "orderId": "n1-2cdBzTxxx"});
    let event = read(callback).expect("read").expect("a payment");
    assert_eq!((event.payment_id.as_str(), event.details), ("n1-2cdBzTxxx", None));
    assert_eq!(event.kind, EventKind::Deposit { secret: "ps_Wy".to_owned() });
    assert!(read(json!({"status": "DONE", "orderId": "o"})).is_err());
    assert!(read(json!({"eventType": "PAYMENT_STATUS_CHANGED", "data": {}})).is_err());
    // What Toss never gives, and answers 400: it is refused here, and not reported as a gateway that cannot answer.
    for impossible in ["", "a/b", "a b", "..", "a;b", "가", "a?b"] {
        let event =
            json!({"eventType": "PAYMENT_STATUS_CHANGED", "data": {"paymentKey": impossible, "status": "DONE"}});
        assert!(read(event).is_err(), "{impossible}");
    }
}

fn of(status: &str, more: &Value) -> Value {
    let mut payment = json!({"paymentKey": "k", "orderId": "019a9e7c4b5a7c3d8e9f0123456789ab01", "status": status,
        "totalAmount": 1000, "balanceAmount": 1000, "currency": "KRW", "secret": "ps_1"});
    payment.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    payment
}

#[test]
fn a_confirmed_payment_is_paid_only_if_its_state_says_so() {
    let account = json!({"virtualAccount": {"accountNumber": "X", "refundReceiveAccount": null}});
    let captured = |status: &str| {
        api("live_sk").captured(&GatewayResponse { status: 200, body: of(status, &account).to_string().as_bytes() })
    };
    assert_eq!((captured("DONE"), captured("WAITING_FOR_DEPOSIT")), (Captured::Done, Captured::Waiting));
    assert!(matches!(captured("ABORTED"), Captured::Refused(_)) && matches!(captured("NEW"), Captured::Unknown(_)));
    let snapshot = |payment: Value| {
        let result = api("live_sk").snapshot(&GatewayResponse { status: 200, body: payment.to_string().as_bytes() });
        if let LookupResult::Known(snapshot) = result { snapshot } else { panic!("{result:?}") }
    };
    let waiting = snapshot(of("WAITING_FOR_DEPOSIT", &account));
    assert_eq!((waiting.state, waiting.needs_account, waiting.secret.as_deref()), (State::Waiting, true, Some("ps_1")));
    let named = json!({"virtualAccount": {"refundReceiveAccount": {"bankCode": "88"}}});
    assert!(!snapshot(of("DONE", &named)).needs_account && !snapshot(of("DONE", &json!({}))).needs_account);
    let part = json!({"balanceAmount": 300, "cancels": [{"cancelAmount": 400, "cancelStatus": "DONE"},
        {"cancelAmount": 300, "cancelStatus": "IN_PROGRESS"}]});
    let part = snapshot(of("PARTIAL_CANCELED", &part));
    assert_eq!((part.refunded, part.refunding, part.left()), (400, Some(300), 600));
}

#[test]
fn dollars_are_decimals_and_another_currency_is_not_guessed() {
    let read = |text: &str| api("live_sk").snapshot(&GatewayResponse { status: 200, body: text.as_bytes() });
    let payment = |total: &str, currency: &str| {
        format!(
            r#"{{"paymentKey":"k","orderId":"o","status":"DONE","totalAmount":{total},"balanceAmount":{total},
                "currency":"{currency}"}}"#
        )
    };
    let amount =
        |result| if let LookupResult::Known(PaymentSnapshot { amount, .. }) = result { Some(amount) } else { None };
    for (total, currency, cents) in [
        ("10.50", "USD", Some(1_050)),
        ("10", "USD", Some(1_000)),
        ("1000", "KRW", Some(1_000)),
        ("1000.5", "KRW", None),
        ("10.505", "USD", None),
        ("1000", "JPY", None),
        ("\"10\"", "USD", None),
    ] {
        assert_eq!(amount(read(&payment(total, currency))), cents, "{total} {currency}");
    }
    let capture = Capture {
        payment_id: "k",
        order_ref: "o",
        amount: 1_050,
        currency: "USD",
        key: "capture-1",
        token: None,
        live: true,
    };
    let request = api("live_sk").capture(&capture).expect("a request");
    assert_eq!(request.body, r#"{"paymentKey":"k","orderId":"o","amount":10.50}"#);
    let account = RefundAccount { bank: "SHINHAN".to_owned(), number: "110-1".to_owned(), holder: "홍".to_owned() };
    let refund = RefundRequest {
        payment_id: "k",
        amount: 5,
        left: 5,
        currency: "USD",
        reason: "late",
        key: "refund-1",
        account: Some(&account),
    };
    let account = r#"{"accountNumber":"110-1","bank":"88","holderName":"홍"}"#;
    let body = format!(r#"{{"cancelReason":"late","cancelAmount":0.05,"refundReceiveAccount":{account}}}"#);
    assert_eq!(api("live_sk").refund(&refund).body, body);
}

#[test]
fn requests_have_the_secret_as_user_and_no_password() {
    // The example of Toss's own documentation.
    let request = api("test_gsk_docs_OaPz8L5KdmQXkzRz3y47BMw6").look_up("a");
    let (_, value) = &request.headers[0];
    assert_eq!(value, "Basic dGVzdF9nc2tfZG9jc19PYVB6OEw1S2RtUVhrelJ6M3k0N0JNdzY6");
}

#[test]
fn the_balance_says_what_is_left_and_the_key_whose_money_it_is() {
    let read = |secret: &str, status: &str, balance: i64| {
        let payment = json!({"paymentKey": "k", "orderId": "o", "status": status, "totalAmount": 1000,
            "balanceAmount": balance, "currency": "KRW", "metadata": null, "virtualAccount": null});
        api(secret).snapshot(&GatewayResponse { status: 200, body: payment.to_string().as_bytes() })
    };
    let LookupResult::Known(snapshot) = read("live_sk_1", "PARTIAL_CANCELED", 400) else { panic!("a payment") };
    assert_eq!((snapshot.state, snapshot.left(), snapshot.live, snapshot.mark), (State::Paid, 400, true, None));
    let LookupResult::Known(snapshot) = read("test_sk_1", "IN_PROGRESS", 1000) else { panic!("a payment") };
    assert_eq!((snapshot.state, snapshot.live, snapshot.left()), (State::Authorised, false, 1000));
}

#[test]
fn what_was_cancelled_already_is_cancelled_and_in_flight_is_unknown() {
    let refunded = |status: u16, code: &str| {
        api("live")
            .refunded(&GatewayResponse { status, body: json!({"code": code, "message": "m"}).to_string().as_bytes() })
    };
    let cancelled = |status: &str| {
        let body =
            json!({"status": "PARTIAL_CANCELED", "cancels": [{"cancelStatus": "DONE"}, {"cancelStatus": status}]});
        api("live").refunded(&GatewayResponse { status: 200, body: body.to_string().as_bytes() })
    };
    assert_eq!((cancelled("DONE"), cancelled("IN_PROGRESS")), (Refunded::Done, Refunded::Requested));
    assert!(matches!(cancelled("ABORTED"), Refunded::Refused(_)));
    assert!(matches!(refunded(200, ""), Refunded::Unknown(_)), "the call's success is not the cancellation's");
    assert_eq!(refunded(400, "ALREADY_CANCELED_PAYMENT"), Refunded::Already);
    assert!(matches!(refunded(409, "IDEMPOTENT_REQUEST_PROCESSING"), Refunded::Unknown(_)));
    assert!(matches!(refunded(500, "FAILED_INTERNAL_SYSTEM_PROCESSING"), Refunded::Unknown(_)));
    assert!(matches!(refunded(403, "NOT_CANCELABLE_PAYMENT"), Refunded::Refused(_)));
    let captured = |status: u16, code: &str| {
        api("live").captured(&GatewayResponse { status, body: json!({"code": code}).to_string().as_bytes() })
    };
    assert!(matches!(captured(400, "ALREADY_PROCESSED_PAYMENT"), Captured::Unknown(_)));
    assert!(matches!(captured(400, "REJECT_CARD_PAYMENT"), Captured::Refused(_)));
}

#[test]
fn nothing_is_left_of_a_cancelled_payment_but_what_the_bank_has_not_paid_back_yet() {
    let read = |balance: i64, cancels: Value| {
        let payment = json!({"paymentKey": "k", "orderId": "o", "status": "CANCELED", "totalAmount": 1000,
            "balanceAmount": balance, "currency": "KRW", "cancels": cancels});
        let body = payment.to_string();
        let LookupResult::Known(snapshot) =
            api("live_sk_1").snapshot(&GatewayResponse { status: 200, body: body.as_bytes() })
        else {
            panic!("a payment")
        };
        (snapshot.refunded, snapshot.refunding)
    };
    // An account that was cancelled before its deposit; a payment that was refunded, and one whose refund is pending.
    assert_eq!(read(1_000, Value::Null), (1_000, Some(0)));
    let cancel = |status: &str| json!([{"cancelAmount": 1000, "cancelStatus": status}]);
    assert_eq!(read(0, cancel("DONE")), (1_000, Some(0)));
    assert_eq!(read(0, cancel("IN_PROGRESS")), (0, Some(1_000)));
}
