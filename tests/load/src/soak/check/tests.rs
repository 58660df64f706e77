//! Each rule sees its own violation: a storm in which everything is as it should be, and one change at a time.

use uuid::Uuid;

use super::{Storm, Verdict, judge, stock};
use crate::soak::database_state::{DatabaseState, Hold, Moved, Order, Payment};
use crate::soak::log::{Adjusted, Charged, EntryPoint, HoldCall, HoldResult, Log, Pause, ReserveCall, ReserveResult};
use crate::soak::world::{CURRENCY, PRICE, Sale, Sku};

const HOLD: Uuid = Uuid::from_u128(1);
const ORDER: Uuid = Uuid::from_u128(2);
const S: i64 = 1_000_000;

fn asked(user: usize, told: ReserveResult) -> ReserveCall {
    let (way, lines, (last_us, answered_us)) = (EntryPoint::Shop, vec![(0, 1)], (10 * S, 11 * S));
    ReserveCall { way, user, key: 7, sale: 0, lines, last_us, answered_us, unknown: 0, told }
}

/// One piece, held and paid for by user 0; user 1 was too late, and user 0 asked again.
fn right() -> (Log, DatabaseState) {
    let mut log = Log::default();
    log.asked.push(asked(0, ReserveResult::Granted { hold: HOLD }));
    log.asked.push(asked(1, ReserveResult::SoldOut { sku: "a".to_owned() }));
    log.asked.push(ReserveCall { key: 8, ..asked(0, ReserveResult::AlreadyHolding { hold: HOLD }) });
    let later = ReserveCall {
        last_us: 20 * S,
        answered_us: 21 * S,
        ..asked(0, ReserveResult::LimitReached { sku: "a".to_owned() })
    };
    log.asked.push(ReserveCall { key: 9, ..later });
    let seen = HoldResult::Seen { status: "HOLD".to_owned(), order: None };
    log.said.push(HoldCall { hold: HOLD, asked_us: 11 * S, answered_us: 12 * S, answer: seen });
    let (payment, user) = ("pay_1".to_owned(), "storm-0".to_owned());
    log.charged.push(Charged { payment, hold: HOLD, user, amount: PRICE, currency: CURRENCY.to_owned() });
    log.adjusted.push(Adjusted { key: "k".to_owned(), delta: 1, unknown: 0, done: Some((1, 1)) });
    let (asked_us, paused_us, opening_us, open_us) = (30 * S, 31 * S, 32 * S, 33 * S);
    log.pauses.push(Pause { sale: 0, asked_us, paused_us, opening_us, open_us, sure: true });

    let mut truth = DatabaseState::default();
    let hold = Hold {
        sale_id: "sale".to_owned(),
        user_id: "storm-0".to_owned(),
        key: "7".to_owned(),
        status: "COMMITTED".to_owned(),
        created_us: 10 * S + 1,
        expire_us: 15 * S,
        finalized_us: Some(14 * S),
        lines: vec![("a".to_owned(), 1)],
    };
    truth.holds.insert(HOLD, hold);
    for (qty, committed_us) in [(1, 0), (-1, 10 * S + 2)] {
        truth.moved.push(Moved { sale_id: "sale".to_owned(), sku_id: "a".to_owned(), qty, committed_us });
    }
    truth.orders.insert(HOLD, Order { order_id: ORDER, payment_id: "pay_1".to_owned(), created_us: 14 * S });
    let payment = Payment {
        hold_ref: HOLD.to_string(),
        user_id: "storm-0".to_owned(),
        amount: PRICE,
        currency: CURRENCY.to_owned(),
        order_id: Some(ORDER),
        refund_reason: None,
        created_us: 14 * S,
    };
    truth.payments.insert("pay_1".to_owned(), payment);
    truth.adjusted.insert("k".to_owned(), (1, 1, 1));
    (log, truth)
}

fn verdict(log: &Log, truth: &DatabaseState, away: &[(i64, i64)]) -> Verdict {
    let sku = Sku { id: "a".to_owned(), stock: 1, max_per_user: 1 };
    let sales = [Sale { id: "sale".to_owned(), wholesale: false, hold_ttl_s: 5, skus: vec![sku] }];
    let mut verdict = Verdict::default();
    judge(&Storm { name: "storm", sales: &sales, log, truth, payments: &[], away }, &mut verdict);
    verdict
}

