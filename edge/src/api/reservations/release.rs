//! `DELETE /v1/reservations/{hold_id}`: a buyer gives a hold back.

use protocol::release::{Outcome, Request};

use crate::api::reservations::reserve::{charged, limits};
use crate::auth;
use crate::gate::forget::forget;
use crate::http::context::{Answered, Call};
use crate::http::problem::{Code, Problem};
use crate::http::response::Answer;
use crate::lambda::invoke;

pub async fn release(call: &Call, hold_id: String) -> Answered {
    let user_id = auth::buyer(call)?;
    // The same again costs a call each time, though nothing comes of it.
    let charge = charged(call, &user_id).await?;
    let answer = give_back(call, Request { trace: call.trace.clone(), user_id, hold_id }).await;
    let answer = answer.unwrap_or_else(Answer::from);
    Ok(match charge {
        Some(charge) => limits(answer, charge, &call.config),
        None => answer,
    })
}

async fn give_back(call: &Call, request: Request) -> Answered {
    let outcome: Outcome = invoke::call(&call.config.lambda, "release", &request).await?;
    // What was given back long ago came back then.
    if let Outcome::Released { hold, moved: true } = &outcome {
        forget(call, &hold.sale_id).await;
    }
    tell(outcome)
}

fn tell(outcome: Outcome) -> Answered {
    match outcome {
        Outcome::NotFound => Err(Problem::not_found()),
        Outcome::HoldNotActive { hold_status } => {
            Err(Problem::new(Code::HoldNotActive, "There is nothing left to give back; `hold_status` says why.")
                .with("hold_status", serde_json::json!(hold_status)))
        }
        Outcome::Released { hold, .. } => Ok(Answer::json(200, &hold).versioned(hold.version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::shop::{Hold, HoldStatus};

    #[test]
    fn a_hold_is_given_back_once_and_told_so_ever_after() {
        let hold = Hold { status: HoldStatus::Released, ..crate::gate::testing::hold("h") };
        let answer = tell(Outcome::Released { hold: Box::new(hold), moved: true }).unwrap_or_else(Answer::from);
        assert_eq!((answer.status, answer.header("ETag")), (200, Some("\"1\"")));
        assert!(String::from_utf8_lossy(&answer.body).contains(r#""status":"RELEASED""#));
    }

    #[test]
    fn what_was_paid_or_has_lapsed_cannot_be_given_back() {
        let answer = tell(Outcome::HoldNotActive { hold_status: HoldStatus::Committed }).unwrap_or_else(Answer::from);
        assert_eq!(answer.status, 409);
        assert!(String::from_utf8_lossy(&answer.body).contains(r#""hold_status":"COMMITTED""#));
        assert_eq!(tell(Outcome::NotFound).unwrap_or_else(Answer::from).status, 404);
    }
}
