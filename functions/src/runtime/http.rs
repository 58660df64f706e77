//! HTTP clients, and HTTP to a gateway: one request, one bounded response, one deadline. No redirects and no retries: the
//! caller decides what a failure means.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Method, Response, redirect, retry};

use crate::runtime::config::ConfigError;
use crate::runtime::limits::{GATEWAY_ANSWER_MAX_BYTES, HTTP_IDLE_MAX_S};
use crate::runtime::tls;

/// A client that follows no redirect, uses no proxy and repeats nothing. It trusts the web's authorities, and those in the
/// file that `ca_variable` names.
///
/// # Errors
/// `ca_variable` names no file of certificates.
pub fn client(ca_variable: &str) -> Result<ClientBuilder, ConfigError> {
    Ok(Client::builder()
        .tls_backend_preconfigured(tls::trusting(ca_variable)?)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .pool_idle_timeout(Duration::from_secs(HTTP_IDLE_MAX_S)))
}

/// The innermost cause: the outermost says only that a request failed, and names its address.
#[must_use]
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

pub struct Http(Client);

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
    /// # Errors
    /// `GATEWAY_CA_FILE` is no file of certificates.
    pub fn from_env() -> Result<Self, ConfigError> {
        const CA: &str = "GATEWAY_CA_FILE";
        client(CA)?.build().map(Self).map_err(|error| ConfigError::new(CA, &innermost(&error)))
    }

    /// # Errors
    /// Connecting, sending or reading failed, or took longer than the deadline.
    pub async fn send(
        &self,
        url: &str,
        request: &payments::GatewayRequest,
        deadline_ms: u64,
    ) -> Result<HttpResponse, NoResponse> {
        let exchanged = self.exchange(url, request, Duration::from_millis(deadline_ms)).await;
        exchanged.map_err(|error| {
            let late = error.is_timeout();
            NoResponse(if late { format!("no answer within {deadline_ms} ms") } else { innermost(&error) })
        })
    }

    async fn exchange(
        &self,
        url: &str,
        request: &payments::GatewayRequest,
        deadline: Duration,
    ) -> reqwest::Result<HttpResponse> {
        let method = Method::from_bytes(request.method.as_bytes()).unwrap_or_default();
        let mut sending = self.0.request(method, format!("{url}{}", request.path)).timeout(deadline);
        for (name, value) in &request.headers {
            sending = sending.header(*name, value);
        }
        let response = sending.body(request.body.clone()).send().await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after_s = retry_after.and_then(|value| value.trim().parse().ok());
        Ok(HttpResponse { status, body: bounded_body(response).await?, retry_after_s })
    }
}

async fn bounded_body(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > GATEWAY_ANSWER_MAX_BYTES {
            return Ok(Vec::new());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use payments::{Account, GatewayRequest, RefundRequest};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What a gateway's answer is read as; it closes the connection, or keeps it open for ever.
    async fn answered(answer: String, closes: bool) -> Result<(u16, usize, Option<u32>), String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 1_024]).await;
            let _ = socket.write_all(answer.as_bytes()).await;
            if !closes {
                std::future::pending::<()>().await;
            }
        });
        let (method, path) = ("GET", "/v1/payments/pay_1".to_owned());
        let request =
            GatewayRequest { method, path, headers: vec![("authorization", "a".to_owned())], body: String::new() };
        let response = Http::from_env().unwrap().send(&url, &request, 2_000).await;
        response.map(|told| (told.status, told.body.len(), told.retry_after_s)).map_err(|none| none.0)
    }

    #[tokio::test]
    async fn an_answer_is_read_as_it_is_and_within_its_bounds() {
        let head = |status: &str, length: usize| format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n");
        let body = |length| "a".repeat(length);
        let found = head("302 Found", 0) + "location: /elsewhere\r\n\r\n";
        assert_eq!(answered(found, true).await, Ok((302, 0, None)), "no redirect is followed");
        let slowed = head("429 Too Many Requests", 2) + "retry-after: 7\r\n\r\n{}";
        assert_eq!(answered(slowed, true).await, Ok((429, 2, Some(7))));
        const MOST: usize = GATEWAY_ANSWER_MAX_BYTES;
        let whole = |length| head("200 OK", length) + "\r\n" + &body(length);
        assert_eq!(answered(whole(MOST), true).await, Ok((200, MOST, None)));
        assert_eq!(answered(whole(MOST + 1), true).await, Ok((200, 0, None)), "too long");
        assert!(answered(head("200 OK", 10) + "\r\nabc", true).await.is_err(), "it broke off");
        for part in [String::new(), head("200 OK", 10) + "\r\nabc"] {
            assert_eq!(answered(part, false).await, Err("no answer within 2000 ms".to_owned()));
        }
    }

    /// The client's URL parser normalizes paths: an id must not become another path by it.
    #[test]
    fn whatever_an_id_is_a_request_keeps_its_path() {
        let client =
            Client::builder().tls_backend_preconfigured(tls::trusting("NO_SUCH_FILE").unwrap()).build().unwrap();
        for gateway in payments::GATEWAYS {
            let api = (gateway.api)(Account { secret: "s".to_owned(), live: true });
            for payment_id in ["pay_1", ".", "..", "...", "../x", "a/../b", "%2e%2e", "\\..", "a\tb", " a ", "?#", "가"]
            {
                let (currency, reason, key, account) = ("KRW", "", "", None);
                let refund = RefundRequest { payment_id, amount: 1, left: 1, currency, reason, key, account };
                for request in [api.look_up(payment_id), api.refund(&refund)] {
                    let url = format!("http://127.0.0.1{}", request.path);
                    let sent = client.get(&url).build().unwrap();
                    assert_eq!(sent.url().as_str(), url, "{} {payment_id}", gateway.name);
                }
            }
        }
    }
}
