//! The configuration of `relay`; the defaults are what Standard Webhooks recommends.

use std::time::Duration;

use super::retries::Retries;
use crate::events::seal::Seal;
use crate::runtime::config::{self, ConfigError};
use crate::runtime::limits::{
    ATTEMPT_DEADLINE_MAX_S, ATTEMPT_DEADLINE_S, ATTEMPTS_AT_ONCE, BREAKER_OPEN_MAX_S, BREAKER_OPEN_S,
    DEAD_LETTERS_KEEP_H, EVENTS_KEEP_H, HOLDS_KEEP_H, IDEMPOTENCY_KEEP_H, LEASE_BEYOND_S, LEGAL_KEEP_D, RETRIES_S,
    RETRY_AFTER_MAX_S,
};

/// Ten years, the maximum retention.
const KEEP_MAX_H: u64 = 87_600;

pub struct Settings {
    pub retries: Retries,
    /// Deadline of one attempt.
    pub deadline: Duration,
    /// Lease of one claim.
    pub lease: Duration,
    /// Concurrent attempts to one receiver.
    pub at_once: i32,
    /// How long a circuit breaker stays open at first.
    pub breaker_open: Duration,
    /// Maximum `Retry-After` of a receiver.
    pub pause_max: Duration,
    pub allow_private: bool,
    /// Interval between looks for due deliveries when none is left.
    pub every: Duration,
    pub events_keep: Duration,
    pub dead_keep: Duration,
    pub keys_keep: Duration,
    /// Holds that ended unpaid; longer than dead letters, which refer to them.
    pub holds_keep: Duration,
    pub legal_keep: Duration,
    /// Decrypts the receivers' secrets.
    pub seal: Seal,
}

impl Settings {
    /// # Errors
    /// A variable is wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        let seconds = |name, default, bounds| config::number(name, default, bounds).map(Duration::from_secs);
        let hours = |name, default, least| {
            config::number(name, default, least..=KEEP_MAX_H).map(|hours| Duration::from_secs(hours * 3_600))
        };
        let retries = Retries::new(config::list_of_seconds("RELAY_RETRY_S", &RETRIES_S)?);
        let deadline = seconds("RELAY_DEADLINE_S", ATTEMPT_DEADLINE_S, 1..=ATTEMPT_DEADLINE_MAX_S)?;
        let dead_keep = hours("DEAD_LETTERS_KEEP_H", DEAD_LETTERS_KEEP_H, 1)?;
        let at_once = config::number("RELAY_AT_ONCE", ATTEMPTS_AT_ONCE, 1..=100)?;
        Ok(Self {
            retries: retries.ok_or_else(|| ConfigError::new("RELAY_RETRY_S", "must have one pause at least"))?,
            deadline,
            lease: deadline + Duration::from_secs(LEASE_BEYOND_S),
            at_once: i32::try_from(at_once).unwrap_or(1),
            breaker_open: seconds("RELAY_BREAKER_OPEN_S", BREAKER_OPEN_S, 1..=BREAKER_OPEN_MAX_S)?,
            pause_max: Duration::from_secs(RETRY_AFTER_MAX_S),
            allow_private: config::switch("RELAY_ALLOW_PRIVATE", false)?,
            every: seconds("RELAY_INTERVAL_S", 2, 1..=60)?,
            events_keep: hours("EVENTS_KEEP_H", EVENTS_KEEP_H, 1)?,
            dead_keep,
            keys_keep: hours("IDEMPOTENCY_KEEP_H", IDEMPOTENCY_KEEP_H, IDEMPOTENCY_KEEP_H)?,
            holds_keep: hours("HOLDS_KEEP_H", HOLDS_KEEP_H, 1)?.max(dead_keep + Duration::from_secs(86_400)),
            legal_keep: config::days("LEGAL_KEEP_D", LEGAL_KEEP_D)?,
            seal: Seal::from_env()?,
        })
    }
}
