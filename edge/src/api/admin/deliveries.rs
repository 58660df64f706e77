//! What the operator's routes about subscriptions and dead letters share: the actor, the call of `admin`, its outcomes
//! as HTTP.

use protocol::admin::{self, Command, FieldError};
use protocol::deliveries::{Actor, Operation, OperationOutcome, Subscription};
use protocol::printable::is_printable;
use serde::Serialize;

use crate::api::cursor;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{Code, Problem, field_error};
use crate::http::response::Response;
use crate::lambda::invoke;
use crate::runtime::limits;

/// The actor and the reason, for the ledger. The actor comes from the token: nothing in the request can name another.
///
/// # Errors
/// `unavailable`: the caller is no operator; `invalid_request`: the reason is not printable.
pub fn actor(context: &RequestContext, reason: Option<String>) -> Result<Actor, Problem> {
    let actor = context.operator()?.to_owned();
    match reason_error(reason.as_deref()) {
        None => Ok(Actor { actor, reason, request_id: context.trace.request_id.clone() }),
        Some(error) => Err(Problem::invalid(vec![error])),
    }
}

/// What is wrong with a reason, if there is one. It has to be printable: no control characters, nothing invisible,
/// nothing that changes the direction of the text.
pub fn reason_error(reason: Option<&str>) -> Option<FieldError> {
    let readable = reason.is_none_or(|reason| is_printable(reason, limits::REASON_MAX_CHARS));
    (!readable).then(|| field_error("/reason", "Say why in 1 to 500 printable characters."))
}

/// # Errors
/// The refusal of the operation; `unavailable`.
pub async fn run(context: &RequestContext, operation: Operation) -> HandlerResult {
    into_response(outcome(context, operation).await?)
}

/// One page of a list, whose cursor belongs to `filters`: the list's name and its query parameters.
///
/// # Errors
/// As `run`.
pub async fn run_page(context: &RequestContext, operation: Operation, filters: &[&str]) -> HandlerResult {
    let bound = |next: Option<String>| next.map(|last| cursor::write(filters, &last));
    into_response(match outcome(context, operation).await? {
        OperationOutcome::Actions { actions, next } => OperationOutcome::Actions { actions, next: bound(next) },
        OperationOutcome::DeadLetters { dead_letters, next } => {
            OperationOutcome::DeadLetters { dead_letters, next: bound(next) }
        }
        other => other,
    })
}

/// # Errors
/// `unavailable`.
pub async fn outcome(context: &RequestContext, operation: Operation) -> Result<OperationOutcome, Problem> {
    let request = admin::AdminRequest { trace: context.trace.clone(), command: Command::Operate { operation } };
    match invoke::call(&context.config.lambda, "admin", &request).await? {
        admin::AdminOutcome::Operated { operated } => Ok(operated),
        _ => Err(Problem::unavailable().because("admin answered another question")),
    }
}

/// A subscription, with its secret if this response shows it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shown {
    #[serde(flatten)]
    subscription: Subscription,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

