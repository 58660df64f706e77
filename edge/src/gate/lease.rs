//! A lease: a Gate's permission for this isolate to refuse in its place, for less than a second, whoever cannot have
//! anything of what it names. After the last piece nine of ten reservations are refused; under a lease they need no
//! Durable Object.
//!
//! A Gate grants nothing that it has leased to anybody outside the filter before the lease has ended
//! ([`crate::gate::core::leases`]), so a key that was granted never meets a refusal from before it. A lease counts from
//! the moment its question left, which is before the Gate counts from: no two clocks are compared.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use protocol::json;
use protocol::shop::{Line, SaleStatus};
use serde::{Deserialize, Serialize};

use crate::auth::rate_limit::{Buckets, Charge};
use crate::gate::filter::Filter;
use crate::runtime::config::Config;
use crate::runtime::limits::LEASES_MAX;

/// What a Gate says of one sale, as JSON on its reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// SKUs of which nothing is left.
    pub skus: Vec<LeasedSku>,
    pub closed: Option<LeasedSale>,
    /// The users of this Gate who may have something: [`Filter`] as text. They are not refused.
    pub filter: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasedSku {
    pub sku_id: String,
    pub max_per_user: i64,
    pub term: Term,
}

/// The sale is not open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasedSale {
    pub opens_at: String,
    pub status: SaleStatus,
    /// SKUs that it has: T1 refuses an unknown one first.
    pub skus: Vec<String>,
    pub term: Term,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// When T1 said so, in Unix milliseconds.
    pub as_of_ms: u64,
    /// How long it may be repeated from now on.
    pub for_ms: u64,
}

/// What a lease says of a reservation, and of when that was true.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub of: Refused,
    pub as_of_ms: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    SoldOut { sku_id: String },
    SaleNotOpen { opens_at: String, status: SaleStatus },
}

struct Held {
    lease: Lease,
    filter: Filter,
    /// Users whom this isolate has seen get something since.
    granted: HashSet<u64>,
    from_ms: u64,
}

impl Held {
    fn read(text: &str, from_ms: u64) -> Option<Self> {
        let lease: Lease = json::read(text).ok()?;
        let filter = Filter::read(&lease.filter)?;
        Some(Self { lease, filter, granted: HashSet::new(), from_ms })
    }

    fn lasts(&self, term: Term, now_ms: u64) -> bool {
        (self.from_ms..self.from_ms.saturating_add(term.for_ms)).contains(&now_ms)
    }

    fn refusal(&self, user: u64, items: &[&Line], now_ms: u64) -> Option<Refusal> {
        if self.filter.contains(user) || self.granted.contains(&user) {
            return None;
        }
        if let Some(closed) = self.lease.closed.as_ref().filter(|closed| self.lasts(closed.term, now_ms)) {
            let known = items.iter().all(|line| closed.skus.contains(&line.sku_id));
            let of = Refused::SaleNotOpen { opens_at: closed.opens_at.clone(), status: closed.status };
            return known.then_some(Refusal { of, as_of_ms: closed.term.as_of_ms });
        }
        let mut first: Option<&LeasedSku> = None;
        for line in items {
            // Another SKU may be left, or not exist; a quantity above the limit is refused for that reason.
            let sku = self.lease.skus.iter().find(|sku| sku.sku_id == line.sku_id)?;
            if line.qty > sku.max_per_user || !self.lasts(sku.term, now_ms) {
                return None;
            }
            first.get_or_insert(sku);
        }
        let LeasedSku { sku_id, term, .. } = first?;
        Some(Refusal { of: Refused::SoldOut { sku_id: sku_id.clone() }, as_of_ms: term.as_of_ms })
    }

    fn is_over(&self, now_ms: u64) -> bool {
        let terms = self.lease.skus.iter().map(|sku| sku.term).chain(self.lease.closed.iter().map(|sale| sale.term));
        terms.into_iter().all(|term| !self.lasts(term, now_ms))
    }
}

/// The leases of this isolate: by shard, then by sale.
#[derive(Default)]
pub struct Leases(HashMap<u64, HashMap<String, Held>>);

impl Leases {
    /// Whether a lease for these is held, or else is to be asked for.
    pub fn holds(&self, shard: u64, sale_id: &str, now_ms: u64) -> bool {
        self.of(shard, sale_id).is_some_and(|held| !held.is_over(now_ms))
    }

    /// What the Gate would say, if a lease says so.
    pub fn refusal(&self, shard: u64, user: u64, sale_id: &str, items: &[&Line], now_ms: u64) -> Option<Refusal> {
        self.of(shard, sale_id)?.refusal(user, items, now_ms)
    }

    fn of(&self, shard: u64, sale_id: &str) -> Option<&Held> {
        self.0.get(&shard)?.get(sale_id)
    }

    /// Keeps a lease from a reply to a question that left at `from_ms`, unless another reply has brought one. One that
    /// cannot be read is none.
    pub fn keep(&mut self, shard: u64, sale_id: &str, text: &str, from_ms: u64) {
        if self.holds(shard, sale_id, from_ms) {
            return;
        }
        let Some(mut held) = Held::read(text, from_ms) else { return };
        if self.0.values().map(HashMap::len).sum::<usize>() >= LEASES_MAX {
            // Without a lease the Gate is asked.
            self.0.clear();
        }
        let sales = self.0.entry(shard).or_default();
        held.granted = sales.remove(sale_id).map(|before| before.granted).unwrap_or_default();
        sales.insert(sale_id.to_owned(), held);
    }

    /// The user got something: no lease that this isolate holds refuses them any more.
    pub fn granted(&mut self, shard: u64, user: u64) {
        let Some(sales) = self.0.get_mut(&shard) else { return };
        for held in sales.values_mut() {
            held.granted.insert(user);
        }
    }

    /// Stock of the sale came back, or it changed.
    pub fn forget(&mut self, sale_id: &str) {
        for sales in self.0.values_mut() {
            sales.remove(sale_id);
        }
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
