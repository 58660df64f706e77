//! Whom a lease refuses, for how long, and whom it never does.

use super::*;
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

fn text(skus: Vec<LeasedSku>, closed: Option<LeasedSale>) -> String {
    json::print(&Lease { skus, closed, filter: Filter::of([HOLDER].into_iter()).text() }).expect("JSON")
}

/// `a` is sold out for 500 ms from 1 000 on, `b` for 300 ms.
fn leases() -> Leases {
    let mut leases = Leases::default();
    leases.keep(SHARD, SALE, &text(vec![gone("a", 500), gone("b", 300)], None), 1_000);
    leases
}

fn says(leases: &Leases, user: u64, items: &[Line], now_ms: u64) -> Option<String> {
    let items: Vec<&Line> = items.iter().collect();
    leases.refusal(SHARD, user, SALE, &items, now_ms).map(|refusal| {
        assert_eq!(refusal.as_of_ms, 900);
        match refusal.of {
            Refused::SoldOut { sku_id } => sku_id,
            Refused::SaleNotOpen { opens_at, .. } => opens_at,
        }
    })
}

#[test]
fn sold_out_is_said_to_anybody_from_the_question_on_until_the_term_ends() {
    let leases = leases();
    let a = || Some("a".to_owned());
    assert_eq!(says(&leases, ANYBODY, &lines(&["a"]), 1_000), a());
    assert_eq!(says(&leases, ANYBODY, &lines(&["a"]), 1_499), a());
    assert_eq!(says(&leases, ANYBODY, &lines(&["a"]), 1_500), None);
    assert_eq!(says(&leases, ANYBODY, &lines(&["a"]), 999), None, "a clock that was put back");
    assert_eq!(says(&leases, ANYBODY, &lines(&["a", "b"]), 1_299), a(), "the first line that T1 would refuse");
    assert_eq!(says(&leases, ANYBODY, &lines(&["b", "a"]), 1_300), None, "one of its terms has ended");
    assert!(leases.holds(SHARD, SALE, 1_499) && !leases.holds(SHARD, SALE, 1_500));
}

#[test]
fn whoever_may_have_something_and_whatever_may_be_left_goes_to_the_gate() {
    let mut leases = leases();
    assert_eq!(says(&leases, HOLDER, &lines(&["a"]), 1_100), None);
    assert_eq!(says(&leases, ANYBODY, &lines(&["a", "c"]), 1_100), None, "`c` may be left, or not exist");
    let three = [Line { sku_id: "a".to_owned(), qty: 3 }];
    assert_eq!(says(&leases, ANYBODY, &three, 1_100), None, "the limit comes before it");
    let two = [Line { sku_id: "a".to_owned(), qty: 2 }];
    assert!(says(&leases, ANYBODY, &two, 1_100).is_some());
    assert_eq!(leases.refusal(SHARD + 1, ANYBODY, SALE, &[&two[0]], 1_100), None, "another Gate's users");
    assert_eq!(leases.refusal(SHARD, ANYBODY, "another", &[&two[0]], 1_100), None);
    leases.granted(SHARD, ANYBODY);
    assert_eq!(says(&leases, ANYBODY, &two, 1_100), None, "granted since");
    leases.keep(SHARD, SALE, &text(vec![gone("a", 500)], None), 1_600);
    assert_eq!(says(&leases, ANYBODY, &two, 1_700), None, "and the next lease keeps to it");
}

#[test]
fn not_open_is_said_of_the_skus_that_the_sale_has() {
    let closed = LeasedSale {
        opens_at: "soon".to_owned(),
        status: SaleStatus::Scheduled,
        skus: vec!["a".to_owned()],
        term: term(200),
    };
    let mut leases = Leases::default();
    leases.keep(SHARD, SALE, &text(vec![], Some(closed)), 1_000);
    assert_eq!(says(&leases, ANYBODY, &lines(&["a"]), 1_199), Some("soon".to_owned()));
    assert_eq!(says(&leases, ANYBODY, &lines(&["a"]), 1_200), None);
    assert_eq!(says(&leases, ANYBODY, &lines(&["b"]), 1_199), None);
    assert_eq!(says(&leases, HOLDER, &lines(&["a"]), 1_199), None);
}

#[test]
fn it_ends_with_a_change_of_the_sale_and_a_held_one_is_kept() {
    let mut leases = leases();
    leases.keep(SHARD, SALE, &text(vec![gone("c", 9_000)], None), 1_200);
    assert!(says(&leases, ANYBODY, &lines(&["a"]), 1_200).is_some(), "another reply brought one before");
    leases.forget(SALE);
    assert_eq!(says(&leases, ANYBODY, &lines(&["a"]), 1_200), None);
    leases.keep(SHARD, SALE, "{}", 1_200);
    leases.keep(SHARD, SALE, "no lease", 1_200);
    assert!(!leases.holds(SHARD, SALE, 1_200));
}

#[test]
fn there_are_never_too_many() {
    let mut leases = Leases::default();
    for sale in 0..=LEASES_MAX {
        leases.keep(SHARD, &sale.to_string(), &text(vec![gone("a", 500)], None), 1_000);
    }
    assert_eq!(leases.0.values().map(HashMap::len).sum::<usize>(), 1);
}
