//! `DELETE /v1/reservations/{hold_id}`: a buyer gives a hold back.

use protocol::release::{ReleaseOutcome, ReleaseRequest};

use crate::answer::Answer;
use crate::call::{Answered, Call};
use crate::gate::forget::forget;
use crate::invoke;
use crate::problem::{Code, Problem};
use crate::reserve::{charged, limits};

pub async fn release(call: &Call, hold_id: String) -> Answered {
    let user_id = call.buyer()?;
    // The same again costs a call each time, though nothing comes of it.
    let charge = charged(call, &user_id).await?;
    let answer = give_back(call, ReleaseRequest { trace: call.trace.clone(), user_id, hold_id }).await;
    let answer = answer.unwrap_or_else(Answer::from);
    Ok(match charge {
        Some(charge) => limits(answer, charge, &call.config),
        None => answer,
    })
}

async fn give_back(call: &Call, request: ReleaseRequest) -> Answered {
    let outcome: ReleaseOutcome = invoke::call(&call.config.lambda, "release", &request).await?;
    // What was given back long ago came back then.
    if let ReleaseOutcome::Released { hold, moved: true } = &outcome {
        forget(call, &hold.sale_id).await;
    }
    tell(outcome)
}

fn tell(outcome: ReleaseOutcome) -> Answered {
    match outcome {
        ReleaseOutcome::NotFound => Err(Problem::not_found()),
        ReleaseOutcome::HoldNotActive { hold_status } => {
            Err(Problem::new(Code::HoldNotActive, "There is nothing left to give back; `hold_status` says why.")
                .with("hold_status", serde_json::json!(hold_status)))
        }
        ReleaseOutcome::Released { hold, .. } => Ok(Answer::json(200, &hold).versioned(hold.version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::shop::{Hold, HoldStatus};

    #[test]
    fn a_hold_is_given_back_once_and_told_so_ever_after() {
        let hold = Hold { status: HoldStatus::Released, ..crate::gate::testing::hold("h") };
        let answer = tell(ReleaseOutcome::Released { hold: Box::new(hold), moved: true }).unwrap_or_else(Answer::from);
        assert_eq!((answer.status, answer.header("ETag")), (200, Some("\"1\"")));
        assert!(String::from_utf8_lossy(&answer.body).contains(r#""status":"RELEASED""#));
    }

    #[test]
    fn what_was_paid_or_has_lapsed_cannot_be_given_back() {
        let answer =
            tell(ReleaseOutcome::HoldNotActive { hold_status: HoldStatus::Committed }).unwrap_or_else(Answer::from);
        assert_eq!(answer.status, 409);
        assert!(String::from_utf8_lossy(&answer.body).contains(r#""hold_status":"COMMITTED""#));
        assert_eq!(tell(ReleaseOutcome::NotFound).unwrap_or_else(Answer::from).status, 404);
    }
}
