//! `POST /v1/reservations`: the first hop of a reservation. A bad request is found here, in memory. Then one call of
//! the user's Gate counts it and, if it is in order, reserves.

use protocol::Trace;
use protocol::admin::FieldError;
use protocol::reserve::Reservation;
use protocol::shop::Line;
use serde::{Deserialize, Serialize};

use crate::api::reservations::before_gate;
use crate::auth::rate_limit::Charge;
use crate::gate::answer::limited;
use crate::gate::client::ask;
use crate::gate::message::Ask;
use crate::http::body::Object;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::idempotency;
use crate::http::problem::Problem;
use crate::http::response::Response;
use crate::http::text::is_slug;
use crate::runtime::config::Config;
use crate::runtime::limits;

/// The body.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cart {
    sale_id: String,
    #[cfg_attr(test, schemars(with = "Vec<Line>"))]
    items: Vec<Object<Line>>,
}

pub async fn reserve(context: &mut RequestContext) -> HandlerResult {
    let user_id = context.user_id()?;
    match in_order(context, &user_id).await {
        Ok(reservation) => {
            let reply = ask(&context.env, &context.config, &user_id, &Ask::Reserve(&reservation.json)).await?;
            Ok(limits(reply.response, reply.charge, &context.config))
        }
        // In the order of refusals the limit comes before the body, so a bad request is counted too.
        Err(error) => {
            match ask(&context.env, &context.config, &user_id, &Ask::Charge { user_id: &user_id }).await {
                Ok(reply) => {
                    let refusal = if reply.charge.admitted { error } else { limited(reply.charge) };
                    Ok(limits(refusal.into(), reply.charge, &context.config))
                }
                // The refusal is known even if the Gate cannot be reached.
                Err(_) => Err(error),
            }
        }
    }
}

/// The reservation, if nothing is wrong with it and it may go on to the Gate.
async fn in_order(context: &mut RequestContext, user_id: &str) -> Result<Reservation, Problem> {
    let reservation = read(context, user_id).await?;
    before_gate::admit(context, &reservation).await?;
    Ok(reservation)
}

async fn read(context: &mut RequestContext, user_id: &str) -> Result<Reservation, Problem> {
    let cart: Cart = context.json().await?;
    reservation(cart, user_id, context.header("Idempotency-Key"), context.trace.clone())
}

/// A cart is printed once, for its fingerprint and for the functions.
fn reservation(cart: Cart, user_id: &str, key: Option<&str>, trace: Trace) -> Result<Reservation, Problem> {
    let errors = field_errors(&cart);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let idem_key = idempotency::key(key)?;
    let printed = idempotency::printed(&cart)?;
    let fingerprint = idempotency::fingerprint_of(&printed);
    let Trace { request_id, traceparent } = trace;
    // Every member of the cart goes on.
    let Cart { sale_id, items } = cart;
    let reservation = Reservation {
        request_id,
        traceparent,
        user_id: user_id.to_owned(),
        idem_key,
        fingerprint,
        sale_id,
        items: items.into_iter().map(|Object(line)| line).collect(),
        json: String::new(),
    };
    reservation.around(&printed).map_err(|error| Problem::unavailable().because(error))
}

fn field_errors(cart: &Cart) -> Vec<FieldError> {
    const SLUG: &str = "Use 1 to 64 of a-z, 0-9 and -, not beginning with -.";
    let mut errors = Vec::new();
    let mut check = |holds: bool, pointer: &dyn Fn() -> String, detail: &str| {
        if !holds {
            errors.push(FieldError { pointer: pointer(), detail: detail.to_owned() });
        }
    };
    check(is_slug(&cart.sale_id), &|| "/sale_id".to_owned(), SLUG);
    let lines = 1..=limits::ITEMS_MAX;
    check(lines.contains(&cart.items.len()), &|| "/items".to_owned(), "Ask for 1 to 10 SKUs.");
    for (index, Object(line)) in cart.items.iter().enumerate().take(limits::ITEMS_MAX) {
        let sku = || format!("/items/{index}/sku_id");
        check(is_slug(&line.sku_id), &sku, SLUG);
        let before = cart.items.iter().take(index).any(|Object(other)| other.sku_id == line.sku_id);
        check(!before, &sku, "Name each SKU once, with the whole quantity.");
        let qty = || format!("/items/{index}/qty");
        check((1..=limits::QTY_MAX).contains(&line.qty), &qty, "Ask for 1 to 100 pieces.");
    }
    errors
}

/// Takes a token of the user's bucket for what is no reservation but costs as much (`Limit::User`), a repetition too. None:
/// the Gate could not be reached, which must not stop a buyer from paying or releasing.
///
/// # Errors
/// `rate_limited`.
pub async fn charged(context: &RequestContext, user_id: &str) -> Result<Option<Charge>, Problem> {
    match ask(&context.env, &context.config, user_id, &Ask::Charge { user_id }).await {
        Ok(reply) if !reply.charge.admitted => Err(limited(reply.charge)),
        counted => Ok(counted.ok().map(|reply| reply.charge)),
    }
}

/// draft-ietf-httpapi-ratelimit-headers-11, on every answer, so that a client can slow down before it is refused.
pub fn limits(answer: Response, charge: Charge, config: &Config) -> Response {
    let window_s = config.user_burst.div_ceil(config.user_per_s.max(1));
    answer
        .with("RateLimit-Policy", format!("\"reservations\";q={};w={window_s}", config.user_burst))
        .with("RateLimit", format!("\"reservations\";r={};t={}", charge.remaining, charge.reset_s))
}

#[cfg(test)]
mod passes;
#[cfg(test)]
mod tests;
