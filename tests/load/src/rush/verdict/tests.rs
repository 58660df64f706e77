//! A small sale in which every rule holds, and each rule broken in turn.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use stack::always::Rule;

use super::super::arrivals::Tabs;
use super::super::arrivals::{Buyer, Options, Then};
use super::super::clock::Clock;
use super::super::clock::us;
use super::super::counts::Counts;
use super::super::cpu::Cpu;
use super::super::database_state::{Entry, Hold, Order};
use super::super::sale::sku_id;
use super::super::tally::Book;
use super::super::tally::{After, PressResult};
use super::super::watch::{Audit, Report, Sample, Sku};
use super::*;

const OPENING: i64 = 1_000_000_000;

fn story(number: usize, tabs: Tabs, presses: Vec<PressResult>, after: After) -> Story {
    let at = Duration::from_secs(number as u64);
    let due_us = us(at);
    let press = |(n, told)| Press {
        key: if tabs == Tabs::TwoKeys { n } else { 0 },
        told,
        sent_us: Some(due_us),
        last_sent_us: due_us,
        answered_us: due_us + 100_000,
        tries: 1,
    };
    let buyer = Buyer { number, at, sku: 0, tabs, then: Then::Pays, thinks: Duration::ZERO };
    Story { buyer, user_id: format!("u{number}"), presses: presses.into_iter().enumerate().map(press).collect(), after }
}

fn grant(hold: &str, replayed: bool) -> PressResult {
    PressResult::Granted { hold_id: hold.to_owned(), body: format!("{{{hold}}}"), replayed }
}

fn refuse(code: &str, hold: Option<&str>) -> PressResult {
    PressResult::Refused { status: 409, code: code.to_owned(), hold_id: hold.map(str::to_owned) }
}

fn entry(event_type: &str, qty: i64, at_s: i64) -> Entry {
    let (sku_id, event_type) = (sku_id(0), event_type.to_owned());
    Entry { sku_id, event_type, qty, at_unix_us: OPENING + at_s * 1_000_000, hold_id: None }
}

/// Three pieces: u0 pays, u1 has two tabs and leaves, u2 clicks twice and gives it back, u3 gets that piece and pays,
/// u4 has two tabs and comes too late.
fn sale() -> (Run, DatabaseState) {
    let credit = Entry { hold_id: Some("h2".to_owned()), ..entry("RELEASE_CREDIT", 1, 2) };
    let ordered = |n: usize| After::Ordered { payment_id: format!("p{n}"), order_id: format!("o{n}") };
    let stories = vec![
        story(0, Tabs::One, vec![grant("h0", false)], ordered(0)),
        story(1, Tabs::TwoKeys, vec![grant("h1", false), refuse("already_holding", Some("h1"))], After::Left),
        story(
            2,
            Tabs::OneKeyTwice,
            vec![grant("h2", false), grant("h2", true)],
            After::Released { asked_us: 2_150_000, answered_us: 2_200_000 },
        ),
        story(3, Tabs::One, vec![grant("h3", false)], ordered(3)),
        story(4, Tabs::TwoKeys, vec![refuse("sold_out", None), refuse("sold_out", None)], After::NotGranted),
    ];
    let sku = Sku { sku_id: sku_id(0), total: 3, available: 0, held: 1, sold: 2 };
    let mut book = Book::default();
    (book.stories, book.requests) = (stories, 7);
    let run = Run {
        options: Options {
            buyers: 5,
            stock: 3,
            over: Duration::from_secs(5),
            pay: 0.7,
            skus: 1,
            seed: 1,
            per_address: 1,
        },
        sale_id: "s".to_owned(),
        clock: Clock { opening: Instant::now(), opening_unix_us: OPENING },
        book,
        samples: vec![Sample { at_us: 5_000_000, skus: vec![sku.clone()], audit_ok: true }],
        counts: Counts::default(),
        counted: true,
        tool_cpu: Duration::ZERO,
        cpu: Cpu::default(),
    };
    let hold = |n: usize, status: &str| {
        (format!("h{n}"), Hold { user_id: format!("u{n}"), sku_id: sku_id(0), status: status.to_owned() })
    };
    let order = |n: usize| {
        let (order_id, user_id, sku_id) = (format!("o{n}"), format!("u{n}"), sku_id(0));
        (format!("h{n}"), Order { order_id, user_id, sku_id, at_unix_us: OPENING })
    };
    let debit = |at_s| entry("RESERVE_DEBIT", -1, at_s);
    let truth = DatabaseState {
        ledger: vec![entry("STOCK_IN", 3, -1), debit(0), debit(1), debit(2), credit, debit(3)],
        holds: [hold(0, "COMMITTED"), hold(1, "HOLD"), hold(2, "RELEASED"), hold(3, "COMMITTED")].into(),
        orders: [order(0), order(3)].into(),
        payments: [("p0".to_owned(), "ORDERED".to_owned()), ("p3".to_owned(), "ORDERED".to_owned())].into(),
        report: Report { skus: vec![sku], audit: Audit { ok: true, mismatches: vec![] } },
        rules: vec![],
    };
    (run, truth)
}

