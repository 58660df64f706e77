//! What a buyer asks when an answer was lost: the hold, the order.

use protocol::lookup::{LookupOutcome, LookupRequest, Question};

use crate::answer::Answer;
use crate::call::{Answered, Call};
use crate::problem::Problem;
use crate::text::uuid;
use crate::{bounds, invoke, percent};

pub async fn hold(call: &Call, hold_id: String) -> Answered {
    let user_id = call.buyer()?;
    tell(ask(call, Question::Hold { user_id, hold_id }).await?)
}

pub async fn order(call: &Call, order_id: String) -> Answered {
    let user_id = call.buyer()?;
    tell(ask(call, Question::Order { user_id, order_id }).await?)
}

pub async fn order_of_hold(call: &Call, user_id: String, hold_id: String) -> Answered {
    tell(ask(call, Question::OrderOfHold { user_id, hold_id }).await?)
}

/// # Errors
/// `unavailable`: nobody could look.
pub async fn ask(call: &Call, question: Question) -> Result<LookupOutcome, Problem> {
    ask_within(call, question, bounds::INVOKE_DEADLINE_MS).await
}

/// The same for whoever has something to show otherwise.
///
/// # Errors
/// `unavailable`: nobody could look, or not in time.
pub async fn ask_within(call: &Call, question: Question, within_ms: u64) -> Result<LookupOutcome, Problem> {
    let request = LookupRequest { trace: call.trace.clone(), question };
    Ok(invoke::call_within(&call.config.lambda, "lookup", &request, within_ms).await?)
}

/// The hold whose order is asked for; none: the list is.
///
/// # Errors
/// `malformed_request`: a hold has one order, of which there are no pages; `not_found`: it can be no hold.
pub fn hold_of(url: &str) -> Result<Option<String>, Problem> {
    let Some(given) = percent::given(url, "hold_id") else { return Ok(None) };
    if percent::query(url).any(|(name, _)| ["sale_id", "cursor", "limit"].contains(&name.as_ref())) {
        return Err(Problem::malformed("Ask with `hold_id` alone for one order, or without it for the list."));
    }
    uuid(&given).map(Some).ok_or_else(Problem::not_found)
}

fn tell(outcome: LookupOutcome) -> Answered {
    match outcome {
        LookupOutcome::NotFound => Err(Problem::not_found()),
        LookupOutcome::Hold { hold } => Ok(Answer::json(200, &hold).versioned(hold.version)),
        LookupOutcome::Order { order } => Ok(Answer::json(200, &order).versioned(order.version)),
        LookupOutcome::Holds { .. }
        | LookupOutcome::Orders { .. }
        | LookupOutcome::Sale { .. }
        | LookupOutcome::Sales { .. }
        | LookupOutcome::Holders { .. } => Err(Problem::unavailable().because("lookup answered another question")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_order_is_asked_for_by_its_hold_and_nothing_else() {
        let id = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";
        let of = |query: &str| {
            hold_of(&format!("http://edge/v1/orders{query}")).map_err(|problem| Answer::from(problem).status)
        };
        assert_eq!(of(&format!("?hold_id={id}#c")), Ok(Some(id.to_owned())));
        assert_eq!(of(&format!("?hold%5Fid={}", id.replace('-', "%2D"))), Ok(Some(id.to_owned())));
        for list in ["", "?", "?sale_id=drop", "#?hold_id=x"] {
            assert_eq!(of(list), Ok(None), "{list}");
        }
        for both in ["sale_id=drop", "limit=1", "cursor=x", "sale_id="] {
            assert_eq!(of(&format!("?hold_id={id}&{both}")), Err(400), "{both}");
        }
        for none in ["?hold_id=", "?hold_id=1", "?hold_id=%30", &format!("?hold_id={}", id.replace('-', "%252D"))] {
            assert_eq!(of(none), Err(404), "{none}");
        }
    }

    #[test]
    fn what_is_not_this_callers_is_not_there() {
        assert_eq!(tell(LookupOutcome::NotFound).unwrap_or_else(Answer::from).status, 404);
        let hold = crate::gate::testing::hold("h");
        let answer = tell(LookupOutcome::Hold { hold }).unwrap_or_else(Answer::from);
        assert_eq!((answer.status, answer.header("ETag")), (200, Some("\"1\"")));
        assert_eq!(tell(LookupOutcome::Sales { sales: Vec::new() }).unwrap_or_else(Answer::from).status, 503);
    }
}
