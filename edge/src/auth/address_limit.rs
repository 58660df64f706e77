//! The limits per client address, which Cloudflare counts. Only what costs a call is counted: pages, files and cached
//! answers are free, because a crowd may share one address.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::http::body;
use crate::http::context::RequestContext;
use crate::http::problem::{Code, Problem};
use crate::runtime::js;
use crate::runtime::js::Arrival;
use crate::runtime::limits::{
    ADDRESS_WINDOW_S, HINTS_OF_ADDRESS_MAX, PRESSES_OF_ADDRESS_MAX, UNAUTHENTICATED_OF_ADDRESS_MAX,
    UNKNOWN_OF_ADDRESS_MAX,
};

/// A rate limit's binding in wrangler.toml, and its `limit` there.
pub struct Limit {
    binding: &'static str,
    max: u64,
}

/// Reservations.
const PRESSES: Limit = Limit { binding: "PER_ADDRESS", max: PRESSES_OF_ADDRESS_MAX };
/// Unauthenticated requests: a refused token, a return from a payment.
pub const UNAUTHENTICATED: Limit = Limit { binding: "PER_UNAUTHENTICATED", max: UNAUTHENTICATED_OF_ADDRESS_MAX };
/// Sales that this isolate has not seen yet: each costs a call of `lookup`. Requests that follow one link to one sale
/// share one call.
pub const UNKNOWN: Limit = Limit { binding: "PER_UNKNOWN", max: UNKNOWN_OF_ADDRESS_MAX };
/// Unsigned webhooks, and returns from a payment without a session.
pub const HINTS: Limit = Limit { binding: "PER_HINT", max: HINTS_OF_ADDRESS_MAX };

/// Counts a reservation against its address, and reads its body in the same call to JavaScript if its length is known.
///
/// # Errors
/// `rate_limited`; with a body, `malformed_request` when it breaks off.
pub async fn press(context: &mut RequestContext) -> Result<(), Problem> {
    let address = counted(context);
    // A body that is too long is refused when it is read.
    let announced = context.body_is_announced().unwrap_or(false);
    if address.is_none() && !announced {
        return Ok(());
    }
    match js::arrive(&context.request, &context.env, address.as_deref(), announced).await {
        Ok(Arrival::Admitted(body)) => {
            context.body = body;
            Ok(())
        }
        Ok(Arrival::Limited) => Err(limited(&PRESSES)),
        Err(error) => Err(body::broken_off(error)),
    }
}

/// # Errors
/// `rate_limited`.
pub async fn count(context: &RequestContext, limit: &Limit) -> Result<(), Problem> {
    match counted(context) {
        Some(address) if !js::admits(&context.env, limit.binding, &address).await => Err(limited(limit)),
        _ => Ok(()),
    }
}

/// The counted address. Cloudflare always sends one; elsewhere nothing is counted.
fn counted(context: &RequestContext) -> Option<Cow<'_, str>> {
    context.header("CF-Connecting-IP").map(network)
}

/// A client with IPv6 has 2^64 addresses: its network is counted.
fn network(address: &str) -> Cow<'_, str> {
    match address.parse().map(|address: IpAddr| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            Cow::Owned(format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"))
        }
        Ok(IpAddr::V4(address)) => Cow::Owned(address.to_string()),
        Err(_) => Cow::Borrowed(address),
    }
}

fn limited(limit: &Limit) -> Problem {
    Problem::new(Code::RateLimited, "Wait as long as `Retry-After` says: too many requests come from your address.")
        .header("Retry-After", ADDRESS_WINDOW_S.to_string())
        .header("RateLimit-Policy", format!("\"address\";q={};w={ADDRESS_WINDOW_S}", limit.max))
        .header("RateLimit", format!("\"address\";r=0;t={ADDRESS_WINDOW_S}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::Response;

    #[test]
    fn a_limited_address_gets_the_configured_limit() {
        let answer = Response::from(limited(&UNAUTHENTICATED));
        assert_eq!(answer.header("RateLimit-Policy"), Some(r#""address";q=1000;w=10"#));
        assert_eq!(
            (answer.header("RateLimit"), answer.header("Retry-After")),
            (Some(r#""address";r=0;t=10"#), Some("10"))
        );
        for Limit { binding, max } in [PRESSES, UNAUTHENTICATED, UNKNOWN, HINTS] {
            let text = include_str!("../../../wrangler.toml");
            let configured = text.split(&format!("name = \"{binding}\"")).nth(1).unwrap_or_default();
            let simple = configured.lines().find(|line| line.starts_with("simple"));
            let ours = format!("simple = {{ limit = {max}, period = {ADDRESS_WINDOW_S} }}");
            assert_eq!(simple, Some(ours.as_str()), "{binding}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_an_ipv4_address_has_one_spelling() {
        for (address, counted) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8::1", "2001:db8:0:0::/64"),
            ("::1", "0:0:0:0::/64"),
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("unknown", "unknown"),
        ] {
            assert_eq!(network(address), counted);
        }
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }
}
