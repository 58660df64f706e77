//! Before the Lambda emulator: programs of this machine may call it, and no page in a browser. The emulator by itself takes
//! whatever any page of the web sends to it, and what it runs is the operator's function too. And what a function says of
//! its failure is answered as Lambda does: 200 and `X-Amz-Function-Error`, where the emulator answers 500.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT_ENCODING, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Every browser says so of itself, with every request.
const SEC_FETCH_SITE: &str = "sec-fetch-site";
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");

/// An address of loopback for the emulator itself, which nobody guesses: a page cannot try sixteen million of them. Systems
/// other than Linux have 127.0.0.1 alone.
pub fn hidden() -> Ipv4Addr {
    if !cfg!(target_os = "linux") {
        return Ipv4Addr::LOCALHOST;
    }
    let [a, b, c, ..] = uuid::Uuid::new_v4().into_bytes();
    Ipv4Addr::new(127, a, b, c.clamp(1, 254))
}

/// Listens until the task is aborted, and with it every connection.
///
/// # Errors
/// The port is taken.
pub async fn start(port: u16, emulator: SocketAddr, timeouts: bool) -> anyhow::Result<JoinHandle<()>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.with_context(|| format!("the emulator's guard cannot listen on {port}"))?;
    let client = Arc::new(Client::builder(TokioExecutor::new()).build_http());
    Ok(tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                taken = listener.accept() => {
                    let Ok((stream, _)) = taken else { continue };
                    let client = Arc::clone(&client);
                    connections.spawn(async move {
                        let serve = service_fn(|request| serve(&client, emulator, timeouts, request));
                        // A client that breaks off is gone.
                        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }))
}

async fn serve(
    client: &Client<HttpConnector, Incoming>,
    emulator: SocketAddr,
    timeouts: bool,
    mut request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    if is_a_pages(request.headers()) {
        return Ok(refusal(StatusCode::FORBIDDEN, "The emulator is for programs of this machine, and for no page."));
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let Ok(uri) = format!("http://{emulator}{path}").parse::<Uri>() else {
        return Ok(refusal(StatusCode::BAD_REQUEST, "Ask for a path."));
    };
    *request.uri_mut() = uri;
    request.headers_mut().remove(HOST);
    // What the emulator compresses cannot be read here; Lambda compresses nothing.
    request.headers_mut().remove(ACCEPT_ENCODING);
    let timeout = timeouts.then(|| timeout(request.uri().path())).flatten();
    let Some(answer) = within(timeout, client.request(request)).await else {
        return Ok(timed_out(timeout.unwrap_or_default()));
    };
    Ok(match answer {
        Ok(answer) if answer.status() == StatusCode::INTERNAL_SERVER_ERROR => as_lambda_answers(answer).await,
        Ok(answer) => answer.map(|body| body.boxed()),
        Err(error) => refusal(StatusCode::BAD_GATEWAY, &error.to_string()),
    })
}

/// Of the function that is invoked by this path, as the table of the deployment has it.
fn timeout(path: &str) -> Option<Duration> {
    let name = path.strip_prefix("/2015-03-31/functions/")?.split('/').next()?;
    deployment::function(name).map(|function| Duration::from_secs(function.timeout_s))
}

async fn within<T>(timeout: Option<Duration>, answer: impl Future<Output = T>) -> Option<T> {
    match timeout {
        Some(timeout) => tokio::time::timeout(timeout, answer).await.ok(),
        None => Some(answer.await),
    }
}

/// What Lambda says of a function that it has ended.
fn timed_out(timeout: Duration) -> Answer {
    let error = json!({"errorType": "Sandbox.Timedout", "errorMessage": format!("Task timed out after {:.2} seconds", timeout.as_secs_f64())});
    let mut answer = Response::new(Full::new(Bytes::from(error.to_string())).map_err(|never| match never {}).boxed());
    answer.headers_mut().insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
    answer
}

/// A function's error has a type; what the emulator says for itself has none.
async fn as_lambda_answers(answer: Response<Incoming>) -> Answer {
    let (mut head, body) = answer.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return refusal(StatusCode::BAD_GATEWAY, &error.to_string()),
    };
    if serde_json::from_slice::<Value>(&body).is_ok_and(|error| error["errorType"].is_string()) {
        head.status = StatusCode::OK;
        head.headers.insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
    }
    Response::from_parts(head, Full::new(body).map_err(|never| match never {}).boxed())
}

/// A page names its origin, or its browser says how it came; and one whose own name was made to lead here (DNS rebinding)
/// asks for that name.
fn is_a_pages(headers: &HeaderMap) -> bool {
    !simulator::guard::is_of_this_machine(headers)
        || headers.contains_key(ORIGIN)
        || headers.contains_key(SEC_FETCH_SITE)
}

fn refusal(status: StatusCode, detail: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(detail.to_owned())).map_err(|never| match never {}).boxed());
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_let_through_and_a_page_is_not() {
        let of = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            is_a_pages(&headers.collect())
        };
        for host in ["127.0.0.1:9000", "localhost:9000", "localhost", "[::1]:9000", "127.0.0.1"] {
            assert!(!of(&[("host", host)]), "{host}");
            assert!(of(&[("host", host), ("origin", "https://evil.example")]), "{host}");
            assert!(of(&[("host", host), ("origin", "null")]), "{host}");
            assert!(of(&[("host", host), ("sec-fetch-site", "cross-site")]), "{host}");
        }
        for host in ["evil.example:9000", "localhost.evil.example", "127.0.0.1.evil.example:9000", ""] {
            assert!(of(&[("host", host)]), "{host}");
        }
        assert!(of(&[]));
    }

    #[test]
    fn the_emulators_own_address_is_loopback_and_not_the_usual_one() {
        let address = hidden();
        assert!(address.is_loopback() && (cfg!(not(target_os = "linux")) || address != Ipv4Addr::LOCALHOST));
    }

    #[tokio::test]
    async fn a_function_is_answered_for_at_the_timeout_of_the_table() {
        let expire = Duration::from_secs(deployment::table::EXPIRE.timeout_s);
        assert_eq!(timeout("/2015-03-31/functions/expire/invocations"), Some(expire));
        assert_eq!(timeout("/2015-03-31/functions/stranger/invocations"), None);
        assert_eq!(within(Some(Duration::from_millis(1)), std::future::pending::<()>()).await, None);
        assert_eq!(within(None, async {}).await, Some(()));
        let answer = timed_out(expire);
        assert_eq!(answer.headers()[FUNCTION_ERROR], "Unhandled");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("Task timed out after 100.00 seconds"), "{body:?}");
    }
}
