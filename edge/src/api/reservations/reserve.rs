//! `POST /v1/reservations`: the first hop of a reservation. A bad request is found here, in memory. Then one call of
//! the user's Gate counts it and, if it is in order, reserves.

use protocol::admin::FieldError;
use protocol::reserve::{Reservation, ReserveOutcome};
use protocol::shop::Line;
use serde::{Deserialize, Serialize};

use crate::api::reservations::before_gate;
use crate::gate::client::ask;
use crate::gate::message::{Ask, Charge, Verdict};
use crate::http::body::Object;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::idempotency;
use crate::http::problem::{Code, Problem};
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
            let reply = ask(&context.env, &context.config, &user_id, &Ask::Reserve(reservation)).await?;
            let answer = answer(reply.charge, reply.verdict).unwrap_or_else(Response::from);
            Ok(limits(answer, reply.charge, &context.config))
        }
        // In the order of refusals the limit comes before the body, so a bad request is counted too.
        Err(error) => {
            match ask(&context.env, &context.config, &user_id, &Ask::Charge { user_id: user_id.clone() }).await {
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
    let errors = field_errors(&cart);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    Ok(Reservation {
        trace: context.trace.clone(),
        user_id: user_id.to_owned(),
        idem_key: idempotency::key(context.header("Idempotency-Key"))?,
        fingerprint: idempotency::fingerprint(&cart)?,
        sale_id: cart.sale_id,
        items: cart.items.into_iter().map(|Object(line)| line).collect(),
    })
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

fn answer(charge: Charge, verdict: Verdict) -> HandlerResult {
    match verdict {
        Verdict::Charged if !charge.admitted => Err(limited(charge)),
        Verdict::TooMany => Err(limited(charge)),
        Verdict::Charged => Err(Problem::unavailable().because("the Gate only counted a reservation")),
        Verdict::Unavailable => Err(Problem::unavailable().because("the Gate has no outcome")),
        Verdict::Outcome(outcome) => into_response(outcome),
        Verdict::Remembered(outcome) => {
            // For measurements: this answer needed no function.
            let why = match outcome {
                ReserveOutcome::SoldOut { .. } => "sold-out",
                ReserveOutcome::SaleNotOpen { .. } => "not-open",
                _ => "key",
            };
            Ok(into_response(outcome)
                .unwrap_or_else(Response::from)
                .with("Server-Timing", format!("gate;desc=\"{why}\"")))
        }
    }
}

fn into_response(outcome: ReserveOutcome) -> HandlerResult {
    Err(match outcome {
        ReserveOutcome::Granted { hold, replayed } => {
            let location = format!("/v1/reservations/{}", hold.hold_id);
            let answer = Response::json(201, &hold).with("Location", location).versioned(hold.version);
            return Ok(if replayed { answer.with("Idempotent-Replayed", "true") } else { answer });
        }
        ReserveOutcome::IdempotencyKeyReused => {
            Problem::new(Code::IdempotencyKeyReused, "Use a new Idempotency-Key for another request.")
        }
        ReserveOutcome::RequestInProgress => {
            Problem::new(Code::RequestInProgress, "Ask again in a moment.").header("Retry-After", "1")
        }
        ReserveOutcome::NotFound { sku_id: None } => {
            Problem::new(Code::NotFound, "Check `sale_id`: there is no such sale.")
        }
        ReserveOutcome::NotFound { sku_id: Some(sku_id) } => {
            Problem::new(Code::NotFound, "Check `items`: the sale has no such SKU.").with("sku_id", sku_id)
        }
        ReserveOutcome::SaleNotOpen { opens_at, status, .. } => {
            // A problem's own `status` is the HTTP status (RFC 9457): the sale's needs another name.
            Problem::new(Code::SaleNotOpen, "Come back when the sale is open; `opens_at` and `sale_status` say more.")
                .with("opens_at", opens_at)
                .with("sale_status", serde_json::json!(status))
        }
        ReserveOutcome::AlreadyHolding { hold_id, sku_id } => {
            Problem::new(Code::AlreadyHolding, "Pay for the hold that `hold_id` names, or give it back first.")
                .with("hold_id", hold_id)
                .with("sku_id", sku_id)
        }
        ReserveOutcome::LimitReached { sku_id, max_per_user, retry_at } => {
            let detail = match &retry_at {
                None => "Ask for fewer: your orders and this request exceed `max_per_user`.",
                Some(_) => "A hold of yours on it lapsed unpaid: come back at `retry_at`.",
            };
            let problem = Problem::new(Code::LimitReached, detail)
                .with("of", "sku")
                .with("sku_id", sku_id)
                .with("max_per_user", max_per_user);
            retry_at.into_iter().fold(problem, |problem, retry_at| problem.with("retry_at", retry_at))
        }
        ReserveOutcome::SoldOut { sku_id, available, .. } => {
            Problem::new(Code::SoldOut, "Ask for what is `available`, or try later: holds that lapse come back.")
                .with("sku_id", sku_id)
                .with("available", available)
        }
        ReserveOutcome::TooLate => Problem::unavailable().because("the batch came too late to be answered in time"),
    })
}

/// Takes a token of the user's bucket for what is no reservation but costs as much. None: the Gate could not be
/// reached, which must not stop a buyer from paying or releasing.
///
/// # Errors
/// `rate_limited`.
pub async fn charged(context: &RequestContext, user_id: &str) -> Result<Option<Charge>, Problem> {
    match ask(&context.env, &context.config, user_id, &Ask::Charge { user_id: user_id.to_owned() }).await {
        Ok(reply) if !reply.charge.admitted => Err(limited(reply.charge)),
        counted => Ok(counted.ok().map(|reply| reply.charge)),
    }
}

fn limited(charge: Charge) -> Problem {
    Problem::new(Code::RateLimited, "Wait as long as `Retry-After` says, then ask again with the same Idempotency-Key.")
        .header("Retry-After", charge.reset_s.to_string())
}

/// draft-ietf-httpapi-ratelimit-headers-11, on every answer, so that a client can slow down before it is refused.
pub fn limits(answer: Response, charge: Charge, config: &Config) -> Response {
    let window_s = config.user_burst.div_ceil(config.user_per_s.max(1));
    answer
        .with("RateLimit-Policy", format!("\"reservations\";q={};w={window_s}", config.user_burst))
        .with("RateLimit", format!("\"reservations\";r={};t={}", charge.remaining, charge.reset_s))
}

#[cfg(test)]
mod tests;
