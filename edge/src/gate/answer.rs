//! What a Gate's verdict becomes: the client's response. The Gate makes it, so that a hold or a refusal is printed once and
//! the Worker only passes it on.

use protocol::reserve::ReserveOutcome;
use protocol::shop::SaleStatus;

use crate::auth::rate_limit::Charge;
use crate::gate::lease::{Refusal, Refused};
use crate::http::problem::{Code, Problem};
use crate::http::response::Response;
use crate::runtime::clock::rfc3339;
use crate::runtime::config::Config;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The user was charged, or not admitted. Nothing else was done.
    Charged,
    Outcome(ReserveOutcome),
    /// Answered from memory: a granted key, a SKU that is sold out, a sale that is not open.
    Remembered(ReserveOutcome),
    /// The user has too many requests waiting.
    TooMany,
    /// No outcome: the call failed, or there is no room. A retry with the same key shows what happened.
    Unavailable,
}

impl Verdict {
    /// Whether everybody who has nothing would be told the same.
    pub fn is_for_anybody(&self) -> bool {
        let (Self::Remembered(outcome) | Self::Outcome(outcome)) = self else { return false };
        matches!(outcome, ReserveOutcome::SoldOut { .. } | ReserveOutcome::SaleNotOpen { .. })
    }

    /// The same verdict for a repeated request.
    pub fn repeated(self) -> Self {
        match self {
            Self::Outcome(ReserveOutcome::Granted { hold, .. }) => {
                Self::Outcome(ReserveOutcome::Granted { hold, replayed: true })
            }
            other => other,
        }
    }
}

/// The response to a reservation.
pub fn answer(charge: Charge, verdict: Verdict) -> Response {
    match verdict {
        Verdict::Charged if charge.admitted => {
            Problem::unavailable().because("the Gate only counted a reservation").into()
        }
        Verdict::Charged | Verdict::TooMany => limited(charge).into(),
        Verdict::Unavailable => Problem::unavailable().because("the Gate has no outcome").into(),
        Verdict::Outcome(outcome) => into_response(outcome),
        Verdict::Remembered(outcome) => {
            // For measurements: this answer needed no function.
            let why = match outcome {
                ReserveOutcome::SoldOut { .. } => "sold-out",
                ReserveOutcome::SaleNotOpen { .. } => "not-open",
                _ => "key",
            };
            into_response(outcome).with("Server-Timing", format!("gate;desc=\"{why}\""))
        }
    }
}

/// The response to a reservation that a lease refuses: it says when that was true.
pub fn leased(refusal: Refusal) -> Response {
    let (problem, why) = match refusal.of {
        Refused::SoldOut { sku_id } => (sold_out(sku_id, 0), "sold-out"),
        Refused::SaleNotOpen { opens_at, status } => (not_open(opens_at, status), "not-open"),
    };
    let answer: Response = problem.with("as_of", rfc3339(refusal.as_of_ms)).into();
    answer.with("Server-Timing", format!("lease;desc=\"{why}\""))
}

fn sold_out(sku_id: String, available: i64) -> Problem {
    Problem::new(Code::SoldOut, "Ask for what is `available`, or try later: holds that lapse come back.")
        .with("sku_id", sku_id)
        .with("available", available)
}

fn not_open(opens_at: String, status: SaleStatus) -> Problem {
    // A problem's own `status` is the HTTP status (RFC 9457): the sale's needs another name.
    Problem::new(Code::SaleNotOpen, "Come back when the sale is open; `opens_at` and `sale_status` say more.")
        .with("opens_at", opens_at)
        .with("sale_status", serde_json::json!(status))
}

/// The response to what only takes a token: the Worker looks at the charge, and answers the client by itself.
pub fn counted(charge: Charge) -> Response {
    if charge.admitted { Response::empty(204) } else { limited(charge).into() }
}

/// The refusal of a user who sends too much.
pub fn limited(charge: Charge) -> Problem {
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

/// An outcome of T1 as a response.
pub fn into_response(outcome: ReserveOutcome) -> Response {
    let problem = match outcome {
        ReserveOutcome::Granted { hold, replayed } => {
            let location = format!("/v1/reservations/{}", hold.hold_id);
            let answer = Response::json(201, &hold).with("Location", location).versioned(hold.version);
            return if replayed { answer.with("Idempotent-Replayed", "true") } else { answer };
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
        ReserveOutcome::SaleNotOpen { opens_at, status, .. } => not_open(opens_at, status),
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
        ReserveOutcome::SoldOut { sku_id, available, .. } => sold_out(sku_id, available),
        ReserveOutcome::TooLate => Problem::unavailable().because("the batch came too late to be answered in time"),
    };
    problem.into()
}

#[cfg(test)]
mod tests;
