//! Granted idempotency keys: a repeated request is answered from here without a call. Bounded in number and age, the
//! oldest are dropped first; the database still knows what is dropped.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use protocol::reserve::{Reservation, ReserveOutcome};
use protocol::shop::Hold;

use crate::runtime::limits::{KEYS_MAX, KEYS_TTL_MS};

/// Keys are scoped to a user.
type Name = (Rc<str>, Rc<str>);

#[derive(Default)]
pub struct Keys {
    granted: HashMap<Name, Grant>,
    /// In the order in which they expire.
    ends: VecDeque<(u64, Name)>,
}

struct Grant {
    fingerprint: String,
    hold: Hold,
    ends_ms: u64,
}

impl Keys {
    /// The outcome of an earlier request with this key, if there was one.
    pub fn answer(&self, asked: &Reservation, now_ms: u64) -> Option<ReserveOutcome> {
        let name = (asked.user_id.as_str().into(), asked.idem_key.as_str().into());
        let grant = self.granted.get(&name).filter(|grant| now_ms < grant.ends_ms)?;
        Some(if grant.fingerprint == asked.fingerprint {
            ReserveOutcome::Granted { hold: grant.hold.clone(), replayed: true }
        } else {
            ReserveOutcome::IdempotencyKeyReused
        })
    }

    pub fn keep(&mut self, user_id: &str, idem_key: &str, fingerprint: String, hold: Hold, now_ms: u64) {
        self.forget(now_ms);
        let name: Name = (user_id.into(), idem_key.into());
        let ends_ms = now_ms.saturating_add(KEYS_TTL_MS);
        self.ends.push_back((ends_ms, name.clone()));
        self.granted.insert(name, Grant { fingerprint, hold, ends_ms });
    }

    /// Drops expired keys, and the oldest ones above the bound.
    fn forget(&mut self, now_ms: u64) {
        let goes = |ends: &VecDeque<(u64, Name)>| {
            ends.len() >= KEYS_MAX || ends.front().is_some_and(|(ends_ms, _)| *ends_ms <= now_ms)
        };
        while goes(&self.ends) {
            let Some((ends_ms, name)) = self.ends.pop_front() else { return };
            // A key that was stored again since expires later, under its own entry.
            if self.granted.get(&name).is_some_and(|grant| grant.ends_ms == ends_ms) {
                self.granted.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{hold, reservation};

    fn keep(keys: &mut Keys, user: &str, key: &str, now_ms: u64) {
        let asked = reservation(user, key, "fp");
        keys.keep(&asked.user_id, &asked.idem_key, asked.fingerprint, hold(key), now_ms);
    }

    #[test]
    fn a_granted_key_is_answered_again_and_another_request_under_it_refused() {
        let mut keys = Keys::default();
        assert_eq!(keys.answer(&reservation("a", "k", "fp"), 0), None);
        keep(&mut keys, "a", "k", 0);
        let replay = ReserveOutcome::Granted { hold: hold("k"), replayed: true };
        assert_eq!(keys.answer(&reservation("a", "k", "fp"), 1), Some(replay));
        assert_eq!(keys.answer(&reservation("a", "k", "other"), 1), Some(ReserveOutcome::IdempotencyKeyReused));
        assert_eq!(keys.answer(&reservation("b", "k", "fp"), 1), None);
        assert_eq!(keys.answer(&reservation("a", "l", "fp"), 1), None);
    }

    #[test]
    fn keys_expire_and_a_renewed_key_stays() {
        let mut keys = Keys::default();
        keep(&mut keys, "a", "k", 0);
        keep(&mut keys, "a", "k", 1_000);
        keep(&mut keys, "a", "l", KEYS_TTL_MS);
        assert!(keys.answer(&reservation("a", "k", "fp"), KEYS_TTL_MS + 999).is_some());
        assert!(keys.answer(&reservation("a", "k", "fp"), KEYS_TTL_MS + 1_000).is_none());
        keep(&mut keys, "a", "m", KEYS_TTL_MS + 1_000);
        assert_eq!((keys.granted.len(), keys.ends.len()), (2, 2));
    }

    #[test]
    fn a_full_store_evicts_the_oldest_key() {
        let mut keys = Keys::default();
        for key in 0..=KEYS_MAX {
            keep(&mut keys, "a", &key.to_string(), 0);
        }
        assert_eq!((keys.granted.len(), keys.ends.len()), (KEYS_MAX, KEYS_MAX));
        assert_eq!(keys.answer(&reservation("a", "0", "fp"), 0), None);
        assert!(keys.answer(&reservation("a", "1", "fp"), 0).is_some());
    }
}
