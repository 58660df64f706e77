//! Sends a message to a receiver over HTTP: signed, to an address that was checked, within its deadline, following no
//! redirect and using no proxy.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::Message;
use super::attempt::Attempt;
use super::endpoint::{self, Guarded};
use super::sign;
use crate::bounds::{ANSWER_READ_MAX_BYTES, ATTEMPTS_AT_ONCE, DRAIN_MS};
use crate::config::Misconfigured;
use crate::tls;

pub struct Http {
    client: Client,
    deadline: Duration,
    allow_private: bool,
}

impl Http {
    /// # Errors
    /// `RELAY_CA_FILE` is no file of certificates.
    pub fn new(deadline: Duration, allow_private: bool) -> Result<Self, Misconfigured> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls::trusting("RELAY_CA_FILE")?)
            .dns_resolver(Guarded::new(allow_private))
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(usize::try_from(ATTEMPTS_AT_ONCE).unwrap_or(1))
            .user_agent("Holdfast")
            .build()
            .map_err(|error| Misconfigured::new("RELAY_CA_FILE", &format!("leaves no HTTP client: {error}")))?;
        Ok(Self { client, deadline, allow_private })
    }

    pub async fn send(&self, endpoint: &str, secrets: &[String], message: &Message) -> Attempt {
        let url = match endpoint::url(endpoint, self.allow_private) {
            Ok(url) => url,
            Err(why) => return Attempt::failed(format!("the endpoint is refused: {why}")),
        };
        let id = message.event_id.to_string();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Some(signatures) = sign::signatures(secrets, &id, seconds, &message.body) else {
            return Attempt::failed("the subscription has no secret to sign with");
        };
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures)
            .body(message.body.clone());
        let exchange = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            let attempt = Attempt::answered(status, retry_after, Timestamp::now());
            Ok::<_, reqwest::Error>((attempt, response))
        };
        match tokio::time::timeout(self.deadline, exchange).await {
            Ok(Ok((attempt, response))) => {
                // What it has answered stands, however slowly the rest of it comes.
                let _ = tokio::time::timeout(Duration::from_millis(DRAIN_MS), drain(response)).await;
                attempt
            }
            Ok(Err(error)) => Attempt::failed(explain(error)),
            Err(_) => Attempt::failed(format!("no answer within {} s", self.deadline.as_secs())),
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

/// The innermost reason, without the URL: it may hold what only the operator should know.
fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("no answer: {innermost}")
}
