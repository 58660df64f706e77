//! The configuration of `admin`, besides its database.

use std::time::Duration;

use crate::events::seal::Seal;
use crate::runtime::config::{self, ConfigError};
use crate::runtime::limits::{EVENTS_KEEP_H, LEGAL_KEEP_D};

/// The configuration of `admin`.
pub struct Settings {
    pub allow_private: bool,
    pub seal: Seal,
    /// Retention of sent events, and so of the holds that they contain.
    pub events_keep: Duration,
    /// Legal retention of orders and payments.
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
