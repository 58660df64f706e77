//! The limit per client address: Cloudflare's own counter, asked before anything else costs something. On the way the body
//! is taken along where that costs nothing.

use crate::body;
use crate::bounds::{ADDRESS_MAX, ADDRESS_WINDOW_S};
use crate::call::Call;
use crate::crossing::{self, Arrival};
use crate::problem::{Code, Problem};

/// # Errors
/// `rate_limited`; with a body, `malformed_request` when it breaks off.
pub async fn limit(call: &mut Call, with_body: bool) -> Result<(), Problem> {
    let address = call.header("CF-Connecting-IP");
    // One that is too long is told so when it is its turn.
    let announced = with_body && body::is_announced(call).unwrap_or(false);
    if address.is_none() && !announced {
        return Ok(());
    }
    match crossing::arrive(&call.request, &call.env, address, announced).await {
        Ok(Arrival::Admitted(body)) => {
            call.body = body;
            Ok(())
        }
        Ok(Arrival::Limited) => Err(limited()),
        Err(error) => Err(body::broken_off(error)),
    }
}

fn limited() -> Problem {
    Problem::new(Code::RateLimited, "Wait as long as `Retry-After` says: too many requests come from your address.")
        .header("Retry-After", ADDRESS_WINDOW_S.to_string())
        .header("RateLimit-Policy", format!("\"address\";q={ADDRESS_MAX};w={ADDRESS_WINDOW_S}"))
        .header("RateLimit", format!("\"address\";r=0;t={ADDRESS_WINDOW_S}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Answer;

    #[test]
    fn who_is_limited_is_told_the_limit_that_is_configured() {
        let answer = Answer::from(limited());
        assert_eq!(answer.header("RateLimit-Policy"), Some(r#""address";q=1000;w=10"#));
        assert_eq!(
            (answer.header("RateLimit"), answer.header("Retry-After")),
            (Some(r#""address";r=0;t=10"#), Some("10"))
        );
        let configured = format!("simple = {{ limit = {ADDRESS_MAX}, period = {ADDRESS_WINDOW_S} }}");
        assert!(include_str!("../../wrangler.toml").contains(&configured), "wrangler.toml has another limit");
    }
}
