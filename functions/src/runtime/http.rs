//! HTTP to a gateway: one request, one bounded response, one deadline. No redirects and no retries: the caller decides
//! what a failure means.

use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use crate::runtime::config::ConfigError;
use crate::runtime::limits::{GATEWAY_ANSWER_MAX_BYTES, HTTP_IDLE_MAX_S};
use crate::runtime::tls;

type Body = Full<std::collections::VecDeque<u8>>;

pub struct Http(Client<HttpsConnector<HttpConnector>, Body>);

/// No response; whether the request was carried out is unknown.
#[derive(Debug)]
pub struct NoResponse(pub String);

impl fmt::Display for NoResponse {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(&self.0)
    }
}

pub struct HttpResponse {
    pub status: u16,
    /// Empty if the body was longer than [`GATEWAY_ANSWER_MAX_BYTES`].
    pub body: Vec<u8>,
    /// `Retry-After` in seconds.
    pub retry_after_s: Option<u32>,
}

impl HttpResponse {
    /// As the gateways' files read it.
    #[must_use]
    pub fn as_gateway_response(&self) -> payments::GatewayResponse<'_> {
        payments::GatewayResponse { status: self.status, body: &self.body }
    }
}

impl Http {
    /// Trusts the web's authorities, and those in the file that `GATEWAY_CA_FILE` names.
    ///
    /// # Errors
    /// `GATEWAY_CA_FILE` is no file of certificates.
    pub fn from_env() -> Result<Self, ConfigError> {
        let tls = tls::trusting("GATEWAY_CA_FILE")?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(HTTP_IDLE_MAX_S))
            .build(connector);
        Ok(Self(client))
    }

    /// # Errors
    /// Connecting, sending or reading failed, or took longer than the deadline.
    pub async fn send(
        &self,
        url: &str,
        request: &payments::GatewayRequest,
        deadline_ms: u64,
    ) -> Result<HttpResponse, NoResponse> {
        let mut sent = http::Request::builder().method(request.method).uri(format!("{url}{}", request.path));
        for (name, value) in &request.headers {
            sent = sent.header(*name, value);
        }
        let body = Full::new(request.body.clone().into_bytes().into());
        let sent = sent.body(body).map_err(|error| NoResponse(format!("no such request: {error}")))?;
        match timeout(Duration::from_millis(deadline_ms), self.exchange(sent)).await {
            Ok(response) => response,
            Err(_) => Err(NoResponse(format!("no answer within {deadline_ms} ms"))),
        }
    }

    async fn exchange(&self, request: http::Request<Body>) -> Result<HttpResponse, NoResponse> {
        let response = self.0.request(request).await.map_err(|error| NoResponse(deepest(&error)))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after_s = retry_after.and_then(|value| value.trim().parse().ok());
        let body = match Limited::new(response.into_body(), GATEWAY_ANSWER_MAX_BYTES).collect().await {
            Ok(body) => body.to_bytes().to_vec(),
            Err(error) if error.is::<LengthLimitError>() => Vec::new(),
            Err(error) => return Err(NoResponse(format!("the answer broke off: {error}"))),
        };
        Ok(HttpResponse { status, body, retry_after_s })
    }
}

/// The outermost error says only that a request failed.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
