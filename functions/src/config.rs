//! A function's configuration: read once, before the first invocation, so that a mistake is found at deployment.

use std::env;
use std::fmt;
use std::time::Duration;

/// What is wrong with the environment, naming the variable.
#[derive(Debug)]
pub struct Misconfigured(String);

impl Misconfigured {
    pub(crate) fn new(name: &str, what: &str) -> Self {
        Self(format!("the environment variable {name} {what}"))
    }
}

impl fmt::Display for Misconfigured {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for Misconfigured {}

fn required(name: &str) -> Result<String, Misconfigured> {
    match env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => Err(Misconfigured::new(name, "is missing")),
    }
}

/// `DATABASE_URL`: `postgres://role:password@host:port/database`, with `?sslmode=require` for TLS.
///
/// # Errors
/// It is missing, or not such a URL.
pub fn database() -> Result<tokio_postgres::Config, Misconfigured> {
    let url = required("DATABASE_URL")?;
    // The parser's own message may quote the URL, and the URL holds a password.
    url.parse().map_err(|_| Misconfigured::new("DATABASE_URL", "is not a postgres:// URL"))
}

/// `EARLY_RELEASE`: `on` (the default) lets go of a counter before the log is on disk; see schema/reserve.sql.
///
/// # Errors
/// It is neither `on` nor `off`.
pub fn early_release() -> Result<bool, Misconfigured> {
    match env::var("EARLY_RELEASE").as_deref() {
        Err(_) | Ok("on") => Ok(true),
        Ok("off") => Ok(false),
        Ok(_) => Err(Misconfigured::new("EARLY_RELEASE", "must be on or off")),
    }
}

/// A whole number of seconds.
///
/// # Errors
/// It is there, and is none.
pub fn seconds(name: &str, default_s: u64) -> Result<Duration, Misconfigured> {
    match env::var(name) {
        Err(_) => Ok(Duration::from_secs(default_s)),
        Ok(value) => value
            .parse()
            .map(Duration::from_secs)
            .map_err(|_| Misconfigured(format!("the environment variable {name} must be a whole number of seconds"))),
    }
}

/// A whole number of hours.
///
/// # Errors
/// It is there, and is none.
pub fn hours(name: &str, default_h: u64) -> Result<Duration, Misconfigured> {
    let hours = seconds(name, default_h).map_err(|_| Misconfigured::new(name, "must be a whole number of hours"))?;
    Ok(hours.saturating_mul(3_600))
}

#[cfg(test)]
mod tests {
    use super::required;

    #[test]
    fn a_missing_variable_is_named() {
        let error = required("HOLDFAST_NO_SUCH_VARIABLE").err().map(|e| e.to_string());
        assert_eq!(error.as_deref(), Some("the environment variable HOLDFAST_NO_SUCH_VARIABLE is missing"));
    }
}
