//! Whom a lease refuses, for how long, and whom it never does; who asks for the next one.

use protocol::json;
use protocol::shop::SaleStatus;

use super::*;
use crate::gate::filter::Filter;
use crate::gate::lease::{Lease, LeasedSale, LeasedSku, Refused, Term};
use crate::gate::testing::lines;

const SHARD: u64 = 3;
const SALE: &str = "spring-drop";
const HOLDER: u64 = 1 << 40;
const ANYBODY: u64 = 77 << 33;

fn term(for_ms: u64) -> Term {
    Term { as_of_ms: 900, for_ms }
}

fn gone(sku_id: &str, for_ms: u64) -> LeasedSku {
    LeasedSku { sku_id: sku_id.to_owned(), max_per_user: 2, term: term(for_ms) }
}

fn text(made_ms: u64, skus: Vec<LeasedSku>, closed: Option<LeasedSale>) -> String {
    let filter = Filter::of([HOLDER].into_iter()).text();
    json::print(&Lease { made_ms, skus, closed, filter }).expect("JSON")
}

fn keep(leases: &mut Leases, skus: Vec<LeasedSku>, from_ms: u64) {
    leases.asks(SHARD, SALE, from_ms);
    leases.answered(SHARD, SALE, Some(&text(from_ms, skus, None)), from_ms, from_ms);
}

/// `a` is sold out for 500 ms from 1 000 on, `b` for 300 ms.
fn leases() -> Leases {
    let mut leases = Leases::default();
    keep(&mut leases, vec![gone("a", 500), gone("b", 300)], 1_000);
    leases
}

fn turn(leases: &mut Leases, user: u64, items: &[Line], now_ms: u64) -> Turn {
    leases.turn(SHARD, user, SALE, &items.iter().collect::<Vec<_>>(), true, now_ms)
}

fn says(leases: &mut Leases, user: u64, items: &[Line], now_ms: u64) -> Option<String> {
    let Turn::Refused(refusal) = turn(leases, user, items, now_ms) else { return None };
    assert_eq!(refusal.as_of_ms, 900);
    Some(match refusal.of {
        Refused::SoldOut { sku_id } => sku_id,
        Refused::SaleNotOpen { opens_at, .. } => opens_at,
    })
}

#[test]
fn sold_out_is_said_to_anybody_from_the_question_on_until_the_term_ends() {
    let leases = &mut leases();
    let a = || Some("a".to_owned());
    assert_eq!(says(leases, ANYBODY, &lines(&["a"]), 1_000), a());
    assert_eq!(says(leases, ANYBODY, &lines(&["a", "b"]), 1_299), a(), "the first line that T1 would refuse");
    assert_eq!(says(leases, ANYBODY, &lines(&["b", "a"]), 1_300), None, "one of its terms has ended");
    assert!(leases.lasts(SHARD, SALE, 1_499) && !leases.lasts(SHARD, SALE, 1_500));
    assert_eq!(says(leases, ANYBODY, &lines(&["a"]), 1_499), a());
    assert_eq!(says(leases, ANYBODY, &lines(&["a"]), 1_500), None);
}

#[test]
fn a_clock_that_is_set_back_extends_no_lease() {
    let leases = &mut leases();
    assert!(says(leases, ANYBODY, &lines(&["a"]), 1_400).is_some());
    assert!(
        says(leases, ANYBODY, &lines(&["a"]), 1_400 - LEASE_LATE_MS).is_some(),
        "a few milliseconds are counted in"
    );
    assert_eq!(says(leases, ANYBODY, &lines(&["a"]), 1_399 - LEASE_LATE_MS), None);
    keep(leases, vec![gone("a", 500)], 1_350);
    assert!(says(leases, ANYBODY, &lines(&["a"]), 1_400).is_some());
}

#[test]
fn whoever_may_have_something_and_whatever_may_be_left_goes_to_the_gate() {
    let leases = &mut leases();
    assert_eq!(says(leases, HOLDER, &lines(&["a"]), 1_100), None);
    assert_eq!(says(leases, ANYBODY, &lines(&["a", "c"]), 1_100), None, "`c` may be left, or not exist");
    let three = [Line { sku_id: "a".to_owned(), qty: 3 }];
    assert_eq!(says(leases, ANYBODY, &three, 1_100), None, "the limit comes before it");
    let two = [Line { sku_id: "a".to_owned(), qty: 2 }];
    assert!(says(leases, ANYBODY, &two, 1_100).is_some());
    let asks = Turn::Asks { for_a_lease: true };
    assert_eq!(leases.turn(SHARD + 1, ANYBODY, SALE, &[&two[0]], true, 1_100), asks, "another Gate's users");
    assert_eq!(leases.turn(SHARD, ANYBODY, "another", &[&two[0]], true, 1_100), asks);
    leases.granted(SHARD, ANYBODY, 1_150);
    assert_eq!(says(leases, ANYBODY, &two, 1_150), None, "granted since");
    keep(leases, vec![gone("a", 500)], 1_150);
    assert_eq!(says(leases, ANYBODY, &two, 1_160), None, "and while its question was on its way");
    keep(leases, vec![gone("a", 500)], 1_151);
    assert!(says(leases, ANYBODY, &two, 1_160).is_some(), "the next lease's filter has whoever was granted before it");
}

