//! What an isolate has cached of sales, or of rankings: who may use a copy, who waits, who fetches. Unknown names have a bound of
//! their own, so that invented ones cannot evict real sales.

use std::collections::HashMap;

use crate::runtime::limits::{
    INVOKE_DEADLINE_MS, NEW_SALES_MAX, NO_SALE_KEEP_MS, NO_SALES_MAX, SALE_FRESH_MS, SALE_KEEP_MS, SALE_SLOW_MS,
    SALE_STALE_MS, SALES_MAX,
};

/// Sales that exist.
pub struct SaleCache<T> {
    /// How long a copy is fresh.
    fresh_ms: u64,
    cache: HashMap<String, Copy<T>>,
    /// Unknown names that are being looked up, and since when.
    asked: HashMap<String, u64>,
    /// Names that are no sale's, and since when that is known.
    missing: HashMap<String, u64>,
    /// Unknown names whose last look-up failed, and when.
    failed: HashMap<String, u64>,
}

struct Copy<T> {
    body: T,
    kept_ms: u64,
    /// Since when a request is fetching the next copy.
    fetching_ms: Option<u64>,
    /// The last fetch failed.
    failed: bool,
    used_ms: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum CacheLookup<T> {
    Use(T),
    /// There is no such sale.
    Missing,
    /// Another request is fetching.
    Wait,
    /// As many unknown names are being looked up as are allowed.
    Busy,
    /// This caller fetches, and reports the result. `known`: there was such a sale.
    Fetch {
        known: bool,
    },
}

/// The result of a fetch.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched<T> {
    Found(T),
    Missing,
    /// The functions gave no answer.
    Failed,
    /// The functions were not called: the caller had no lookup left.
    Limited,
}

impl<T> Default for SaleCache<T> {
    fn default() -> Self {
        Self::fresh_for(SALE_FRESH_MS)
    }
}

impl<T> SaleCache<T> {
    pub fn fresh_for(fresh_ms: u64) -> Self {
        Self { fresh_ms, cache: HashMap::new(), asked: HashMap::new(), missing: HashMap::new(), failed: HashMap::new() }
    }
}

impl<T: Clone> SaleCache<T> {
    pub fn look(&mut self, name: &str, now_ms: u64) -> CacheLookup<T> {
        let Some(copy) = self.cache.get_mut(name) else { return self.look_for_new(name, now_ms) };
        copy.used_ms = now_ms;
        let age_ms = now_ms.abs_diff(copy.kept_ms);
        if age_ms < self.fresh_ms {
            return CacheLookup::Use(copy.body.clone());
        }
        // A fetch that was cancelled with its request never reports. A clock that is set back extends nothing, here and
        // below.
        let since_ms = copy.fetching_ms.map(|since_ms| now_ms.abs_diff(since_ms));
        match since_ms.filter(|since_ms| *since_ms < INVOKE_DEADLINE_MS) {
            None => {
                copy.fetching_ms = Some(now_ms);
                CacheLookup::Fetch { known: true }
            }
            Some(since_ms) => {
                let slow = copy.failed || since_ms >= SALE_SLOW_MS;
                let stale_ms = self.fresh_ms.saturating_add(SALE_STALE_MS - SALE_FRESH_MS);
                let usable_ms = if slow { SALE_KEEP_MS } else { stale_ms };
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

    /// Whether the last look-up of this unknown name failed, which was not its caller's fault.
    pub fn failed_before(&self, name: &str, now_ms: u64) -> bool {
        self.failed.get(name).is_some_and(|since_ms| now_ms.abs_diff(*since_ms) < SALE_KEEP_MS)
    }

    /// The copy to use when a fetch fails.
    pub fn last_resort(&self, name: &str, now_ms: u64) -> Option<T> {
        let copy = self.cache.get(name).filter(|copy| now_ms.abs_diff(copy.kept_ms) < SALE_KEEP_MS);
        copy.map(|copy| copy.body.clone())
    }

    pub fn fetched(&mut self, name: &str, fetched: Fetched<T>, now_ms: u64) {
        let asked = self.asked.remove(name).is_some();
        if matches!(fetched, Fetched::Found(_) | Fetched::Missing) {
            self.failed.remove(name);
        }
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
                // Unless it was created meanwhile.
                if self.cache.remove(name).is_some() || asked {
                    self.remember_missing(name, now_ms);
                }
            }
            Fetched::Failed => {
                if let Some(copy) = self.cache.get_mut(name) {
                    (copy.fetching_ms, copy.failed) = (None, true);
                } else {
                    self.remember_failed(name, now_ms);
                }
            }
            Fetched::Limited => {}
        }
    }

    /// An operator has created it: forget that it was missing.
    pub fn made(&mut self, name: &str) {
        self.missing.remove(name);
        self.asked.remove(name);
    }

    /// Evicts the least recently used sale.
    fn make_room(&mut self) {
        if self.cache.len() < SALES_MAX {
            return;
        }
        let oldest = self.cache.iter().min_by_key(|(_, copy)| copy.used_ms).map(|(name, _)| name.clone());
        oldest.and_then(|oldest| self.cache.remove(&oldest));
    }

    fn remember_failed(&mut self, name: &str, now_ms: u64) {
        if self.failed.len() >= NEW_SALES_MAX {
            self.failed.retain(|_, since_ms| now_ms.abs_diff(*since_ms) < SALE_KEEP_MS);
        }
        if self.failed.len() < NEW_SALES_MAX || self.failed.contains_key(name) {
            self.failed.insert(name.to_owned(), now_ms);
        }
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
