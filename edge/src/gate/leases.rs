//! The leases of this isolate. After the last piece nine of ten reservations are refused; under a lease they need no Durable
//! Object.
//!
//! A Gate grants nothing that it has leased to anybody outside the filter before the lease has ended
//! ([`crate::gate::core::leased`]), so a key that was granted never meets a refusal from before it. A lease counts from
//! the moment its question left, which is before the Gate counts from: no two clocks are compared.
//!
//! When a lease has ended, one reservation asks for the next; the others of the isolate wait for its answer for a moment.
//! A Gate that is late would otherwise be asked by all of them, and be later still.

mod held;

use std::cell::RefCell;
use std::collections::HashMap;

use protocol::shop::Line;

use crate::auth::rate_limit::{Buckets, Charge};
use crate::gate::lease::Refusal;
use crate::gate::leases::held::Held;
use crate::runtime::config::Config;
use crate::runtime::limits::{
    GATE_DEADLINE_MS, LEASE_ASK_MS, LEASE_LATE_MS, LEASES_BYTES_MAX, LEASES_MAX, SOLD_OUT_KEEP_MS,
};

/// What happens to a reservation by the leases of this isolate.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    Refused(Refusal),
    /// Another reservation of this isolate is asking for the next lease.
    Waits,
    /// It goes to the Gate. `for_a_lease`: a refusal is to come with one.
    Asks {
        for_a_lease: bool,
    },
}

/// A lease, and who asks for the next.
struct Place {
    held: Held,
    /// When a reservation left that asks for the next lease, until its reply.
    asked_ms: Option<u64>,
}

/// The leases of this isolate: by shard, then by sale.
#[derive(Default)]
pub struct Leases {
    places: HashMap<u64, HashMap<String, Place>>,
    /// By sale: what was asked up to then may be outdated.
    forgotten_ms: HashMap<String, u64>,
    /// The latest time that was seen here.
    now_ms: u64,
}

impl Leases {
    /// What happens to this reservation of this user, by the hash. `waits`: it may still wait for another's answer.
    pub fn turn(&mut self, shard: u64, user: u64, sale_id: &str, items: &[&Line], waits: bool, now_ms: u64) -> Turn {
        self.watch_clock(now_ms);
        let Some(Place { held, asked_ms }) = self.places.get(&shard).and_then(|sales| sales.get(sale_id)) else {
            return Turn::Asks { for_a_lease: true };
        };
        if let Some(refusal) = held.refusal(user, items, now_ms) {
            return Turn::Refused(refusal);
        }
        if !held.is_about(user) || held.lasts_for(items, now_ms) {
            return Turn::Asks { for_a_lease: false };
        }
        let is_asked = asked_ms.is_some_and(|asked_ms| now_ms < asked_ms.saturating_add(LEASE_ASK_MS));
        if waits && is_asked && held.ended_lately(items, now_ms) {
            return Turn::Waits;
        }
        Turn::Asks { for_a_lease: true }
    }

    /// A reservation leaves that asks for a lease.
    pub fn asks(&mut self, shard: u64, sale_id: &str, now_ms: u64) {
        if let Some(place) = self.places.get_mut(&shard).and_then(|sales| sales.get_mut(sale_id)) {
            place.asked_ms = Some(now_ms);
        }
    }

    /// The reply to a reservation that left at `from_ms` and asked for a lease, or that there is none. A lease that cannot
    /// be read is none.
    pub fn answered(&mut self, shard: u64, sale_id: &str, lease: Option<&str>, from_ms: u64, now_ms: u64) {
        self.watch_clock(now_ms);
        if let Some(Place { held, asked_ms }) = self.places.get_mut(&shard).and_then(|sales| sales.get_mut(sale_id)) {
            let was_asked_for = *asked_ms == Some(from_ms);
            if was_asked_for {
                *asked_ms = None;
            }
            // When a SKU has just sold out, many replies bring the same lease: one is read.
            if !was_asked_for && !held.is_over(now_ms) {
                return;
            }
        }
        let is_outdated = self.forgotten_ms.get(sale_id).is_some_and(|forgotten_ms| from_ms <= *forgotten_ms);
        let Some(held) = lease.filter(|_| !is_outdated).and_then(|text| Held::read(text, from_ms)) else { return };
        self.make_room(&held, now_ms);
        let sales = self.places.entry(shard).or_default();
        let held = match sales.remove(sale_id) {
            Some(Place { held: before, .. }) if !before.is_over(now_ms) && before.made_ms() > held.made_ms() => before,
            before => held.after(before.map(|place| place.held)),
        };
        sales.insert(sale_id.to_owned(), Place { held, asked_ms: None });
    }

