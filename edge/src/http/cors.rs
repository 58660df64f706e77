//! CORS: pages of the configured origins may call the API, and no others.

use crate::http::response::Response;
use crate::runtime::limits;

const ALLOW_HEADERS: &str =
    "content-type, idempotency-key, authorization, traceparent, tracestate, if-none-match, if-match";
const EXPOSE_HEADERS: &str = "X-Request-Id, X-Server-Time, Location, ETag, Retry-After, RateLimit, RateLimit-Policy, \
                              Idempotent-Replayed";

/// The answer to a preflight request, with the methods of the path. None: it is no preflight, or from an origin that is not
/// configured.
pub fn preflight(origin: Option<&str>, asks_method: bool, allowed: &[String], methods: &str) -> Option<Response> {
    (asks_method && is_allowed(origin?, allowed)).then(|| {
        Response::empty(204)
            .with("Access-Control-Allow-Methods", methods)
            .with("Access-Control-Allow-Headers", ALLOW_HEADERS)
            .with("Access-Control-Max-Age", limits::PREFLIGHT_MAX_AGE_S.to_string())
    })
}

/// Set on every response, refusals too: without it a page sees a 429 as a network error.
pub fn apply(answer: Response, origin: Option<&str>, allowed: &[String]) -> Response {
    if allowed.is_empty() {
        return answer;
    }
    let vary = match answer.header("Vary") {
        Some(vary) => format!("{vary}, Origin"),
        None => "Origin".to_owned(),
    };
    let answer = answer.with("Vary", vary);
    match origin {
        Some(origin) if is_allowed(origin, allowed) => {
            answer.with("Access-Control-Allow-Origin", origin).with("Access-Control-Expose-Headers", EXPOSE_HEADERS)
        }
        _ => answer,
    }
}

fn is_allowed(origin: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|one| one == origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "https://shop.example";

    #[test]
    fn a_configured_origin_passes_its_preflight() {
        let allowed = [SHOP.to_owned()];
        let answer = preflight(Some(SHOP), true, &allowed, "GET, HEAD, POST");
        assert_eq!(answer.as_ref().map(|answer| answer.status), Some(204));
        let methods = answer.as_ref().and_then(|answer| answer.header("access-control-allow-methods"));
        assert_eq!(methods, Some("GET, HEAD, POST"));
        assert_eq!(answer.as_ref().and_then(|answer| answer.header("access-control-max-age")), Some("7200"));
        for other in [None, Some("https://evil.example"), Some("null"), Some("https://shop.example.evil.example")] {
            assert_eq!(preflight(other, true, &allowed, "GET, HEAD, POST"), None);
        }
        assert_eq!(preflight(Some(SHOP), false, &allowed, "GET, HEAD, POST"), None);
    }

    #[test]
    fn refusals_reach_the_page_too_and_caches_keep_origins_apart() {
        let allowed = [SHOP.to_owned()];
        let answer = apply(Response::empty(429), Some(SHOP), &allowed);
        assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP));
        assert_eq!(answer.header("vary"), Some("Origin"));
        let other = apply(Response::empty(200).with("Vary", "Accept-Language"), Some("https://evil.example"), &allowed);
        assert_eq!(other.header("access-control-allow-origin"), None);
        assert_eq!(other.header("vary"), Some("Accept-Language, Origin"));
        assert_eq!(apply(Response::empty(200), Some(SHOP), &[]), Response::empty(200));
    }
}
