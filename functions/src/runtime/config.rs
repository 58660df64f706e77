//! A function's configuration: read once, before the first invocation, so that a mistake is found at deployment.
//!
//! `clap` and `figment` are not used: their messages quote the value, which may be a secret, and a gateway's variables are
//! named after it (`TOSS_API_SECRET`), by the registry.

use std::env;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::runtime::limits::{KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_RETRIES, TCP_USER_TIMEOUT_MS};
use crate::runtime::plaintext;

/// A wrong or missing environment variable, named.
#[derive(Debug)]
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(name: &str, what: &str) -> Self {
        Self(format!("the environment variable {name} {what}"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// A variable that must be set.
///
/// # Errors
/// It is missing.
pub fn required(name: &str) -> Result<String, ConfigError> {
    match env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => Err(ConfigError::new(name, "is missing")),
    }
}

/// `DATABASE_URL`: `postgres://role:password@host:port/database`, by TLS unless the host is this machine.
///
/// # Errors
/// It is missing, or not such a URL, or one that forbids TLS to another machine.
pub fn database() -> Result<tokio_postgres::Config, ConfigError> {
    connection(&required("DATABASE_URL")?)
}

fn connection(url: &str) -> Result<tokio_postgres::Config, ConfigError> {
    // The parser's own message may quote the URL, and the URL holds a password.
    let mut config: tokio_postgres::Config =
        url.parse().map_err(|_| ConfigError::new("DATABASE_URL", "is not a postgres:// URL"))?;
    plaintext::only_here(&mut config).map_err(|what| ConfigError::new("DATABASE_URL", what))?;
    config
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(KEEPALIVE_IDLE_S))
        .keepalives_interval(Duration::from_secs(KEEPALIVE_INTERVAL_S))
        .keepalives_retries(KEEPALIVE_RETRIES)
        .tcp_user_timeout(Duration::from_millis(TCP_USER_TIMEOUT_MS));
    Ok(config)
}

/// Whether the shop sells for real money: `GATEWAY_MODE`, `live` (the default) or `test`.
///
/// # Errors
/// It is neither.
pub fn live() -> Result<bool, ConfigError> {
    match env::var("GATEWAY_MODE").as_deref() {
        Err(_) | Ok("live") => Ok(true),
        Ok("test") => Ok(false),
        Ok(_) => Err(ConfigError::new("GATEWAY_MODE", "must be live or test")),
    }
}

/// A gateway's address and secret: `TOSS_API_URL`, `TOSS_API_SECRET`. None: it is not configured.
///
/// # Errors
/// It has a secret and no address, or one that is neither https nor this machine's.
pub fn gateway(gateway: &payments::Gateway) -> Result<Option<(String, String)>, ConfigError> {
    let variable = |what: &str| format!("{}_API_{what}", gateway.name.to_uppercase());
    let read = |what: &str| env::var(variable(what)).ok().filter(|value| !value.is_empty());
    let Some(secret) = read("SECRET") else { return Ok(None) };
    let url = read("URL").unwrap_or_else(|| gateway.default_url.to_owned());
    if url.is_empty() {
        return Err(ConfigError::new(&variable("URL"), "is missing"));
    }
    if !plaintext::is_safe(&url) {
        return Err(ConfigError::new(&variable("URL"), "is not https, and its host is not this machine"));
    }
    Ok(Some((url.trim_end_matches('/').to_owned(), secret)))
}

/// Values separated by commas; none where the variable is not set.
#[must_use]
pub fn comma_separated(name: &str) -> Vec<String> {
    let text = env::var(name).unwrap_or_default();
    text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(ToOwned::to_owned).collect()
}

/// Seconds, separated by commas: the pause after each failure.
///
/// # Errors
/// It is there, and is no such list.
pub fn schedule(name: &str, default: &str) -> Result<Vec<f64>, ConfigError> {
    let text = env::var(name).unwrap_or_else(|_| default.to_owned());
    let seconds: Option<Vec<f64>> =
        text.split(',').map(|one| one.trim().parse().ok().filter(|s: &f64| (0.0..=1e7).contains(s))).collect();
    seconds.ok_or_else(|| ConfigError::new(name, "must be seconds separated by commas"))
}

/// `EARLY_RELEASE`: `on` (the default) releases a counter's lock before the commit is on disk; see schema/routines/reserve.sql.
///
/// # Errors
/// It is neither `on` nor `off`.
pub fn early_release() -> Result<bool, ConfigError> {
    switch("EARLY_RELEASE", true)
}

/// `on` or `off`.
///
/// # Errors
/// It is there, and is neither.
pub fn switch(name: &str, default: bool) -> Result<bool, ConfigError> {
    match env::var(name).as_deref() {
        Err(_) => Ok(default),
        Ok("on") => Ok(true),
        Ok("off") => Ok(false),
        Ok(_) => Err(ConfigError::new(name, "must be on or off")),
    }
}

/// A whole number that `bounds` hold.
///
/// # Errors
/// It is there, and is none or out of bounds.
pub fn number(name: &str, default: u64, bounds: RangeInclusive<u64>) -> Result<u64, ConfigError> {
    let Ok(value) = env::var(name) else { return Ok(default) };
    let number = value.parse().ok().filter(|number| bounds.contains(number));
    let (least, most) = bounds.into_inner();
    number.ok_or_else(|| ConfigError::new(name, &format!("must be a whole number from {least} to {most}")))
}

/// Whole numbers of seconds with commas between them.
///
/// # Errors
/// It is there, and is no such list.
pub fn list_of_seconds(name: &str, default_s: &[u64]) -> Result<Vec<Duration>, ConfigError> {
    let seconds = match env::var(name) {
        Err(_) => Ok(default_s.to_vec()),
        Ok(value) => value.split(',').map(|one| one.trim().parse::<u64>()).collect(),
    };
    let seconds = seconds.map_err(|_| ConfigError::new(name, "must be whole numbers of seconds, 0,5,300"))?;
    Ok(seconds.into_iter().map(Duration::from_secs).collect())
}

/// A whole number of seconds.
///
/// # Errors
/// It is there, and is none.
pub fn seconds(name: &str, default_s: u64) -> Result<Duration, ConfigError> {
    match env::var(name) {
        Err(_) => Ok(Duration::from_secs(default_s)),
        Ok(value) => value
            .parse()
            .map(Duration::from_secs)
            .map_err(|_| ConfigError(format!("the environment variable {name} must be a whole number of seconds"))),
    }
}

/// A moment as RFC 3339 writes it. None: it is not configured.
///
/// # Errors
/// It is there, and is none.
pub fn moment(name: &str) -> Result<Option<String>, ConfigError> {
    let Ok(value) = env::var(name) else { return Ok(None) };
    match value.parse::<jiff::Timestamp>() {
        Ok(moment) => Ok(Some(moment.to_string())),
        Err(_) => Err(ConfigError::new(name, "must be a time, 2026-01-15T05:00:00Z")),
    }
}

/// A whole number of hours.
///
/// # Errors
/// It is there, and is none.
pub fn hours(name: &str, default_h: u64) -> Result<Duration, ConfigError> {
    let hours = seconds(name, default_h).map_err(|_| ConfigError::new(name, "must be a whole number of hours"))?;
    Ok(hours.saturating_mul(3_600))
}

/// A whole number of days.
///
/// # Errors
/// It is there, and is none.
pub fn days(name: &str, default_d: u64) -> Result<Duration, ConfigError> {
    let days = seconds(name, default_d).map_err(|_| ConfigError::new(name, "must be a whole number of days"))?;
    Ok(days.saturating_mul(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let error = required("HOLDFAST_NO_SUCH_VARIABLE").err().map(|e| e.to_string());
        assert_eq!(error.as_deref(), Some("the environment variable HOLDFAST_NO_SUCH_VARIABLE is missing"));
    }

    /// Where the other side vanishes silently, a call in flight ends in time for another, and an idle one is noticed.
    #[test]
    fn a_connection_whose_other_end_is_silent_is_given_up() -> Result<(), ConfigError> {
        let config = connection("postgres://holdfast_reserve:p@127.0.0.1:5432/shop")?;
        assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_millis(TCP_USER_TIMEOUT_MS)));
        assert!(config.get_keepalives());
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(KEEPALIVE_IDLE_S));
        assert_eq!(config.get_keepalives_interval(), Some(Duration::from_secs(KEEPALIVE_INTERVAL_S)));
        assert_eq!(config.get_keepalives_retries(), Some(KEEPALIVE_RETRIES));
        Ok(())
    }
}
