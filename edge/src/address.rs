//! The limit per client address: Cloudflare's own counter, asked before anything else costs something.

use worker::wasm_bindgen::JsCast;
use worker::{RateLimiter, js_sys};

use crate::bounds::ADDRESS_WINDOW_S;
use crate::call::Call;
use crate::problem::{Code, Problem};

/// # Errors
/// `rate_limited`.
pub async fn limit(call: &Call) -> Result<(), Problem> {
    // Cloudflare always says who it is; elsewhere there is nobody to count.
    let Some(address) = call.header("CF-Connecting-IP") else { return Ok(()) };
    match admitted(call, address).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(limited()),
        Err(error) => {
            // A counter that is out of order must not close the shop: the limits per user still hold.
            worker::console_error!(
                "{}",
                serde_json::json!({"per_address_limit": "failed", "error": error.to_string()})
            );
            Ok(())
        }
    }
}

async fn admitted(call: &Call, address: String) -> worker::Result<bool> {
    // Not `env.rate_limiter`: it insists on the name of Cloudflare's class, and a local workerd has a stand-in.
    let binding = js_sys::Reflect::get(&call.env, &"PER_ADDRESS".into())?;
    if !binding.is_object() {
        return Err("there is no binding PER_ADDRESS".into());
    }
    Ok(binding.unchecked_into::<RateLimiter>().limit(address).await?.success)
}

fn limited() -> Problem {
    Problem::new(Code::RateLimited, "Wait as long as `Retry-After` says: too many requests come from your address.")
        .header("Retry-After", ADDRESS_WINDOW_S.to_string())
        .header("RateLimit", format!("\"address\";r=0;t={ADDRESS_WINDOW_S}"))
}
