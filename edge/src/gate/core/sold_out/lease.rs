//! What a Gate lets the Worker say in its place, and whom it holds back meanwhile.

use protocol::reserve::Reservation;

use crate::gate::core::sold_out::SoldOut;
use crate::gate::core::sold_out::sale::{Holders, Observation, Sale};
use crate::gate::filter::Filter;
use crate::gate::lease::{Lease, LeasedSale, LeasedSku, Term};
use crate::runtime::limits::{LEASE_LATE_MS, LEASE_SKUS_MAX, LEASE_USERS_MAX, SOLD_OUT_PROBE_MS};

impl SoldOut {
    /// What may be leased of a sale at this moment. None: nothing, or too many users may have something for a filter. From
    /// then on nothing of it is sent to T1 for others than these until the lease has ended, and the next probe leaves after
    /// that.
    pub fn lease(&mut self, sale_id: &str, now_ms: u64) -> Option<Lease> {
        let Self { sales, leases, in_flight, users, filter, .. } = self;
        let sale = sales.get(sale_id).filter(|sale| matches!(sale.holders, Holders::Known))?;
        if users.len() > LEASE_USERS_MAX {
            return None;
        }
        let may = |sku_id: &String| !leases.is_paused(sale_id, sku_id, now_ms);
        let mut lease = Lease { made_ms: now_ms, skus: Vec::new(), closed: None, filter: String::new() };
        let end_ms = |term: Term| now_ms.saturating_add(term.for_ms).saturating_add(LEASE_LATE_MS);
        if let Some(closed) = &sale.closed {
            let term = term(&closed.observation, now_ms)?;
            let skus: Vec<String> =
                sale.known.iter().filter(|sku_id| may(sku_id)).take(LEASE_SKUS_MAX).cloned().collect();
            for sku_id in &skus {
                leases.add(sale_id, sku_id, i64::MAX, end_ms(term));
            }
            let (opens_at, status) = (closed.opens_at.clone(), closed.status);
            lease.closed = Some(LeasedSale { opens_at, status, skus, term }).filter(|closed| !closed.skus.is_empty());
        } else {
            let gone = sale.skus.iter().filter(|(sku_id, sku)| sku.available == 0 && may(sku_id));
            let leased = gone.filter_map(|(sku_id, sku)| {
                let (sku_id, max_per_user) = (sku_id.clone(), sku.max_per_user);
                Some(LeasedSku { sku_id, max_per_user, term: term(&sku.observation, now_ms)? })
            });
            lease.skus = leased.take(LEASE_SKUS_MAX).collect();
            for LeasedSku { sku_id, max_per_user, term } in &lease.skus {
                leases.add(sale_id, sku_id, *max_per_user, end_ms(*term));
            }
        }
        if lease.closed.is_none() && lease.skus.is_empty() {
            return None;
        }
        let made = || {
            let all: Vec<u64> = users.iter().copied().chain(in_flight.values().flatten().copied()).collect();
            Filter::of(all.into_iter()).text()
        };
        lease.filter.clone_from(filter.get_or_insert_with(made));
        Some(lease)
    }

    /// Whether so many users may have something that nothing is leased.
    pub fn has_too_many_users_for_a_lease(&self) -> bool {
        self.users.len() > LEASE_USERS_MAX
    }

    /// Numbers a batch that leaves now, with these users.
    pub fn begin_batch(&mut self, users: &[u64]) -> u64 {
        let number = self.next;
        if users.iter().any(|user| !self.users.contains(user)) {
            self.filter = None;
        }
        self.in_flight.insert(number, users.to_vec());
        self.next = self.next.saturating_add(1);
        number
    }

    /// These users may have something from now on.
    pub fn add_users(&mut self, users: impl IntoIterator<Item = u64>) {
        let before = self.users.len();
        self.users.extend(users);
        if self.users.len() != before {
            self.filter = None;
        }
    }

    /// Whether a reservation waits for the end of a lease, under which its user may be refused elsewhere what it asks for.
    /// Users who are in every filter wait too where stock may have come back: else they would overtake all others.
    pub fn holds_back(&self, asked: &Reservation, user: u64, now_ms: u64) -> bool {
        let is_refused = || self.sales.get(&asked.sale_id).is_some_and(|sale| is_refused(sale, asked, now_ms));
        self.leases.cover(asked, now_ms).is_some() && !(self.users.contains(&user) && is_refused())
    }

    /// A reservation that is held back: what it waits for is not leased again before it has left.
    pub fn waits(&mut self, asked: &Reservation, now_ms: u64) {
        self.leases.pause(asked, now_ms);
    }

    /// Until then a predecessor's leases may last.
    pub fn hold_back_until(&mut self, until_ms: u64) {
        self.leases.of_predecessor(until_ms);
    }

    pub fn watch_clock(&mut self, now_ms: u64) {
        self.leases.watch_clock(now_ms);
    }

    /// When the next lease ends.
    pub fn next_lease_end(&mut self, now_ms: u64) -> Option<u64> {
        self.leases.next_end(now_ms)
    }
}

/// Whether T1's last answers say that nobody gets anything of this.
fn is_refused(sale: &Sale, asked: &Reservation, now_ms: u64) -> bool {
    let gone = |sku_id: &String| {
        sale.skus.get(sku_id).is_some_and(|sku| sku.available == 0 && sku.observation.is_fresh(now_ms))
    };
    sale.closed.as_ref().is_some_and(|closed| closed.observation.is_fresh(now_ms))
        || asked.items.iter().any(|line| gone(&line.sku_id))
}

/// It ends before the next probe leaves, and before the refusal may be over.
fn term(observation: &Observation, now_ms: u64) -> Option<Term> {
    if !observation.is_fresh(now_ms) {
        return None;
    }
    let end_ms = observation.until_ms.min(observation.sent_ms.saturating_add(SOLD_OUT_PROBE_MS));
    let for_ms = end_ms.saturating_sub(LEASE_LATE_MS).saturating_sub(now_ms);
    (for_ms > 0).then_some(Term { as_of_ms: observation.sent_ms, for_ms })
}