fn into_response(outcome: OperationOutcome) -> HandlerResult {
    let refused = |pointer, detail: &str| Problem::invalid(vec![field_error(pointer, detail)]);
    Err(match outcome {
        OperationOutcome::InvalidRequest { errors } => Problem::invalid(errors),
        OperationOutcome::NotFound => Problem::not_found(),
        OperationOutcome::IdempotencyKeyReused => {
            Problem::new(Code::IdempotencyKeyReused, "Use a new Idempotency-Key for another request.")
        }
        OperationOutcome::TooMany { most } => {
            refused("", &format!("Delete a subscription first: there are {most}, the most."))
        }
        OperationOutcome::NotSigned => {
            refused("", "This kind of subscription has no secret: access to it is a matter of IAM.")
        }
        OperationOutcome::Disabled => refused("", "Enable its subscription first."),
        OperationOutcome::Actions { actions, next } => {
            return Ok(Response::json(200, &serde_json::json!({"actions": actions, "next": next})));
        }
        OperationOutcome::Subscriptions { .. } => {
            Problem::unavailable().because("a list of subscriptions is a page of its own")
        }
        OperationOutcome::Subscription { subscription } => return Ok(Response::json(200, &subscription)),
        OperationOutcome::Created { subscription, secret, replayed } => {
            let location = format!("/v1/admin/subscriptions/{}", subscription.subscription_id);
            let answer = Response::json(201, &Shown { subscription, secret }).with("Location", location);
            return Ok(marked(answer, replayed));
        }
        OperationOutcome::Rotated { subscription, secret, replayed } => {
            return Ok(marked(Response::json(200, &Shown { subscription, secret: Some(secret) }), replayed));
        }
        OperationOutcome::Forgotten { forgotten } => return Ok(Response::json(200, &forgotten)),
        OperationOutcome::DeadLetters { dead_letters, next } => {
            return Ok(Response::json(200, &serde_json::json!({"dead_letters": dead_letters, "next": next})));
        }
        OperationOutcome::ReplayedOne { letter, replayed } => {
            return Ok(marked(Response::json(200, &letter), replayed));
        }
        OperationOutcome::ReplayedMany { many, replayed } => return Ok(marked(Response::json(200, &many), replayed)),
    })
}

fn marked(answer: Response, replayed: bool) -> Response {
    if replayed { answer.with("Idempotent-Replayed", "true") } else { answer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::deliveries::{Kind, Replayed};

    fn subscription() -> Subscription {
        Subscription {
            subscription_id: "s".to_owned(),
            kind: Kind::Http,
            endpoint: "https://shop.example/".to_owned(),
            event_types: Vec::new(),
            status: "enabled".to_owned(),
            status_reason: None,
            status_since: String::new(),
            breaker: "closed".to_owned(),
            breaker_since: String::new(),
            pending: 0,
            dead: 0,
            old_secret_until: None,
            created_at: String::new(),
        }
    }

    #[test]
    fn a_secret_is_shown_only_when_it_is_created() {
        let body = |outcome| {
            let answer = into_response(outcome).unwrap_or_else(Response::from);
            (answer.status, String::from_utf8_lossy(&answer.body).contains("whsec_a"))
        };
        let secret = || "whsec_a".to_owned();
        let created =
            OperationOutcome::Created { subscription: subscription(), secret: Some(secret()), replayed: false };
        let rotated = OperationOutcome::Rotated { subscription: subscription(), secret: secret(), replayed: true };
        assert_eq!(body(created), (201, true));
        assert_eq!(body(rotated), (200, true));
        assert_eq!(body(OperationOutcome::Subscription { subscription: subscription() }), (200, false));
    }

    #[test]
    fn outcomes_map_to_responses() {
        let status = |outcome| into_response(outcome).unwrap_or_else(Response::from).status;
        let letter = Replayed { id: "event-1".to_owned(), status: "pending".to_owned() };
        assert_eq!(status(OperationOutcome::ReplayedOne { letter, replayed: false }), 200);
        assert_eq!(status(OperationOutcome::NotFound), 404);
        assert_eq!(status(OperationOutcome::IdempotencyKeyReused), 422);
        for refused in
            [OperationOutcome::TooMany { most: 100 }, OperationOutcome::NotSigned, OperationOutcome::Disabled]
        {
            assert_eq!(status(refused), 422);
        }
    }

    #[test]
    fn a_reason_has_printable_characters_only() {
        for reason in [None, Some("다시 보냄"), Some("می\u{200c}خواهم"), Some("👩\u{200d}👧")] {
            assert_eq!(reason_error(reason), None, "{reason:?}");
        }
        let long = "a".repeat(501);
        for reason in ["", " ", "a\nb", "a\u{7f}", "a\u{202e}b", "a\u{200b}b", "\u{2066}a", "a\u{feff}", &long] {
            assert!(reason_error(Some(reason)).is_some(), "{reason:?}");
        }
    }
}
