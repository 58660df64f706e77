//! `POST /v1/reservations`: the first hop of a reservation. A bad request is found here, in memory. Then one call of
//! the user's Gate counts it and, if it is in order, reserves.

use protocol::Trace;
use protocol::admin::FieldError;
use protocol::reserve::Reservation;
use protocol::shop::Line;
use serde::{Deserialize, Serialize};

use crate::api::reservations::before_gate::{self, Leased};
use crate::auth::rate_limit::Charge;
use crate::gate::answer::{limited, limits};
use crate::gate::client::{ask, ask_shard};
use crate::gate::leases;
use crate::gate::message::{Ask, Reply};
use crate::http::body::Object;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::idempotency;
use crate::http::problem::{Problem, field_error};
use crate::http::response::Response;
use crate::http::text::is_slug;
use crate::runtime::user_hash::shard_of;
use crate::runtime::{clock, limits};

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
        Ok(InOrder::Refused(response)) => Ok(response),
        Ok(InOrder::Asks { reservation, user, for_a_lease }) => {
            at_the_gate(context, &reservation, user, for_a_lease).await
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

/// A reservation with which nothing is wrong.
enum InOrder {
    /// A lease has an answer, which needs no Gate.
    Refused(Response),
    /// It goes on to the Gate of its user, by the hash. `for_a_lease`: a refusal is to come with a lease.
    Asks { reservation: Reservation, user: u64, for_a_lease: bool },
}

async fn in_order(context: &mut RequestContext, user_id: &str) -> Result<InOrder, Problem> {
    let cart: Cart = context.json().await?;
    let idem_key = checked(&cart, context.header("Idempotency-Key"))?;
    let user = context.config.gate_key.user(user_id);
    let items: Vec<&Line> = cart.items.iter().map(|Object(line)| line).collect();
    let for_a_lease = match before_gate::under_lease(&context.config, user_id, user, &cart.sale_id, &items).await {
        Leased::Refused(response) => return Ok(InOrder::Refused(response)),
        Leased::Asks { for_a_lease } => for_a_lease,
    };
    let reservation = reservation(cart, user_id, idem_key, context.trace.clone())?;
    before_gate::admit(context, &reservation).await?;
    Ok(InOrder::Asks { reservation, user, for_a_lease })
}

async fn at_the_gate(context: &RequestContext, asked: &Reservation, user: u64, for_a_lease: bool) -> HandlerResult {
    let (shard, sale_id) = (shard_of(user, context.config.gate_shards), asked.sale_id.as_str());
    let sent_ms = clock::now_ms();
    if for_a_lease {
        leases::with(|leases| leases.asks(shard, sale_id, sent_ms));
    }
    let reply = ask_shard(&context.env, shard, &Ask::Reserve { json: &asked.json }, for_a_lease).await;
    let now_ms = clock::now_ms();
    if for_a_lease {
        let lease = reply.as_ref().ok().and_then(|reply| reply.lease.as_deref());
        leases::with(|leases| leases.answered(shard, sale_id, lease, sent_ms, now_ms));
    }
    let Reply { charge, response, .. } = reply?;
    if leases::with(|leases| leases.lasts(shard, sale_id, now_ms)) {
        leases::charged(&context.config, &asked.user_id, charge, now_ms);
    }
    if response.status == 201 {
        leases::with(|leases| leases.granted(shard, user, now_ms));
    }
    Ok(limits(response, charge, &context.config))
}

/// The idempotency key, if nothing is wrong with the request.
fn checked(cart: &Cart, key: Option<&str>) -> Result<String, Problem> {
    let errors = field_errors(cart);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    idempotency::key(key)
}

/// A cart is printed once, for its fingerprint and for the functions.
fn reservation(cart: Cart, user_id: &str, idem_key: String, trace: Trace) -> Result<Reservation, Problem> {
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

const SLUG: &str = "Use 1 to 64 of a-z, 0-9 and -, not beginning with -.";

fn field_errors(cart: &Cart) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !is_slug(&cart.sale_id) {
        errors.push(field_error("/sale_id", SLUG));
    }
    errors.extend(line_errors(cart.items.iter().map(|Object(line)| line)));
    errors
}

/// What is wrong with the lines of a cart, or with those that a hold is to have.
pub fn line_errors<'a>(items: impl ExactSizeIterator<Item = &'a Line> + Clone) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut check = |holds: bool, pointer: &dyn Fn() -> String, detail: &str| {
        if !holds {
            errors.push(field_error(&pointer(), detail));
        }
    };
    let lines = 1..=limits::ITEMS_MAX;
    check(lines.contains(&items.len()), &|| "/items".to_owned(), "Ask for 1 to 10 SKUs.");
    for (index, line) in items.clone().enumerate().take(limits::ITEMS_MAX) {
        let sku = || format!("/items/{index}/sku_id");
        check(is_slug(&line.sku_id), &sku, SLUG);
        let before = items.clone().take(index).any(|other| other.sku_id == line.sku_id);
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

#[cfg(test)]
mod passes;
#[cfg(test)]
mod tests;
