//! `DELETE /v1/reservations/{hold_id}`: a buyer releases a hold.

use protocol::release::{GiveBack, ReleaseOutcome, ReleaseRequest};

use crate::gate::forget::forget;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{Code, Problem};
use crate::http::response::Response;
use crate::lambda::invoke;

pub async fn release(context: &RequestContext, hold_id: String) -> HandlerResult {
    let user_id = context.user_id()?;
    let request = GiveBack::Hold(ReleaseRequest { trace: context.trace.clone(), user_id, hold_id });
    let outcome: ReleaseOutcome = invoke::call(&context.config.lambda, "release", &request).await?;
    // A hold that was released before returned its stock then.
    if let ReleaseOutcome::Released { hold, moved: true } = &outcome {
        forget(context, &hold.sale_id).await;
    }
    into_response(outcome)
}

fn into_response(outcome: ReleaseOutcome) -> HandlerResult {
    match outcome {
        ReleaseOutcome::NotFound => Err(Problem::not_found()),
        ReleaseOutcome::HoldNotActive { hold_status } => {
            Err(Problem::new(Code::HoldNotActive, "There is nothing left to give back; `hold_status` says why.")
                .with("hold_status", serde_json::json!(hold_status)))
        }
        ReleaseOutcome::Released { hold, .. } => Ok(Response::json(200, &hold).versioned(hold.version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::shop::{Hold, HoldStatus};

    #[test]
    fn a_released_hold_is_answered_as_released_every_time() {
        let hold = Hold { status: HoldStatus::Released, ..crate::gate::testing::hold("h") };
        let answer = into_response(ReleaseOutcome::Released { hold: Box::new(hold), moved: true })
            .unwrap_or_else(Response::from);
        assert_eq!((answer.status, answer.header("ETag")), (200, Some("\"1\"")));
        assert!(String::from_utf8_lossy(&answer.body).contains(r#""status":"RELEASED""#));
    }

    #[test]
    fn a_paid_or_lapsed_hold_cannot_be_released() {
        let answer = into_response(ReleaseOutcome::HoldNotActive { hold_status: HoldStatus::Committed })
            .unwrap_or_else(Response::from);
        assert_eq!(answer.status, 409);
        assert!(String::from_utf8_lossy(&answer.body).contains(r#""hold_status":"COMMITTED""#));
        assert_eq!(into_response(ReleaseOutcome::NotFound).unwrap_or_else(Response::from).status, 404);
    }
}
