//! The requests of a cell's buyers: one piece each, every buyer once.

use std::sync::atomic::{AtomicU64, Ordering};

/// SHA-256 of what is asked; the database stores it and compares it, and does not care what it is of.
pub const FINGERPRINT: &[u8] = &[0x5a; 32];

pub struct Ask {
    pub user: String,
    pub key: String,
    pub sku: String,
}

/// The buyers of one cell, who come in no order: their names and keys fall all over the indexes, as real ones do.
pub struct Crowd {
    seed: u64,
    skus: u64,
    next: AtomicU64,
    /// Who is in every batch.
    regular: Option<&'static str>,
}

impl Crowd {
    #[must_use]
    pub fn new(skus: u64) -> Self {
        static CROWDS: AtomicU64 = AtomicU64::new(1);
        let seed = CROWDS.fetch_add(1, Ordering::Relaxed) << 32;
        Self { seed, skus, next: AtomicU64::new(0), regular: None }
    }

    /// One user is in every batch, with a key of its own each time.
    #[must_use]
    pub fn with(skus: u64, regular: &'static str) -> Self {
        Self { regular: Some(regular), ..Self::new(skus) }
    }

    pub fn ask(&self) -> Ask {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let (user, key) = (mixed(self.seed + n), mixed(!(self.seed + n)));
        Ask {
            user: format!("buyer-{user:016x}"),
            // As long as the UUIDs that browsers send.
            key: format!("{key:016x}-{user:016x}-17"),
            sku: format!("sku-{}", n % self.skus + 1),
        }
    }

    pub fn asks(&self, count: usize) -> Vec<Ask> {
        let mut asks: Vec<Ask> = (0..count).map(|_| self.ask()).collect();
        if let (Some(regular), Some(ask)) = (self.regular, asks.first_mut()) {
            regular.clone_into(&mut ask.user);
        }
        asks
    }
}

/// The mixing step of SplitMix64: one to one, and without any order.
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
