//! The registry: every gateway has all it needs.

use super::*;

#[test]
fn every_gateway_has_both_halves_and_no_other_name_has_one() {
    let account = || Account { secret: "s".to_owned(), live: true };
    for name in NAMES {
        assert!(webhook(name).is_some() && api(name, account()).is_some(), "{name}");
    }
    assert!(webhook("other").is_none() && api("other", account()).is_none());
}

#[test]
fn only_the_payments_own_secret_is_its_secret() {
    let snapshot = |secret: Option<&str>| PaymentSnapshot { secret: secret.map(str::to_owned), ..snapshot() };
    assert!(snapshot(Some("ps_1")).has_secret("ps_1"));
    for (own, given) in [(Some("ps_1"), "ps_2"), (Some("ps_1"), "ps_"), (Some("ps_1"), ""), (None, ""), (None, "ps_1")]
    {
        assert!(!snapshot(own).has_secret(given), "{own:?} {given:?}");
    }
}

fn snapshot() -> PaymentSnapshot {
    PaymentSnapshot {
        state: State::Waiting,
        payment_id: "pay_1".to_owned(),
        amount: 1,
        refunded: 0,
        refunding: None,
        currency: "KRW".to_owned(),
        mark: None,
        order_ref: String::new(),
        user_id: None,
        live: false,
        needs_account: true,
        secret: None,
        disputed: Disputed::default(),
    }
}

#[test]
fn an_amount_is_turned_into_each_gateways_unit_and_back() {
    for (gateway, currency, ours, theirs) in [
        ("standard", "KRW", 1_000, "1000"),
        ("portone", "USD", 1_050, "1050"),
        ("toss", "KRW", 150_000, "150000"),
        ("toss", "USD", 1_050, "10.50"),
        ("toss", "USD", 5, "0.05"),
        ("toss", "USD", 900_719_925_474, "9007199254.74"),
        ("stripe", "KRW", 1_000, "1000"),
        ("stripe", "USD", 1_999, "1999"),
        ("stripe", "KWD", 1_230, "1230"),
        ("stripe", "ISK", 500, "50000"),
        ("stripe", "UGX", 500, "50000"),
        ("stripe", "MGA", 1_000, "10"),
    ] {
        let unit = unit(gateway, currency).expect(currency);
        assert_eq!(unit.write(ours).as_deref(), Some(theirs), "{gateway} {currency}");
        assert_eq!(unit.read(theirs), Some(ours), "{gateway} {currency}");
    }
}

#[test]
fn an_unsupported_currency_has_no_unit() {
    for (gateway, currency) in
        [("toss", "JPY"), ("toss", "EUR"), ("stripe", "IQD"), ("stripe", "CLF"), ("other", "KRW"), ("standard", "krw")]
    {
        assert_eq!(unit(gateway, currency), None, "{gateway} {currency}");
    }
}

#[test]
fn a_test_key_is_known_by_its_gateway() {
    let is_test = |name: &str, secret: &str| gateway(name).expect(name).is_test_key(secret);
    assert!(is_test("toss", "test_sk_1") && is_test("stripe", "sk_test_1") && is_test("stripe", "rk_test_1"));
    assert!(NAMES.iter().all(|name| !is_test(name, "live_sk_1") && !is_test(name, "sk_live_1")));
}
