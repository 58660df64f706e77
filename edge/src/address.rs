//! The limit per client address: Cloudflare's own counter, asked before anything else costs something. On the way the body
//! is taken along where that costs nothing.

use crate::body;
use crate::bounds::ADDRESS_WINDOW_S;
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
        .header("RateLimit", format!("\"address\";r=0;t={ADDRESS_WINDOW_S}"))
}