#[test]
fn what_is_right_breaks_no_rule() {
    let (log, truth) = right();
    let verdict = verdict(&log, &truth, &[]);
    assert_eq!((verdict.violations, verdict.words), (0, vec![]));
    assert!(verdict.checked.len() >= 14, "{:?}", verdict.checked);
}

/// What breaks a rule, and the rule.
type Violation = (&'static str, fn(&mut Log, &mut DatabaseState));

fn hold(truth: &mut DatabaseState) -> &mut Hold {
    truth.holds.get_mut(&HOLD).unwrap()
}

const VIOLATIONS: [Violation; 20] = [
    ("what was acknowledged is there", |_, truth| truth.holds.clear()),
    ("what was acknowledged is there", |_, truth| hold(truth).user_id = "storm-1".to_owned()),
    ("what was acknowledged is there", |_, truth| hold(truth).lines[0].1 = 2),
    ("every hold was asked for", |_, truth| hold(truth).key = "other".to_owned()),
    ("every hold has ended once", |_, truth| {
        hold(truth).status = "HOLD".to_owned();
        hold(truth).finalized_us = None;
    }),
    ("a refusal leaves no trace", |log, _| log.asked[0].told = ReserveResult::NotOpen),
    ("a key is refused as used only if it was", |log, _| log.asked[1].told = ReserveResult::Reused),
    ("a hold is what its buyer was told", |log, _| log.said[0].asked_us = 16 * S),
    ("a hold is what its buyer was told", |log, _| log.said[0].answer = HoldResult::Released),
    ("already holding is told only to who did", |log, _| log.asked[2].last_us = 15 * S + 2_000),
    ("limit reached is told only where it was", |_, truth| truth.orders.get_mut(&HOLD).unwrap().created_us = 22 * S),
    ("not open is told only while it was not", |log, _| log.asked[1].told = ReserveResult::NotOpen),
    ("sold out is told only if it was", |_, truth| truth.moved[0].qty = 2),
    ("no SKU was below zero at any moment", |_, truth| truth.moved[0].committed_us = 12 * S),
    ("nothing is granted in a pause", |log, _| log.pauses[0].paused_us = 9 * S),
    ("the operator's stock is what was answered", |_, truth| truth.adjusted.clear()),
    ("captured money is an order or a refund", |_, truth| truth.payments.clear()),
    ("captured money is an order or a refund", |_, truth| truth.payments.get_mut("pay_1").unwrap().amount += 1),
    ("a payment became what it had to", |_, truth| {
        let payment = truth.payments.get_mut("pay_1").unwrap();
        (payment.order_id, payment.refund_reason) = (None, Some("hold_expired".to_owned()));
    }),
    ("every order was paid for", |log, _| log.charged.clear()),
];

#[test]
fn each_rule_sees_what_breaks_it() {
    for (n, (rule, break_it)) in VIOLATIONS.into_iter().enumerate() {
        let (mut log, mut truth) = right();
        break_it(&mut log, &mut truth);
        let words = verdict(&log, &truth, &[]).words;
        assert!(words.iter().any(|words| words.starts_with(rule)), "{n}: {rule}: {words:?}");
    }
}

#[test]
fn a_refusal_beside_a_crash_cannot_be_judged_and_is_counted_apart() {
    let (log, mut truth) = right();
    truth.moved[0].qty = 2;
    let verdict = verdict(&log, &truth, &[(11 * S, 12 * S)]);
    assert_eq!((verdict.violations, verdict.unprovable), (0, 1));
}

#[test]
fn what_breaks_one_rule_a_hundred_times_does_not_hide_what_breaks_another() {
    let mut verdict = Verdict::default();
    (0..100).for_each(|_| verdict.check("a", false, String::new));
    verdict.check("b", false, String::new);
    assert_eq!((verdict.violations, verdict.words.iter().filter(|words| words.starts_with('b')).count()), (101, 1));
    assert_eq!(verdict.broken, [("a".into(), 100), ("b".into(), 1)].into());
}

#[test]
fn the_least_there_was_counts_both_ends() {
    let changes = || vec![(100, 2), (200, -1), (300, -1), (400, 1)];
    for ((from, to), least) in [((0, 50), 0), ((100, 199), 2), ((150, 250), 1), ((150, 300), 0), ((400, 500), 1)] {
        assert_eq!(stock::least(changes(), from, to), least, "{from} to {to}");
    }
}
