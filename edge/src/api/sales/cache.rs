//! The copies an isolate keeps: who may use one, who waits for the next, and who fetches it. Names come from strangers:
//! those of which nothing is known have a memory and places of their own, and take nothing from the sales that are there.

use std::collections::HashMap;

use crate::runtime::limits::{
    INVOKE_DEADLINE_MS, NEW_SALES_MAX, NO_SALE_KEEP_MS, NO_SALES_MAX, SALE_FRESH_MS, SALE_KEEP_MS, SALE_SLOW_MS,
    SALE_STALE_MS, SALES_MAX,
};

/// Of sales that are there.
pub struct SaleCache<T> {
    cache: HashMap<String, Copy<T>>,
    /// Names of which nothing is known, and since when somebody asks.
    asked: HashMap<String, u64>,
    /// Names that are no sale's, and when that was so.
    missing: HashMap<String, u64>,
}

struct Copy<T> {
    body: T,
    kept_ms: u64,
    /// Since when somebody is fetching the next.
    fetching_ms: Option<u64>,
    /// The last fetch brought nothing.
    failed: bool,
    used_ms: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum CacheLookup<T> {
    Use(T),
    /// There is no such sale.
    Missing,
    /// Somebody else is fetching.
    Wait,
    /// So many names of which nothing is known are being asked for that this one has to wait.
    Busy,
    /// It is this caller who fetches, and reports what came of it. `known`: there was such a sale.
    Fetch {
        known: bool,
    },
}

/// What came of a fetch.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched<T> {
    Found(T),
    Missing,
    Failed,
}

impl<T> Default for SaleCache<T> {
    fn default() -> Self {
        Self { cache: HashMap::new(), asked: HashMap::new(), missing: HashMap::new() }
    }
}

impl<T: Clone> SaleCache<T> {
    pub fn look(&mut self, name: &str, now_ms: u64) -> CacheLookup<T> {
        let Some(copy) = self.cache.get_mut(name) else { return self.look_for_new(name, now_ms) };
        copy.used_ms = now_ms;
        let age_ms = now_ms.abs_diff(copy.kept_ms);
        if age_ms < SALE_FRESH_MS {
            return CacheLookup::Use(copy.body.clone());
        }
        // A fetch that was cancelled with its request reports to nobody. And a clock that was put back makes nothing last
        // longer, here and below.
        let since_ms = copy.fetching_ms.map(|since_ms| now_ms.abs_diff(since_ms));
        match since_ms.filter(|since_ms| *since_ms < INVOKE_DEADLINE_MS) {
            None => {
                copy.fetching_ms = Some(now_ms);
                CacheLookup::Fetch { known: true }
            }
            Some(since_ms) => {
                let slow = copy.failed || since_ms >= SALE_SLOW_MS;
                let usable_ms = if slow { SALE_KEEP_MS } else { SALE_STALE_MS };
                if age_ms < usable_ms { CacheLookup::Use(copy.body.clone()) } else { CacheLookup::Wait }
            }
        }
    }

    fn look_for_new(&mut self, name: &str, now_ms: u64) -> CacheLookup<T> {
        if self.missing.get(name).is_some_and(|since_ms| now_ms.abs_diff(*since_ms) < NO_SALE_KEEP_MS) {
            return CacheLookup::Missing;
        }
        let asked_now = |since_ms: &u64| now_ms.abs_diff(*since_ms) < INVOKE_DEADLINE_MS;
        if self.asked.get(name).is_some_and(asked_now) {
            return CacheLookup::Wait;
        }
        if self.asked.len() >= NEW_SALES_MAX {
            self.asked.retain(|_, since_ms| asked_now(since_ms));
            if self.asked.len() >= NEW_SALES_MAX {
                return CacheLookup::Busy;
            }
        }
        self.asked.insert(name.to_owned(), now_ms);
        CacheLookup::Fetch { known: false }
    }

    /// The copy to show when no other can be had.
    pub fn last_resort(&self, name: &str, now_ms: u64) -> Option<T> {
        let copy = self.cache.get(name).filter(|copy| now_ms.abs_diff(copy.kept_ms) < SALE_KEEP_MS);
        copy.map(|copy| copy.body.clone())
    }

    pub fn fetched(&mut self, name: &str, fetched: Fetched<T>, now_ms: u64) {
        let asked = self.asked.remove(name).is_some();
        match fetched {
            Fetched::Found(body) => {
                self.missing.remove(name);
                if !self.cache.contains_key(name) {
                    self.make_room();
                }
                let copy = Copy { body, kept_ms: now_ms, fetching_ms: None, failed: false, used_ms: now_ms };
                self.cache.insert(name.to_owned(), copy);
            }
            Fetched::Missing => {
                // Unless it was made meanwhile.
                if self.cache.remove(name).is_some() || asked {
                    self.remember_missing(name, now_ms);
                }
            }
            Fetched::Failed => {
                if let Some(copy) = self.cache.get_mut(name) {
                    (copy.fetching_ms, copy.failed) = (None, true);
                }
            }
        }
    }

    /// An operator has just made it: who asked before may have been told otherwise.
    pub fn made(&mut self, name: &str) {
        self.missing.remove(name);
        self.asked.remove(name);
    }

    /// The sale that nobody has looked at for longest goes.
    fn make_room(&mut self) {
        if self.cache.len() < SALES_MAX {
            return;
        }
        let oldest = self.cache.iter().min_by_key(|(_, copy)| copy.used_ms).map(|(name, _)| name.clone());
        oldest.and_then(|oldest| self.cache.remove(&oldest));
    }

    fn remember_missing(&mut self, name: &str, now_ms: u64) {
        if self.missing.len() >= NO_SALES_MAX {
            self.missing.retain(|_, since_ms| now_ms.abs_diff(*since_ms) < NO_SALE_KEEP_MS);
            if self.missing.len() >= NO_SALES_MAX {
                self.missing.clear();
            }
        }
        self.missing.insert(name.to_owned(), now_ms);
    }
}

#[cfg(test)]
mod tests;
