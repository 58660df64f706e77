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
