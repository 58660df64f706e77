//! Who uses a copy, who waits, who fetches.

use super::*;

type Kept = SaleCache<u32>;

fn kept(kept_ms: u64) -> Kept {
    let mut cache = Kept::default();
    cache.look("s", kept_ms);
    cache.fetched("s", Fetched::Found(1), kept_ms);
    cache
}

#[test]
fn one_request_fetches_and_the_others_wait_for_it() {
    let mut cache = Kept::default();
    assert_eq!(cache.look("s", 0), CacheLookup::Fetch { known: false });
    assert_eq!(cache.look("s", 1), CacheLookup::Wait);
    cache.fetched("s", Fetched::Found(1), 2);
    assert_eq!(cache.look("s", 2), CacheLookup::Use(1));
}

#[test]
fn a_copy_is_fresh_for_a_second_and_served_stale_for_another_during_a_fetch() {
    let mut cache = kept(0);
    assert_eq!(cache.look("s", 999), CacheLookup::Use(1));
    assert_eq!(cache.look("s", 1_000), CacheLookup::Fetch { known: true });
    assert_eq!(cache.look("s", 1_001), CacheLookup::Use(1));
    let mut cache = kept(0);
    assert_eq!(cache.look("s", 2_500), CacheLookup::Fetch { known: true });
    assert_eq!(cache.look("s", 2_501), CacheLookup::Wait, "an old copy is not shown while the next is on its way");
    let mut cache = kept(0);
    assert_eq!(cache.look("s", 1_800), CacheLookup::Fetch { known: true });
    assert_eq!([cache.look("s", 1_999), cache.look("s", 2_000)], [CacheLookup::Use(1), CacheLookup::Wait]);
}

#[test]
fn during_an_outage_a_copy_is_served_for_half_a_minute_and_one_request_at_a_time_fetches() {
    let mut cache = kept(0);
    assert_eq!(cache.look("s", 5_000), CacheLookup::Fetch { known: true });
    assert_eq!(cache.look("s", 5_000 + SALE_SLOW_MS - 1), CacheLookup::Wait);
    assert_eq!(cache.look("s", 5_000 + SALE_SLOW_MS), CacheLookup::Use(1), "it takes too long");
    cache.fetched("s", Fetched::Failed, 6_500);
    assert_eq!(cache.last_resort("s", 6_500), Some(1), "for who fetched");
    for at_ms in [7_000, 15_000, 29_000] {
        assert_eq!(cache.look("s", at_ms), CacheLookup::Fetch { known: true });
        assert_eq!([cache.look("s", at_ms), cache.look("s", at_ms + 1)], [CacheLookup::Use(1), CacheLookup::Use(1)]);
        cache.fetched("s", Fetched::Failed, at_ms + 2);
    }
    assert_eq!(cache.last_resort("s", 29_999), Some(1));
    assert_eq!(cache.last_resort("s", 30_000), None);
    assert_eq!(cache.look("s", 30_000), CacheLookup::Fetch { known: true });
    assert_eq!(cache.look("s", 30_001), CacheLookup::Wait);
    cache.fetched("s", Fetched::Found(2), 30_100);
    assert_eq!(cache.look("s", 30_100), CacheLookup::Use(2));
    assert_eq!(cache.look("s", 33_000), CacheLookup::Fetch { known: true });
    assert_eq!(cache.look("s", 33_001), CacheLookup::Wait, "what failed once is over");
}

#[test]
fn a_fetch_that_was_cancelled_is_taken_over() {
    let mut cache = Kept::default();
    cache.look("s", 0);
    assert_eq!(cache.look("s", INVOKE_DEADLINE_MS - 1), CacheLookup::Wait);
    assert_eq!(cache.look("s", INVOKE_DEADLINE_MS), CacheLookup::Fetch { known: false });
    let mut cache = kept(0);
    cache.look("s", 40_000);
    assert_eq!(cache.look("s", 40_000 + INVOKE_DEADLINE_MS - 1), CacheLookup::Wait);
    assert_eq!(cache.look("s", 40_000 + INVOKE_DEADLINE_MS), CacheLookup::Fetch { known: true });
}