#[test]
fn not_open_is_said_of_the_skus_that_the_sale_has() {
    let closed = LeasedSale {
        opens_at: "soon".to_owned(),
        status: SaleStatus::Scheduled,
        skus: vec!["a".to_owned()],
        term: term(200),
    };
    let leases = &mut Leases::default();
    leases.answered(SHARD, SALE, Some(&text(1_000, vec![], Some(closed))), 1_000, 1_010);
    assert_eq!(says(leases, ANYBODY, &lines(&["a"]), 1_199), Some("soon".to_owned()));
    assert_eq!(says(leases, ANYBODY, &lines(&["b"]), 1_199), None);
    assert_eq!(says(leases, HOLDER, &lines(&["a"]), 1_199), None);
    assert_eq!(says(leases, ANYBODY, &lines(&["a"]), 1_200), None);
}

#[test]
fn after_a_change_of_the_sale_only_what_was_asked_later_is_kept() {
    let leases = &mut leases();
    leases.forget(SALE, 1_200);
    assert_eq!(says(leases, ANYBODY, &lines(&["a"]), 1_200), None);
    keep(leases, vec![gone("a", 500)], 1_200);
    assert_eq!(says(leases, ANYBODY, &lines(&["a"]), 1_200), None, "its question left before the change");
    leases.answered(SHARD, SALE, Some("{}"), 1_201, 1_201);
    leases.answered(SHARD, SALE, Some("no lease"), 1_201, 1_201);
    assert!(!leases.lasts(SHARD, SALE, 1_201));
    keep(leases, vec![gone("a", 500)], 1_201);
    assert!(says(leases, ANYBODY, &lines(&["a"]), 1_201).is_some());
}

#[test]
fn of_two_leases_the_one_that_was_made_later_is_kept() {
    let leases = &mut Leases::default();
    leases.answered(SHARD, SALE, Some(&text(1_020, vec![gone("b", 500)], None)), 1_000, 1_030);
    // Many replies bring one: this one was not asked for.
    leases.answered(SHARD, SALE, Some(&text(1_030, vec![gone("c", 500)], None)), 1_010, 1_040);
    assert!(says(leases, ANYBODY, &lines(&["b"]), 1_040).is_some());
    leases.asks(SHARD, SALE, 1_041);
    leases.answered(SHARD, SALE, Some(&text(1_019, vec![gone("c", 500)], None)), 1_041, 1_050);
    assert!(says(leases, ANYBODY, &lines(&["b"]), 1_050).is_some(), "it does not know of the latest grants");
    keep(leases, vec![gone("c", 500)], 1_060);
    assert!(says(leases, ANYBODY, &lines(&["c"]), 1_060).is_some());
}

#[test]
fn when_a_lease_has_ended_one_asks_for_the_next_and_the_others_wait_for_it() {
    let leases = &mut leases();
    let asks = |for_a_lease| Turn::Asks { for_a_lease };
    let a = lines(&["a"]);
    assert_eq!(turn(leases, ANYBODY, &a, 1_510), asks(true));
    leases.asks(SHARD, SALE, 1_510);
    assert_eq!(turn(leases, ANYBODY, &a, 1_520), Turn::Waits);
    assert_eq!(leases.turn(SHARD, ANYBODY, SALE, &[&a[0]], false, 1_520), asks(true), "not for ever");
    assert_eq!(turn(leases, HOLDER, &a, 1_520), asks(false), "no lease is about them");
    assert_eq!(turn(leases, ANYBODY, &lines(&["c"]), 1_520), asks(true), "the last lease did not name it");
    leases.answered(SHARD, SALE, Some(&text(1_515, vec![gone("a", 500)], None)), 1_510, 1_530);
    assert!(says(leases, ANYBODY, &a, 1_530).is_some());
    assert_eq!(turn(leases, ANYBODY, &lines(&["b"]), 1_530), asks(true));

    // The Gate gives none: all go there.
    assert_eq!(turn(leases, ANYBODY, &a, 2_010), asks(true));
    leases.asks(SHARD, SALE, 2_010);
    assert_eq!(turn(leases, ANYBODY, &a, 2_020), Turn::Waits);
    leases.answered(SHARD, SALE, None, 2_010, 2_030);
    assert_eq!(turn(leases, ANYBODY, &a, 2_030), asks(true));
    // Whoever asked was cancelled.
    leases.asks(SHARD, SALE, 2_030);
    assert_eq!(turn(leases, ANYBODY, &a, 2_029 + LEASE_ASK_MS), Turn::Waits);
    assert_eq!(turn(leases, ANYBODY, &a, 2_030 + LEASE_ASK_MS), asks(true));
}

#[test]
fn there_are_never_too_many_and_those_that_end_first_are_dropped() {
    let leases = &mut Leases::default();
    let sale = |n: usize| format!("sale-{n}");
    for n in 0..=LEASES_MAX {
        let for_ms = if n == 0 { 400 } else { 500 };
        leases.answered(SHARD, &sale(n), Some(&text(1_000, vec![gone("a", for_ms)], None)), 1_000, 1_000);
    }
    assert_eq!(leases.places.values().map(HashMap::len).sum::<usize>(), LEASES_MAX);
    assert!(!leases.lasts(SHARD, &sale(0), 1_100) && leases.lasts(SHARD, &sale(1), 1_100));
    let later_ms = 1_500 + SOLD_OUT_KEEP_MS;
    leases.answered(SHARD, SALE, Some(&text(later_ms, vec![gone("a", 500)], None)), later_ms, later_ms);
    assert_eq!(leases.places.values().map(HashMap::len).sum::<usize>(), 1, "the others have ended");
}