    /// The user got something: no lease that this isolate holds refuses them any more.
    pub fn granted(&mut self, shard: u64, user: u64, now_ms: u64) {
        for place in self.places.get_mut(&shard).into_iter().flat_map(HashMap::values_mut) {
            place.held.granted(user, now_ms);
        }
    }

    /// Whether a lease of this shard and sale lasts.
    pub fn lasts(&self, shard: u64, sale_id: &str, now_ms: u64) -> bool {
        let place = self.places.get(&shard).and_then(|sales| sales.get(sale_id));
        place.is_some_and(|place| !place.held.is_over(now_ms))
    }

    /// Stock of the sale came back, or it changed: what the Gates were asked up to now may be outdated.
    pub fn forget(&mut self, sale_id: &str, now_ms: u64) {
        self.forgotten_ms.retain(|_, at_ms| at_ms.saturating_add(GATE_DEADLINE_MS) > now_ms);
        self.forgotten_ms.insert(sale_id.to_owned(), now_ms);
        for sales in self.places.values_mut() {
            sales.remove(sale_id);
        }
    }

    /// Leases that ended long ago are dropped, and, where there is no room, those that end first.
    fn make_room(&mut self, next: &Held, now_ms: u64) {
        for sales in self.places.values_mut() {
            sales.retain(|_, place| now_ms < place.held.end_ms().saturating_add(SOLD_OUT_KEEP_MS));
        }
        self.places.retain(|_, sales| !sales.is_empty());
        let all =
            self.places.iter().flat_map(|(shard, sales)| sales.iter().map(move |(sale, place)| (shard, sale, place)));
        let mut all: Vec<(u64, usize, u64, String)> =
            all.map(|(shard, sale, Place { held, .. })| (held.end_ms(), held.bytes(), *shard, sale.clone())).collect();
        all.sort_unstable();
        let mut count = all.len();
        let mut bytes = all.iter().fold(next.bytes(), |bytes, (_, more, ..)| bytes.saturating_add(*more));
        for (_, its_bytes, shard, sale) in all {
            if count < LEASES_MAX && bytes <= LEASES_BYTES_MAX {
                break;
            }
            self.places.get_mut(&shard).and_then(|sales| sales.remove(&sale));
            (count, bytes) = (count.saturating_sub(1), bytes.saturating_sub(its_bytes));
        }
    }

    /// A clock that is set back would extend every lease: all are dropped.
    fn watch_clock(&mut self, now_ms: u64) {
        if now_ms.saturating_add(LEASE_LATE_MS) < self.now_ms {
            (self.now_ms, self.places) = (now_ms, HashMap::new());
        }
        self.now_ms = self.now_ms.max(now_ms);
    }
}

thread_local! {
    static LEASES: RefCell<Leases> = RefCell::default();
    /// What this isolate has refused under leases, by user.
    static BUCKETS: RefCell<Option<Buckets>> = const { RefCell::new(None) };
}

pub fn with<T>(act: impl FnOnce(&mut Leases) -> T) -> T {
    LEASES.with_borrow_mut(act)
}

/// Takes a token for a refusal under a lease: a user is limited there as at the Gate.
pub fn charge(config: &Config, user_id: &str, now_ms: u64) -> Charge {
    with_buckets(config, |buckets| buckets.charge(user_id, now_ms))
}

/// What the Gate says is left: no more than that is left here.
pub fn charged(config: &Config, user_id: &str, charge: Charge, now_ms: u64) {
    with_buckets(config, |buckets| buckets.lower(user_id, charge.remaining, now_ms));
}

fn with_buckets<T>(config: &Config, act: impl FnOnce(&mut Buckets) -> T) -> T {
    BUCKETS.with_borrow_mut(|buckets| {
        act(buckets.get_or_insert_with(|| Buckets::new(config.user_burst, config.user_per_s)))
    })
}

#[cfg(test)]
mod tests;