#[test]
fn an_unknown_sale_is_cached_for_a_second_unless_it_is_created() {
    let mut cache = Kept::default();
    cache.look("s", 0);
    cache.fetched("s", Fetched::Missing, 5);
    assert_eq!([cache.look("s", 6), cache.look("s", 1_004)], [CacheLookup::Missing, CacheLookup::Missing]);
    assert_eq!(cache.look("s", 1_005), CacheLookup::Fetch { known: false });
    cache.fetched("s", Fetched::Missing, 1_010);
    cache.made("s");
    assert_eq!(cache.look("s", 1_011), CacheLookup::Fetch { known: false });
    cache.made("s");
    cache.fetched("s", Fetched::Missing, 1_020);
    assert_eq!(cache.look("s", 1_021), CacheLookup::Fetch { known: false }, "that was asked before it was made");
}

#[test]
fn unknown_names_take_neither_the_slots_nor_the_memory_of_sales() {
    let mut cache = kept(0);
    let fetches = (0..10_000).filter(|name| cache.look(&format!("x{name}"), 10) == CacheLookup::Fetch { known: false });
    assert_eq!(fetches.count(), NEW_SALES_MAX);
    assert_eq!(cache.look("s", 10), CacheLookup::Use(1));
    assert_eq!(
        cache.look("s", 1_500),
        CacheLookup::Fetch { known: true },
        "a sale that is there needs no new name's place"
    );
    assert_eq!(cache.look("another", 19), CacheLookup::Busy);
    cache.fetched("x0", Fetched::Missing, 20);
    assert_eq!(cache.look("another", 21), CacheLookup::Fetch { known: false });
    for name in 0..3 * NO_SALES_MAX {
        cache.asked.clear();
        cache.look(&format!("y{name}"), 30);
        cache.fetched(&format!("y{name}"), Fetched::Missing, 30);
        assert!(cache.missing.len() <= NO_SALES_MAX && cache.asked.len() <= NEW_SALES_MAX);
    }
    assert_eq!(cache.look("s", 999), CacheLookup::Use(1));
}

#[test]
fn a_full_cache_evicts_a_sale_that_is_not_read() {
    let mut cache = kept(0);
    for name in 0..2 * SALES_MAX as u64 {
        cache.fetched(&name.to_string(), Fetched::Found(2), name + 1);
        cache.look("s", name + 1);
        assert!(cache.cache.len() <= SALES_MAX);
    }
    assert_eq!(cache.look("s", 600), CacheLookup::Use(1));
}

#[test]
fn a_clock_set_back_extends_no_copy() {
    const AHEAD_MS: u64 = 600_000;
    let mut cache = kept(AHEAD_MS);
    assert_eq!(cache.last_resort("s", 0), None);
    cache.look("s", AHEAD_MS + 1_000);
    assert_eq!(cache.look("s", 0), CacheLookup::Fetch { known: true });
    let mut cache = Kept::default();
    cache.look("s", AHEAD_MS);
    assert_eq!(cache.look("s", 0), CacheLookup::Fetch { known: false });
    cache.fetched("s", Fetched::Missing, AHEAD_MS);
    assert_eq!(cache.look("s", 0), CacheLookup::Fetch { known: false });
}

#[test]
fn a_failed_lookup_is_remembered_for_half_a_minute_or_until_one_succeeds() {
    let mut cache = Kept::default();
    let asked = |cache: &mut Kept, fetched, now_ms| {
        assert_eq!(cache.look("s", now_ms), CacheLookup::Fetch { known: false });
        cache.fetched("s", fetched, now_ms);
        cache.failed_before("s", now_ms)
    };
    assert!(!asked(&mut cache, Fetched::Limited, 0), "who was limited has learnt nothing of the sale");
    assert!(asked(&mut cache, Fetched::Failed, 1));
    assert!(asked(&mut cache, Fetched::Limited, 2) && !cache.failed_before("another", 2));
    assert!(cache.failed_before("s", SALE_KEEP_MS) && !cache.failed_before("s", SALE_KEEP_MS + 1));
    assert!(!asked(&mut cache, Fetched::Missing, 3));
    for name in 0..10_000 {
        cache.look(&format!("x{name}"), 10_000);
        cache.fetched(&format!("x{name}"), Fetched::Failed, 10_000);
    }
    assert!(cache.failed.len() <= NEW_SALES_MAX, "made-up names fill no memory");
}
