//! `POST /v1/reservations`: the first hop of a reservation. What is wrong with a request is found here, in memory; then
//! one call of the buyer's Gate counts it and, if it is in order, has it reserved.

use protocol::admin::FieldError;
use protocol::reserve::{Reservation, ReserveOutcome};
use protocol::shop::Line;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::body::Object;
use crate::call::{Answered, Call};
use crate::config::Config;
use crate::gate::ask::ask;
use crate::gate::message::{Ask, Charge, Verdict};
use crate::problem::{Code, Problem};
use crate::text::is_slug;
use crate::{bounds, idempotency};

/// The body.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cart {
    sale_id: String,
    #[cfg_attr(test, schemars(with = "Vec<Line>"))]
    items: Vec<Object<Line>>,
}

pub async fn reserve(call: &mut Call) -> Answered {
    let user_id = call.buyer()?;
    match read(call, &user_id).await {
        Ok(reservation) => {
            let reply = ask(&call.env, &call.config, &user_id, &Ask::Reserve(reservation)).await?;
            let answer = answer(reply.charge, reply.verdict).unwrap_or_else(Answer::from);
            Ok(limits(answer, reply.charge, &call.config))
        }
        // The limit comes before the body in the order of refusals, so a faulty request is counted too.
        Err(fault) => match ask(&call.env, &call.config, &user_id, &Ask::Charge { user_id: user_id.clone() }).await {
            Ok(reply) => {
                let refusal = if reply.charge.admitted { fault } else { limited(reply.charge) };
                Ok(limits(refusal.into(), reply.charge, &call.config))
            }
            // What is wrong with it is known even when nobody could count it.
            Err(_) => Err(fault),
        },
    }
}

async fn read(call: &mut Call, user_id: &str) -> Result<Reservation, Problem> {
    let cart: Cart = call.json().await?;
    let faults = faults(&cart);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    Ok(Reservation {
        trace: call.trace.clone(),
        user_id: user_id.to_owned(),
        idem_key: idempotency::key(call.header("Idempotency-Key"))?,
        fingerprint: idempotency::fingerprint(&cart)?,
        sale_id: cart.sale_id,
        items: cart.items.into_iter().map(|Object(line)| line).collect(),
    })
}

fn faults(cart: &Cart) -> Vec<FieldError> {
    const SLUG: &str = "Use 1 to 64 of a-z, 0-9 and -, not beginning with -.";
    let mut faults = Vec::new();
    let mut check = |holds: bool, pointer: &dyn Fn() -> String, detail: &str| {
        if !holds {
            faults.push(FieldError { pointer: pointer(), detail: detail.to_owned() });
        }
    };
    check(is_slug(&cart.sale_id), &|| "/sale_id".to_owned(), SLUG);
    let lines = 1..=bounds::ITEMS_MAX;
    check(lines.contains(&cart.items.len()), &|| "/items".to_owned(), "Ask for 1 to 10 SKUs.");
    for (index, Object(line)) in cart.items.iter().enumerate().take(bounds::ITEMS_MAX) {
        let sku = || format!("/items/{index}/sku_id");
        check(is_slug(&line.sku_id), &sku, SLUG);
        let before = cart.items.iter().take(index).any(|Object(other)| other.sku_id == line.sku_id);
        check(!before, &sku, "Name each SKU once, with the whole quantity.");
        let qty = || format!("/items/{index}/qty");
        check((1..=bounds::QTY_MAX).contains(&line.qty), &qty, "Ask for 1 to 100 pieces.");
    }
    faults
}

fn answer(charge: Charge, verdict: Verdict) -> Answered {
    match verdict {
        Verdict::Charged if !charge.admitted => Err(limited(charge)),
        Verdict::TooMany => Err(limited(charge)),
        Verdict::Charged => Err(Problem::unavailable().because("the Gate only counted a reservation")),
        Verdict::Unavailable => Err(Problem::unavailable().because("the Gate has no outcome")),
        Verdict::Outcome(outcome) => tell(outcome),
        Verdict::Remembered(outcome) => {
            // For who measures: this needed no function.
            let why = match outcome {
                ReserveOutcome::SoldOut { .. } => "sold-out",
                ReserveOutcome::SaleNotOpen { .. } => "not-open",
                _ => "key",
            };
            Ok(tell(outcome).unwrap_or_else(Answer::from).with("Server-Timing", format!("gate;desc=\"{why}\"")))
        }
    }
}

fn tell(outcome: ReserveOutcome) -> Answered {
    Err(match outcome {
        ReserveOutcome::Granted { hold, replayed } => {
            let location = format!("/v1/reservations/{}", hold.hold_id);
            let answer = Answer::json(201, &hold).with("Location", location).versioned(hold.version);
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
            // A problem's own `status` is the number of its answer (RFC 9457): the sale's needs another name.
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

/// Takes a token of the user's for what is no reservation, but costs as much. None: nobody could count it, and what a buyer
/// began is not left undone for that.
///
/// # Errors
/// `rate_limited`.
pub async fn charged(call: &Call, user_id: &str) -> Result<Option<Charge>, Problem> {
    match ask(&call.env, &call.config, user_id, &Ask::Charge { user_id: user_id.to_owned() }).await {
        Ok(reply) if !reply.charge.admitted => Err(limited(reply.charge)),
        counted => Ok(counted.ok().map(|reply| reply.charge)),
    }
}

fn limited(charge: Charge) -> Problem {
    Problem::new(Code::RateLimited, "Wait as long as `Retry-After` says, then ask again with the same Idempotency-Key.")
        .header("Retry-After", charge.reset_s.to_string())
}

/// draft-ietf-httpapi-ratelimit-headers-11, on every answer, so that a client can slow down before it is refused.
pub fn limits(answer: Answer, charge: Charge, config: &Config) -> Answer {
    let window_s = config.user_burst.div_ceil(config.user_per_s.max(1));
    answer
        .with("RateLimit-Policy", format!("\"reservations\";q={};w={window_s}", config.user_burst))
        .with("RateLimit", format!("\"reservations\";r={};t={}", charge.remaining, charge.reset_s))
}

#[cfg(test)]
mod tests;
