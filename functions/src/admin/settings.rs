//! What `admin` is configured to, beside its database.

use std::time::Duration;

use crate::events::seal::Seal;
use crate::runtime::config::{self, ConfigError};
use crate::runtime::limits::{EVENTS_KEEP_H, LEGAL_KEEP_D};

/// What the operator's function is configured to.
pub struct Settings {
    pub allow_private: bool,
    pub seal: Seal,
    /// How long what was sent is kept, and so the holds that it tells of.
    pub events_keep: Duration,
    /// How long the law wants orders and payments kept.
    pub legal_keep: Duration,
}

impl Settings {
    /// # Errors
    /// A variable is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            allow_private: config::switch("RELAY_ALLOW_PRIVATE", false)?,
            seal: Seal::from_env()?,
            events_keep: config::hours("EVENTS_KEEP_H", EVENTS_KEEP_H)?,
            legal_keep: config::days("LEGAL_KEEP_D", LEGAL_KEEP_D)?,
        })
    }
}
