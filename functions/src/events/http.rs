//! Sends a message to a receiver over HTTP: signed, to a checked address, within its deadline, without redirects or
//! proxies.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Request;
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;

use super::attempt::Attempt;
use super::endpoint::{self, GuardedResolver};
use super::message::Message;
use super::sign;
use crate::runtime::config::ConfigError;
use crate::runtime::limits::{ANSWER_READ_MAX_BYTES, ATTEMPTS_AT_ONCE, DRAIN_MS, HTTP_IDLE_MAX_S};
use crate::runtime::tls;

pub struct Http {
    /// Follows no redirects and uses no proxy.
    client: Client<HttpsConnector<HttpConnector<GuardedResolver>>, String>,
    deadline: Duration,
    allow_private: bool,
}

impl Http {
    /// # Errors
    /// `RELAY_CA_FILE` is no file of certificates.
    pub fn new(deadline: Duration, allow_private: bool) -> Result<Self, ConfigError> {
        let mut connector = HttpConnector::new_with_resolver(GuardedResolver::new(allow_private));
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::trusting("RELAY_CA_FILE")?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(HTTP_IDLE_MAX_S))
            .pool_max_idle_per_host(usize::try_from(ATTEMPTS_AT_ONCE).unwrap_or(1))
            .build(connector);
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
        let request = Request::post(url.as_str())
            .header("user-agent", "Holdfast")
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures)
            .body(message.body.clone());
        let Ok(request) = request else { return Attempt::failed("the endpoint is refused: it is no address of HTTP") };
        let exchange = async {
            let response = self.client.request(request).await?;
            let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            let attempt = Attempt::answered(response.status().as_u16(), retry_after, Timestamp::now());
            Ok::<_, hyper_util::client::legacy::Error>((attempt, response.into_body()))
        };
        match tokio::time::timeout(self.deadline, exchange).await {
            Ok(Ok((attempt, body))) => {
                // The status counts, however slowly the body comes.
                let _ = tokio::time::timeout(Duration::from_millis(DRAIN_MS), drain(body)).await;
                attempt
            }
            Ok(Err(error)) => Attempt::failed(explain(&error)),
            Err(_) => Attempt::failed(format!("no answer within {} s", self.deadline.as_secs())),
        }
    }
}

/// A short answer is read to its end, so that its connection can be used again; what it says changes nothing.
async fn drain(mut body: impl BodyExt<Data: AsRef<[u8]>> + Unpin) {
    let mut read = 0;
    while read < ANSWER_READ_MAX_BYTES
        && let Some(Ok(frame)) = body.frame().await
    {
        read += frame.data_ref().map_or(0, |data| data.as_ref().len());
    }
}

/// The innermost error: it names no address.
fn explain(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("no answer: {innermost}")
}
