//! Who uses a copy, who waits, who fetches.

use super::*;

type Kept = Copies<u32>;

fn kept(kept_ms: u64) -> Kept {
    let mut copies = Kept::default();
    copies.look("s", kept_ms);
    copies.fetched("s", Fetched::Found(1), kept_ms);
    copies
}

#[test]
fn one_request_fetches_and_the_others_wait_for_it() {
    let mut copies = Kept::default();
    assert_eq!(copies.look("s", 0), Look::Fetch { known: false });
    assert_eq!(copies.look("s", 1), Look::Wait);
    copies.fetched("s", Fetched::Found(1), 2);
    assert_eq!(copies.look("s", 2), Look::Use(1));
}

#[test]
fn a_copy_is_fresh_for_a_second_and_stands_in_for_another_while_one_fetches() {
    let mut copies = kept(0);
    assert_eq!(copies.look("s", 999), Look::Use(1));
    assert_eq!(copies.look("s", 1_000), Look::Fetch { known: true });
    assert_eq!(copies.look("s", 1_001), Look::Use(1));
    let mut copies = kept(0);
    assert_eq!(copies.look("s", 2_500), Look::Fetch { known: true });
    assert_eq!(copies.look("s", 2_501), Look::Wait, "an old copy is not shown while the next is on its way");
}

#[test]
fn while_nobody_answers_a_copy_is_shown_for_half_a_minute_and_one_request_at_a_time_asks() {
    let mut copies = kept(0);
    assert_eq!(copies.look("s", 5_000), Look::Fetch { known: true });
    assert_eq!(copies.look("s", 5_000 + SALE_SLOW_MS - 1), Look::Wait);
    assert_eq!(copies.look("s", 5_000 + SALE_SLOW_MS), Look::Use(1), "it takes too long");
    copies.fetched("s", Fetched::Failed, 6_500);
    assert_eq!(copies.last_resort("s", 6_500), Some(1), "for who fetched");
    for at_ms in [7_000, 15_000, 29_000] {
        assert_eq!(copies.look("s", at_ms), Look::Fetch { known: true });
        assert_eq!([copies.look("s", at_ms), copies.look("s", at_ms + 1)], [Look::Use(1), Look::Use(1)]);
        copies.fetched("s", Fetched::Failed, at_ms + 2);
    }
    assert_eq!(copies.last_resort("s", 29_999), Some(1));
    assert_eq!(copies.last_resort("s", 30_000), None);
    assert_eq!(copies.look("s", 30_000), Look::Fetch { known: true });
    assert_eq!(copies.look("s", 30_001), Look::Wait);
    copies.fetched("s", Fetched::Found(2), 30_100);
    assert_eq!(copies.look("s", 30_100), Look::Use(2));
    assert_eq!(copies.look("s", 33_000), Look::Fetch { known: true });
    assert_eq!(copies.look("s", 33_001), Look::Wait, "what failed once is over");
}

#[test]
fn a_fetch_that_was_cancelled_is_taken_over() {
    let mut copies = Kept::default();
    copies.look("s", 0);
    assert_eq!(copies.look("s", INVOKE_DEADLINE_MS - 1), Look::Wait);
    assert_eq!(copies.look("s", INVOKE_DEADLINE_MS), Look::Fetch { known: false });
    let mut copies = kept(0);
    copies.look("s", 40_000);
    assert_eq!(copies.look("s", 40_000 + INVOKE_DEADLINE_MS - 1), Look::Wait);
    assert_eq!(copies.look("s", 40_000 + INVOKE_DEADLINE_MS), Look::Fetch { known: true });
}

#[test]
fn that_there_is_no_such_sale_is_remembered_for_a_second_unless_it_is_made() {
    let mut copies = Kept::default();
    copies.look("s", 0);
    copies.fetched("s", Fetched::Missing, 5);
    assert_eq!([copies.look("s", 6), copies.look("s", 1_004)], [Look::Missing, Look::Missing]);
    assert_eq!(copies.look("s", 1_005), Look::Fetch { known: false });
    copies.fetched("s", Fetched::Missing, 1_010);
    copies.made("s");
    assert_eq!(copies.look("s", 1_011), Look::Fetch { known: false });
    copies.made("s");
    copies.fetched("s", Fetched::Missing, 1_020);
    assert_eq!(copies.look("s", 1_021), Look::Fetch { known: false }, "that was asked before it was made");
}

#[test]
fn strangers_names_take_neither_the_places_nor_the_memory_of_sales() {
    let mut copies = kept(0);
    let fetches = (0..10_000).filter(|name| copies.look(&format!("x{name}"), 10) == Look::Fetch { known: false });
    assert_eq!(fetches.count(), NEW_SALES_MAX);
    assert_eq!(copies.look("s", 10), Look::Use(1));
    assert_eq!(copies.look("s", 1_500), Look::Fetch { known: true }, "a sale that is there needs no new name's place");
    assert_eq!(copies.look("another", 19), Look::Busy);
    copies.fetched("x0", Fetched::Missing, 20);
    assert_eq!(copies.look("another", 21), Look::Fetch { known: false });
    for name in 0..3 * NO_SALES_MAX {
        copies.asked.clear();
        copies.look(&format!("y{name}"), 30);
        copies.fetched(&format!("y{name}"), Fetched::Missing, 30);
        assert!(copies.missing.len() <= NO_SALES_MAX && copies.asked.len() <= NEW_SALES_MAX);
    }
    assert_eq!(copies.look("s", 999), Look::Use(1));
}

#[test]
fn of_too_many_sales_the_one_that_nobody_looks_at_goes() {
    let mut copies = kept(0);
    for name in 0..2 * SALES_MAX as u64 {
        copies.fetched(&name.to_string(), Fetched::Found(2), name + 1);
        copies.look("s", name + 1);
        assert!(copies.copies.len() <= SALES_MAX);
    }
    assert_eq!(copies.look("s", 600), Look::Use(1));
}

#[test]
fn a_clock_that_is_put_back_makes_no_copy_last_longer() {
    const AHEAD_MS: u64 = 600_000;
    let mut copies = kept(AHEAD_MS);
    assert_eq!(copies.last_resort("s", 0), None);
    copies.look("s", AHEAD_MS + 1_000);
    assert_eq!(copies.look("s", 0), Look::Fetch { known: true });
    let mut copies = Kept::default();
    copies.look("s", AHEAD_MS);
    assert_eq!(copies.look("s", 0), Look::Fetch { known: false });
    copies.fetched("s", Fetched::Missing, AHEAD_MS);
    assert_eq!(copies.look("s", 0), Look::Fetch { known: false });
}
