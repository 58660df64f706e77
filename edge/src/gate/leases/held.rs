//! A lease that this isolate holds.

use std::collections::HashMap;

use protocol::json;
use protocol::shop::Line;

use crate::gate::filter::Filter;
use crate::gate::lease::{Lease, LeasedSku, Refusal, Refused, Term};
use crate::runtime::limits::SOLD_OUT_KEEP_MS;

pub struct Held {
    lease: Lease,
    filter: Filter,
    /// Users whom this isolate has seen get something since, and when.
    granted: HashMap<u64, u64>,
    /// When its question left.
    from_ms: u64,
}

impl Held {
    pub fn read(text: &str, from_ms: u64) -> Option<Self> {
        let lease: Lease = json::read(text).ok()?;
        let filter = Filter::read(&lease.filter)?;
        Some(Self { lease: Lease { filter: String::new(), ..lease }, filter, granted: HashMap::new(), from_ms })
    }

    /// It takes the place of another. Whoever was granted something before its question left is in its filter.
    pub fn after(mut self, before: Option<Self>) -> Self {
        let granted = before.map(|before| before.granted).unwrap_or_default();
        self.granted = granted.into_iter().filter(|(_, at_ms)| *at_ms >= self.from_ms).collect();
        self
    }

    pub fn made_ms(&self) -> u64 {
        self.lease.made_ms
    }

    pub fn bytes(&self) -> usize {
        self.filter.len()
    }

    fn end_of(&self, term: Term) -> u64 {
        self.from_ms.saturating_add(term.for_ms)
    }

    /// When the last of its terms ends.
    pub fn end_ms(&self) -> u64 {
        let terms = self.lease.skus.iter().map(|sku| sku.term).chain(self.lease.closed.iter().map(|sale| sale.term));
        terms.map(|term| self.end_of(term)).max().unwrap_or_default()
    }

    pub fn is_over(&self, now_ms: u64) -> bool {
        now_ms >= self.end_ms()
    }

    pub fn granted(&mut self, user: u64, now_ms: u64) {
        if !self.is_over(now_ms) {
            self.granted.insert(user, now_ms);
        }
    }

    /// What it says to this user, now.
    pub fn refusal(&self, user: u64, items: &[&Line], now_ms: u64) -> Option<Refusal> {
        let (refusal, end_ms) = self.says(items)?;
        (now_ms < end_ms && self.is_about(user)).then_some(refusal)
    }

    /// Whether it lasts for these, for whomever.
    pub fn lasts_for(&self, items: &[&Line], now_ms: u64) -> bool {
        self.says(items).is_some_and(|(_, end_ms)| now_ms < end_ms)
    }

    /// Whether it has ended for these, and not long ago.
    pub fn ended_lately(&self, items: &[&Line], now_ms: u64) -> bool {
        self.says(items).is_some_and(|(_, end_ms)| now_ms < end_ms.saturating_add(SOLD_OUT_KEEP_MS))
    }

    pub fn is_about(&self, user: u64) -> bool {
        !self.filter.contains(user) && !self.granted.contains_key(&user)
    }

    /// What it says of these, and until when.
    fn says(&self, items: &[&Line]) -> Option<(Refusal, u64)> {
        if let Some(closed) = &self.lease.closed {
            let known = items.iter().all(|line| closed.skus.contains(&line.sku_id));
            let of = Refused::SaleNotOpen { opens_at: closed.opens_at.clone(), status: closed.status };
            let refusal = Refusal { of, as_of_ms: closed.term.as_of_ms };
            return known.then_some((refusal, self.end_of(closed.term)));
        }
        let mut first: Option<&LeasedSku> = None;
        let mut end_ms = u64::MAX;
        for line in items {
            // Another SKU may be left, or not exist; a quantity above the limit is refused for that reason.
            let sku = self.lease.skus.iter().find(|sku| sku.sku_id == line.sku_id)?;
            if line.qty > sku.max_per_user {
                return None;
            }
            end_ms = end_ms.min(self.end_of(sku.term));
            first.get_or_insert(sku);
        }
        let LeasedSku { sku_id, term, .. } = first?;
        Some((Refusal { of: Refused::SoldOut { sku_id: sku_id.clone() }, as_of_ms: term.as_of_ms }, end_ms))
    }
}
