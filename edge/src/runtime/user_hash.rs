//! A keyed hash of a user, which assigns users to Gates and names them in a Gate's memory. It cannot be computed
//! without the edge's secret, so a client cannot choose a Gate, and a response of `lookup` reveals no user.

use sha2::{Digest, Sha256};

/// The edge's secret. `lookup` gets it with each lookup of holders; the database does not store it.
#[derive(Clone, Copy, Default)]
pub struct Key([u8; 32]);

impl Key {
    /// From `GATE_KEY`, or from the session secret where there is none.
    pub fn of(gate_key: &str, session_secret: &str) -> Self {
        let secret = if gate_key.is_empty() { session_secret } else { gate_key };
        Self(Sha256::new().chain_update("holdfast gate\0").chain_update(secret).finalize().into())
    }

    /// 64 lower-case hexadecimal digits.
    pub fn hex(self) -> String {
        hex::encode(self.0)
    }

    /// The first 63 bits of SHA-256 of key and user, as `holdfast.holders_piece` in schema/routines/lookup.sql computes it.
    pub fn user(self, user_id: &str) -> u64 {
        let digest: [u8; 32] = Sha256::new().chain_update(self.0).chain_update(user_id).finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) & (u64::MAX >> 1)
    }

    /// The user's shard, the same in every isolate.
    pub fn shard(self, user_id: &str, shards: u64) -> u64 {
        shard_of(self.user(user_id), shards)
    }
}

/// The shard of a user's hash.
pub fn shard_of(user: u64, shards: u64) -> u64 {
    user.checked_rem(shards).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// tests/it/transactions/holders.rs has the same for the database.
    #[test]
    fn the_hash_is_the_one_that_the_database_makes() {
        assert_eq!(Key::default().user("홍길동"), 1_016_084_569_214_216_481);
    }

    #[test]
    fn users_are_spread_evenly_and_a_user_is_always_at_the_same_gate() {
        let key = Key::of("", "a secret of sessions");
        assert_eq!(key.shard("홍길동", 4), key.shard("홍길동", 4));
        assert_eq!(key.shard("anybody", 0), 0);
        let mut counts = [0_u32; 4];
        for user in 0..4_000 {
            counts[key.shard(&format!("buyer-{user}"), 4) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
        for shards in 1..=16 {
            let used: std::collections::HashSet<_> =
                (0..1_000).map(|user| key.shard(&format!("u{user}"), shards)).collect();
            assert_eq!(used.len() as u64, shards);
        }
    }

    #[test]
    fn names_that_share_a_gate_under_one_key_are_spread_under_another() {
        let (known, ours) = (Key::of("guessed", ""), Key::of("", "a secret of sessions"));
        let chosen = (0..).map(|user| format!("u{user}")).filter(|user| known.shard(user, 143) == 7).take(1_430);
        let mut counts = [0_u32; 143];
        chosen.for_each(|user| counts[ours.shard(&user, 143) as usize] += 1);
        assert!(counts.iter().all(|count| *count < 40), "{counts:?}");
    }

    #[test]
    fn the_secret_of_sessions_stands_in_and_is_not_the_key_itself() {
        let derived = Key::of("", "s".repeat(32).as_str());
        assert_eq!(derived.hex(), Key::of(&"s".repeat(32), "another").hex());
        assert_ne!(derived.hex(), crate::runtime::digest::sha256_hex("s".repeat(32).as_bytes()));
        assert_eq!(derived.hex().len(), 64);
    }
}
