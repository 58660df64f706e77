//! Allowed callers: programs of this machine, the gateway's own pages, and the shop's. A page of the web can send a
//! form to any address of this machine, and a name of its own that is made to lead here (DNS rebinding) lets it read
//! the answer.

use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::gateways::Gateways;

/// Every browser says so of itself, with every request to this machine.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

pub(crate) async fn turn_away(State(gateways): State<Gateways>, request: Request, next: Next) -> Response {
    if is_foreign(&gateways.shop.origin(), request.method(), request.headers()) {
        return (StatusCode::FORBIDDEN, "The gateway is for this machine's programs, its own page and its shop's.")
            .into_response();
    }
    next.run(request).await
}

/// Whether a request asks for a name of this machine, and not for one that was only made to lead here.
pub fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let name = host(headers).rsplit_once(':').map_or(host(headers), |(name, _)| name).trim_matches(['[', ']']);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// Requests that change nothing are allowed to any client of this machine: a browser gives no answer to a page of
/// another origin.
fn is_foreign(shop: &str, method: &Method, headers: &HeaderMap) -> bool {
    if !is_of_this_machine(headers) {
        return true;
    }
    if method.is_safe() {
        return false;
    }
    match headers.get(ORIGIN) {
        Some(origin) => ![format!("http://{}", host(headers)).as_str(), shop].iter().any(|ours| origin == ours),
        None => headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_pages_of_ours_may_change_things_and_no_other_page_may() {
        let foreign = |method: &Method, headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            is_foreign("http://127.0.0.1:8787", method, &headers.collect())
        };
        for host in ["127.0.0.1:8790", "localhost:8790", "localhost", "[::1]:8790"] {
            for ours in [vec![], vec![("origin", "http://127.0.0.1:8787")], vec![("sec-fetch-site", "same-origin")]] {
                assert!(!foreign(&Method::POST, &[vec![("host", host)], ours].concat()), "{host}");
            }
            for origin in ["https://evil.example", "null", "http://127.0.0.1:8788", "http://localhost:8787", ""] {
                assert!(foreign(&Method::POST, &[("host", host), ("origin", origin)]), "{host} {origin}");
                assert!(foreign(&Method::DELETE, &[("host", host), ("origin", origin)]), "{host} {origin}");
            }
            assert!(foreign(&Method::POST, &[("host", host), ("sec-fetch-site", "cross-site")]), "{host}");
            assert!(!foreign(&Method::GET, &[("host", host), ("sec-fetch-site", "cross-site")]), "the shop's link");
        }
        assert!(!foreign(&Method::POST, &[("host", "[::1]:8790"), ("origin", "http://[::1]:8790")]));
        for host in ["evil.example:8790", "localhost.evil.example", "127.0.0.1.evil.example:8790", ""] {
            assert!(foreign(&Method::GET, &[("host", host)]), "{host}");
        }
        assert!(foreign(&Method::GET, &[]));
    }
}
