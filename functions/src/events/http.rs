//! Sends a message to a receiver over HTTP: signed, to a checked address, within its deadline, without redirects or
//! proxies.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use payments::signature::signatures;
use reqwest::{Client, Response};

use super::attempt::Attempt;
use super::endpoint::{self, GuardedResolver};
use super::message::Message;
use crate::runtime::config::ConfigError;
use crate::runtime::http::{client, innermost};
use crate::runtime::limits::{ANSWER_READ_MAX_BYTES, ATTEMPTS_AT_ONCE, DRAIN_MS};

pub struct Http {
    client: Client,
    deadline: Duration,
    allow_private: bool,
}

impl Http {
    /// # Errors
    /// `RELAY_CA_FILE` is no file of certificates.
    pub fn new(deadline: Duration, allow_private: bool) -> Result<Self, ConfigError> {
        const CA: &str = "RELAY_CA_FILE";
        let client = client(CA)?
            .dns_resolver(GuardedResolver::new(allow_private))
            .pool_max_idle_per_host(usize::try_from(ATTEMPTS_AT_ONCE).unwrap_or(1))
            .timeout(deadline)
            .build()
            .map_err(|error| ConfigError::new(CA, &innermost(&error)))?;
        Ok(Self { client, deadline, allow_private })
    }

    pub async fn send(&self, endpoint: &str, secrets: &[String], message: &Message) -> Attempt {
        let url = match endpoint::url(endpoint, self.allow_private) {
            Ok(url) => url,
            Err(why) => return Attempt::failed(format!("the endpoint is refused: {why}")),
        };
        let id = message.event_id.to_string();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Some(signature) = signatures(secrets, &id, seconds, &message.body) else {
            return Attempt::failed("the subscription has no secret to sign with");
        };
        let request = self
            .client
            .post(url)
            .header("user-agent", "Holdfast")
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(message.body.clone());
        match request.send().await {
            Ok(response) => {
                let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
                let attempt = Attempt::answered(response.status().as_u16(), retry_after, Timestamp::now());
                // The status counts, however slowly the body comes.
                let _ = tokio::time::timeout(Duration::from_millis(DRAIN_MS), drain(response)).await;
                attempt
            }
            Err(error) if error.is_builder() => Attempt::failed("the endpoint is refused: it is no address of HTTP"),
            Err(error) if error.is_timeout() => {
                Attempt::failed(format!("no answer within {} s", self.deadline.as_secs()))
            }
            Err(error) => Attempt::failed(format!("no answer: {}", innermost(&error))),
        }
    }
}

/// A short answer is read to its end, so that its connection can be used again; what it says changes nothing.
async fn drain(mut response: Response) {
    let mut read = 0;
    while read < ANSWER_READ_MAX_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        read += chunk.len();
    }
}
