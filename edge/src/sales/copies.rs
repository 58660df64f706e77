//! The copies an isolate keeps: who may use one, who waits for the next, and who fetches it.

use std::collections::HashMap;

use crate::bounds::{INVOKE_DEADLINE_MS, SALE_FRESH_MS, SALE_STALE_MS, SALES_MAX};

pub struct Copies<T> {
    copies: HashMap<String, Copy<T>>,
}

struct Copy<T> {
    /// And when it was fetched.
    kept: Option<(T, u64)>,
    /// Since when somebody is fetching the next.
    fetching_ms: Option<u64>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Look<T> {
    Use(T),
    /// Somebody else is fetching.
    Wait,
    /// It is this caller who fetches, and reports what came of it.
    Fetch,
}

impl<T> Default for Copies<T> {
    fn default() -> Self {
        Self { copies: HashMap::new() }
    }
}

/// Whether an answer is true only for those who asked before it came.
pub trait Fleeting {
    fn is_fleeting(&self) -> bool;
}

impl<B> Fleeting for Option<B> {
    /// "No such sale" ends when an operator makes it, and who asks after that must see it.
    fn is_fleeting(&self) -> bool {
        self.is_none()
    }
}

impl<T: Clone + Fleeting> Copies<T> {
    /// For a request that came at `asked_ms`.
    pub fn look(&mut self, name: &str, asked_ms: u64, now_ms: u64) -> Look<T> {
        let Some(copy) = self.copies.get_mut(name) else {
            self.make_room(now_ms);
            self.copies.insert(name.to_owned(), Copy { kept: None, fetching_ms: Some(now_ms) });
            return Look::Fetch;
        };
        // A fetch that was cancelled with its request reports to nobody. And a clock that was put back makes nothing last
        // longer, here and below.
        let fetching = copy.fetching_ms.is_some_and(|since_ms| now_ms.abs_diff(since_ms) < INVOKE_DEADLINE_MS);
        let usable_ms = if fetching { SALE_STALE_MS } else { SALE_FRESH_MS };
        match &copy.kept {
            Some((body, kept_ms)) if body.is_fleeting() && (asked_ms..=now_ms).contains(kept_ms) => {
                Look::Use(body.clone())
            }
            Some((body, kept_ms)) if !body.is_fleeting() && now_ms.abs_diff(*kept_ms) < usable_ms => {
                Look::Use(body.clone())
            }
            _ if fetching => Look::Wait,
            _ => {
                copy.fetching_ms = Some(now_ms);
                Look::Fetch
            }
        }
    }

    /// What came of a fetch; none: nothing, and the copy that there was stays.
    pub fn fetched(&mut self, name: &str, body: Option<T>, now_ms: u64) {
        // The place may have been given away meanwhile; the next request fetches for itself then.
        let Some(copy) = self.copies.get_mut(name) else { return };
        copy.fetching_ms = None;
        if let Some(body) = body {
            copy.kept = Some((body, now_ms));
        }
    }

    /// Names come from strangers: the copies nobody may use any more go, and if they are not enough, all.
    fn make_room(&mut self, now_ms: u64) {
        if self.copies.len() < SALES_MAX {
            return;
        }
        let used = |copy: &Copy<T>| copy.kept.as_ref().map(|(_, kept_ms)| *kept_ms).max(copy.fetching_ms);
        self.copies.retain(|_, copy| used(copy).is_some_and(|used_ms| now_ms.abs_diff(used_ms) < SALE_STALE_MS));
        if self.copies.len() >= SALES_MAX {
            self.copies.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Kept = Copies<Option<u32>>;

    fn look(copies: &mut Kept, now_ms: u64) -> Look<Option<u32>> {
        copies.look("s", now_ms, now_ms)
    }

    #[test]
    fn one_request_fetches_and_the_others_wait_for_it() {
        let mut copies = Kept::default();
        assert_eq!(look(&mut copies, 0), Look::Fetch);
        assert_eq!(look(&mut copies, 1), Look::Wait);
        copies.fetched("s", Some(Some(1)), 2);
        assert_eq!(look(&mut copies, 2), Look::Use(Some(1)));
    }

    #[test]
    fn a_copy_is_fresh_for_a_second_and_stands_in_for_another_while_one_fetches() {
        let mut copies = Kept::default();
        look(&mut copies, 0);
        copies.fetched("s", Some(Some(1)), 0);
        assert_eq!(look(&mut copies, 999), Look::Use(Some(1)));
        assert_eq!(look(&mut copies, 1_000), Look::Fetch);
        assert_eq!(look(&mut copies, 1_999), Look::Use(Some(1)));
        assert_eq!(look(&mut copies, 2_000), Look::Wait);
        copies.fetched("s", None, 2_001);
        assert_eq!(look(&mut copies, 2_001), Look::Fetch);
    }

    #[test]
    fn a_fetch_that_was_cancelled_is_taken_over() {
        let mut copies = Kept::default();
        look(&mut copies, 0);
        assert_eq!(look(&mut copies, INVOKE_DEADLINE_MS - 1), Look::Wait);
        assert_eq!(look(&mut copies, INVOKE_DEADLINE_MS), Look::Fetch);
    }

    #[test]
    fn a_sale_that_was_missing_is_seen_by_whoever_asks_after_it_was_made() {
        let mut copies = Kept::default();
        look(&mut copies, 0);
        copies.fetched("s", Some(None), 5);
        assert_eq!(copies.look("s", 3, 6), Look::Use(None));
        assert_eq!(copies.look("s", 6, 6), Look::Fetch);
    }

    #[test]
    fn a_clock_that_is_put_back_makes_no_copy_last_longer() {
        const AHEAD_MS: u64 = 600_000;
        for body in [Some(1), None] {
            let mut copies = Kept::default();
            look(&mut copies, AHEAD_MS);
            assert_eq!(look(&mut copies, 0), Look::Fetch);
            copies.fetched("s", Some(body), AHEAD_MS);
            assert_eq!(look(&mut copies, 0), Look::Fetch);
        }
    }

    #[test]
    fn strangers_names_do_not_fill_the_memory() {
        let mut copies = Kept::default();
        for name in 0..10 * SALES_MAX {
            copies.look(&name.to_string(), 0, 0);
            assert!(copies.copies.len() <= SALES_MAX);
        }
    }
}
