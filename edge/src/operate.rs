//! What the operator's routes about deliveries share: who asks and why, the call of `admin`, and its outcomes as HTTP.

use protocol::admin::{self, Command, FieldError};
use protocol::operate::{Actor, Operation, OperationOutcome, Subscription};
use protocol::printable::is_printable;
use serde::Serialize;

use crate::answer::Answer;
use crate::call::{Answered, Call};
use crate::problem::{Code, Problem};
use crate::{bounds, invoke};

/// Who asks and why, for the ledger. Who it is, the token says: nothing that a client writes names the actor.
///
/// # Errors
/// `unauthenticated`; `invalid_request`: the reason cannot be read.
pub fn by(call: &Call, reason: Option<String>) -> Result<Actor, Problem> {
    let actor = call.operator()?.name.clone();
    match reason_fault(reason.as_deref()) {
        None => Ok(Actor { actor, reason, request_id: call.trace.request_id.clone() }),
        Some(fault) => Err(Problem::invalid(vec![fault])),
    }
}

/// What is wrong with a reason; none where there is none. Whoever reads the ledger must see what is there: no control
/// characters, nothing of no width, nothing that turns the text around.
pub fn reason_fault(reason: Option<&str>) -> Option<FieldError> {
    let readable = reason.is_none_or(|reason| is_printable(reason, bounds::REASON_MAX_CHARS));
    (!readable).then(|| fault("/reason", "Say why in 1 to 500 printable characters."))
}

pub fn fault(pointer: &str, detail: &str) -> FieldError {
    FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

/// # Errors
/// What the operation was refused for; `unavailable`.
pub async fn run(call: &Call, operation: Operation) -> Answered {
    let request = admin::AdminRequest { trace: call.trace.clone(), command: Command::Operate { operation } };
    match invoke::call(&call.config.lambda, "admin", &request).await? {
        admin::AdminOutcome::Operated { operated } => tell(operated),
        _ => Err(Problem::unavailable().because("admin answered another question")),
    }
}

/// A subscription, with its secret where it is shown.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shown {
    #[serde(flatten)]
    subscription: Subscription,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

fn tell(outcome: OperationOutcome) -> Answered {
    let refused = |pointer, detail: &str| Problem::invalid(vec![fault(pointer, detail)]);
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
            return Ok(Answer::json(200, &serde_json::json!({"actions": actions, "next": next})));
        }
        OperationOutcome::Subscriptions { subscriptions } => {
            return Ok(Answer::json(200, &serde_json::json!({"subscriptions": subscriptions})));
        }
        OperationOutcome::Subscription { subscription } => return Ok(Answer::json(200, &subscription)),
        OperationOutcome::Created { subscription, secret, replayed } => {
            let location = format!("/v1/admin/subscriptions/{}", subscription.subscription_id);
            let answer = Answer::json(201, &Shown { subscription, secret }).with("Location", location);
            return Ok(marked(answer, replayed));
        }
        OperationOutcome::Rotated { subscription, secret, replayed } => {
            return Ok(marked(Answer::json(200, &Shown { subscription, secret: Some(secret) }), replayed));
        }
        OperationOutcome::Forgotten { forgotten } => return Ok(Answer::json(200, &forgotten)),
        OperationOutcome::DeadLetters { dead_letters, next } => {
            return Ok(Answer::json(200, &serde_json::json!({"dead_letters": dead_letters, "next": next})));
        }
        OperationOutcome::ReplayedOne { letter, replayed } => return Ok(marked(Answer::json(200, &letter), replayed)),
        OperationOutcome::ReplayedMany { many, replayed } => return Ok(marked(Answer::json(200, &many), replayed)),
    })
}

fn marked(answer: Answer, replayed: bool) -> Answer {
    if replayed { answer.with("Idempotent-Replayed", "true") } else { answer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::operate::{Kind, Replayed};

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
    fn a_secret_is_shown_where_it_is_made_and_nowhere_else() {
        let body = |outcome| {
            let answer = tell(outcome).unwrap_or_else(Answer::from);
            (answer.status, String::from_utf8_lossy(&answer.body).contains("whsec_a"))
        };
        let secret = || "whsec_a".to_owned();
        let created =
            OperationOutcome::Created { subscription: subscription(), secret: Some(secret()), replayed: false };
        let rotated = OperationOutcome::Rotated { subscription: subscription(), secret: secret(), replayed: true };
        assert_eq!(body(created), (201, true));
        assert_eq!(body(rotated), (200, true));
        assert_eq!(body(OperationOutcome::Subscription { subscription: subscription() }), (200, false));
        assert_eq!(body(OperationOutcome::Subscriptions { subscriptions: vec![subscription()] }), (200, false));
    }

    #[test]
    fn outcomes_become_answers() {
        let status = |outcome| tell(outcome).unwrap_or_else(Answer::from).status;
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
    fn a_reason_can_be_read_as_it_stands() {
        for reason in [None, Some("다시 보냄"), Some("می\u{200c}خواهم"), Some("👩\u{200d}👧")] {
            assert_eq!(reason_fault(reason), None, "{reason:?}");
        }
        let long = "a".repeat(501);
        for reason in ["", " ", "a\nb", "a\u{7f}", "a\u{202e}b", "a\u{200b}b", "\u{2066}a", "a\u{feff}", &long] {
            assert!(reason_fault(Some(reason)).is_some(), "{reason:?}");
        }
    }
}