fn failed(run: &Run, truth: &DatabaseState) -> Vec<&'static str> {
    judge(run, truth).into_iter().filter(|check| !check.holds).map(|check| check.rule).collect()
}

#[test]
fn a_good_sale_breaks_no_rule() {
    let (run, truth) = sale();
    let checks = judge(&run, &truth);
    assert!(checks.iter().all(|check| check.holds), "{checks:#?}");
    assert_eq!(checks[0].found, "piece-1: 4 granted of 3, 1 given back and offered again; 2 sold; 5 wanted one");
}

/// What is broken, which rules have to see it, and how to break it.
type Row = (&'static str, &'static [&'static str], fn(&mut Run, &mut DatabaseState));

const BREAKS: [Row; 27] = [
    ("a piece is never sold", &["Sold exactly"], |_, truth| {
        truth.holds.retain(|id, _| ["h0", "h1"].contains(&id.as_str()));
    }),
    ("more is granted than there was", &["Sold exactly"], |_, truth| {
        truth.ledger.retain(|entry| entry.event_type != "RELEASE_CREDIT");
    }),
    ("the operator is told of another stock", &["Sold exactly"], |_, truth| truth.report.skus[0].total = 4),
    ("the operator is told of another sale", &["Sold exactly"], |_, truth| truth.report.skus[0].sold = 1),
    ("a SKU is missing", &["Sold exactly"], |_, truth| truth.report.skus.clear()),
    ("a fourth is told of a piece before the third has let go", &["Oversold 0"], |run, _| {
        run.book.stories[2].after = After::Released { asked_us: 3_200_000, answered_us: 3_300_000 };
    }),
    ("a counter goes below zero", &["Oversold 0"], |_, truth| {
        (truth.report.skus[0].available, truth.report.skus[0].held) = (-1, 2);
    }),
    ("more is out than there is, for a moment", &["Oversold 0"], |run, _| run.samples[0].skus[0].held = 2),
    ("sold out while one is there", &["Nobody was refused"], |_, truth| truth.ledger[5].at_unix_us += 9_000_000),
    ("a buyer never comes to an end", &["Every buyer"], |run, _| {
        run.book.stories.remove(4);
    }),
    ("a buyer has no answer", &["Every buyer"], |run, _| run.book.stories[4].presses[0].told = PressResult::Nothing),
    ("an answer that has no place here", &["Every buyer"], |run, _| {
        run.book.stories[4].presses[0].told = refuse("sale_not_open", None);
    }),
    ("holding, with one tab", &["Every buyer"], |run, _| run.book.stories[1].buyer.tabs = Tabs::One),
    ("holding another buyer's", &["Every buyer"], |run, _| {
        run.book.stories[1].presses[1].told = refuse("already_holding", Some("h0"));
    }),
    ("giving back fails", &["Every buyer"], |run, _| run.book.stories[2].after = After::Failed("409".to_owned())),
    ("a hold that was told is gone", &["Every hold"], |_, truth| drop(truth.holds.remove("h1"))),
    ("a hold is another buyer's", &["Every hold"], |_, truth| {
        if let Some(hold) = truth.holds.get_mut("h1") {
            hold.user_id = "u9".to_owned();
        }
    }),
    ("a hold that was given back is not", &["Every hold"], |_, truth| {
        if let Some(hold) = truth.holds.get_mut("h2") {
            hold.status = "HOLD".to_owned();
        }
    }),
    ("a hold in no response", &["Every hold"], |run, _| {
        run.book.stories[3].presses[0].told = refuse("sold_out", None);
    }),
    ("an order that was told is gone", &["Every hold"], |_, truth| drop(truth.orders.remove("h3"))),
    ("an order that was not paid", &["Every hold"], |run, _| run.book.stories[0].after = After::Left),
    ("a payment is not on record", &["Every payment"], |_, truth| drop(truth.payments.remove("p0"))),
    ("a user has two holds", &["Nobody has two"], |_, truth| {
        if let Some(hold) = truth.holds.get_mut("h1") {
            hold.user_id = "u0".to_owned();
        }
    }),
    ("a replay differs", &["Replays"], |run, _| {
        run.book.stories[2].presses[1].told =
            PressResult::Granted { hold_id: "h2".to_owned(), body: "{}".to_owned(), replayed: true };
    }),
    ("a key grants twice", &["Replays"], |run, _| run.book.stories[2].presses[1].told = grant("h2", false)),
    ("a 500", &["No 5xx"], |run, _| run.book.server_errors.extend([("GET /: 500".to_owned(), 1)])),
    ("six seconds", &["No wait was longer"], |run, _| run.book.stories[0].presses[0].answered_us = 5_100_000),
];

#[test]
fn each_rule_sees_what_breaks_it() {
    for (what, rules, spoil) in BREAKS {
        let (mut run, mut truth) = sale();
        spoil(&mut run, &mut truth);
        let failed = failed(&run, &truth);
        for rule in rules {
            assert!(failed.iter().any(|failed| failed.starts_with(rule)), "{what}: only {failed:?}");
        }
    }
}

#[test]
fn a_finding_of_the_audit_breaks_a_rule() {
    let spoils: [fn(&mut Run, &mut DatabaseState); 3] = [
        |_, truth| truth.rules.push(Rule { says: "a rule".to_owned(), broken: 1 }),
        |_, truth| {
            truth.report.audit = Audit { ok: false, mismatches: vec![json!({"check": "counter_ledger"})] };
        },
        |run, _| run.samples[0].audit_ok = false,
    ];
    for spoil in spoils {
        let (mut run, mut truth) = sale();
        spoil(&mut run, &mut truth);
        assert_eq!(failed(&run, &truth), ["The audit finds nothing"]);
    }
}

#[test]
fn a_silence_breaks_a_rule_even_where_pressing_again_helped() {
    let (mut run, truth) = sale();
    run.book.silences.insert("POST /v1/reservations: nothing came back".to_owned(), 1);
    assert_eq!(failed(&run, &truth), ["No wait was longer than the run's own capacity explains"]);
}

#[test]
fn waits_are_allowed_up_to_what_the_slow_machine_explains() {
    // Thirty press at once, and two are answered a second: the last waits fifteen seconds, as that capacity requires.
    let crowd = |slower: u64| {
        let (mut run, truth) = sale();
        run.book.stories.clear();
        for n in 0..30_u64 {
            let mut story = story(0, Tabs::One, vec![refuse("sold_out", None)], After::NotGranted);
            story.presses[0].answered_us = (n + 1) * 500_000 * if n < 29 { 1 } else { slower };
            run.book.stories.push(story);
        }
        failed(&run, &truth).contains(&"No wait was longer than the run's own capacity explains")
    };
    assert!(!crowd(1) && crowd(2));
}

#[test]
fn sold_out_may_be_remembered_for_a_second() {
    let (run, mut truth) = sale();
    // u2's piece comes back at 2 s; u4 gets "sold out" at 4 s, and had pressed then.
    for (sold_again_after_s, holds) in [(0, true), (1, true), (2, false), (3, false)] {
        truth.ledger[5].at_unix_us = OPENING + (2 + sold_again_after_s) * 1_000_000 + 200_000;
        assert_eq!(failed(&run, &truth).is_empty(), holds, "{sold_again_after_s}");
    }
}

#[test]
fn a_piece_is_available_once_its_release_was_acknowledged() {
    let (mut run, mut truth) = sale();
    truth.ledger[5].at_unix_us = OPENING + 9_000_000;
    run.book.stories[2].after = After::Released { asked_us: 2_150_000, answered_us: 3_050_000 };
    assert_eq!(failed(&run, &truth), [""; 0]);
}

#[test]
fn only_some_of_what_breaks_a_rule_is_named() {
    let (mut run, truth) = sale();
    for number in 0..5 {
        run.book.server_errors.insert(format!("{number}"), 1);
    }
    let check = judge(&run, &truth).into_iter().find(|check| !check.holds);
    assert_eq!(check.map(|check| check.found).as_deref(), Some("1 of 0; 1 of 1; 1 of 2; and 2 more"));
}
