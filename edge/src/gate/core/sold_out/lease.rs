//! What a Gate lets the Worker say in its place, and whom it holds back meanwhile.

use protocol::reserve::Reservation;

use crate::gate::core::sold_out::SoldOut;
use crate::gate::core::sold_out::sale::{Holders, Observation};
use crate::gate::filter::Filter;
use crate::gate::lease::{Lease, LeasedSale, LeasedSku, Term};
use crate::runtime::limits::{LEASE_LATE_MS, LEASE_SKUS_MAX, LEASE_USERS_MAX, SOLD_OUT_PROBE_MS};

impl SoldOut {
    /// What may be leased of a sale at this moment. None: nothing, or too many users may have something for a small filter.
    /// From then on nothing of it is sent to T1 for others than these until the lease has ended, and the next probe leaves
    /// after that.
    pub fn lease(&mut self, sale_id: &str, now_ms: u64) -> Option<Lease> {
        let Self { sales, leases, in_flight, users, filter, .. } = self;
        let sale = sales.get(sale_id).filter(|sale| matches!(sale.holders, Holders::Known))?;
        if users.len() > LEASE_USERS_MAX {
            return None;
        }
        let mut lease = Lease { skus: Vec::new(), closed: None, filter: String::new() };
        if let Some(closed) = &sale.closed {
            let term = term(&closed.observation, now_ms)?;
            let skus: Vec<String> = sale.known.iter().take(LEASE_SKUS_MAX).cloned().collect();
            leases.sale(sale_id, now_ms.saturating_add(term.for_ms).saturating_add(LEASE_LATE_MS));
            lease.closed = Some(LeasedSale { opens_at: closed.opens_at.clone(), status: closed.status, skus, term });
        } else {
            let gone = sale.skus.iter().filter(|(_, sku)| sku.available == 0);
            let leased = gone.filter_map(|(sku_id, sku)| {
                let (sku_id, max_per_user) = (sku_id.clone(), sku.max_per_user);
                Some(LeasedSku { sku_id, max_per_user, term: term(&sku.observation, now_ms)? })
            });
            lease.skus = leased.take(LEASE_SKUS_MAX).collect();
            for LeasedSku { sku_id, term, .. } in &lease.skus {
                leases.sku(sale_id, sku_id, now_ms.saturating_add(term.for_ms).saturating_add(LEASE_LATE_MS));
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

    /// Whether a lease may refuse this user elsewhere what the reservation asks for: it waits until that has ended.
    pub fn holds_back(&self, asked: &Reservation, user: u64, now_ms: u64) -> bool {
        self.leases.cover(asked, now_ms) && !self.users.contains(&user)
    }

    /// Until then a predecessor's leases may last.
    pub fn hold_back_until(&mut self, until_ms: u64) {
        self.leases.of_predecessor(until_ms);
    }

    /// When the last lease ends.
    pub fn last_lease_end(&mut self, now_ms: u64) -> Option<u64> {
        self.leases.last_end(now_ms)
    }
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
