//! What a buyer asks when an answer was lost: the hold, the order.

use wire::admin::Fault;
use wire::lookup::{Outcome, Question, Request};

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

pub async fn order_of_hold(call: &Call) -> Answered {
    let user_id = call.buyer()?;
    let hold_id = hold_of(&call.head.url)?;
    tell(ask(call, Question::OrderOfHold { user_id, hold_id }).await?)
}

/// # Errors
/// `unavailable`: nobody could look.
pub async fn ask(call: &Call, question: Question) -> Result<Outcome, Problem> {
    ask_within(call, question, bounds::INVOKE_DEADLINE_MS).await
}

/// The same for whoever has something to show otherwise.
///
/// # Errors
/// `unavailable`: nobody could look, or not in time.
pub async fn ask_within(call: &Call, question: Question, within_ms: u64) -> Result<Outcome, Problem> {
    let request = Request { trace: call.trace.clone(), question };
    Ok(invoke::call_within(&call.config.lambda, "lookup", &request, within_ms).await?)
}

pub fn hold_of(url: &str) -> Result<String, Problem> {
    let Some(given) = percent::given(url, "hold_id") else {
        let detail = "Add `?hold_id=…` to the address.".to_owned();
        return Err(Problem::invalid(vec![Fault { pointer: "/hold_id".to_owned(), detail }]));
    };
    uuid(&given).ok_or_else(Problem::not_found)
}

fn tell(outcome: Outcome) -> Answered {
    match outcome {
        Outcome::NotFound => Err(Problem::not_found()),
        Outcome::Hold { hold } => Ok(Answer::json(200, &hold)),
        Outcome::Order { order } => Ok(Answer::json(200, &order)),
        Outcome::Sale { .. } | Outcome::Sales { .. } | Outcome::Holders { .. } => {
            Err(Problem::unavailable().because("lookup answered another question"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_a_hold_needs_the_hold() {
        let id = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";
        let of = |query: &str| {
            hold_of(&format!("http://edge/v1/orders{query}")).map_err(|problem| Answer::from(problem).status)
        };
        assert_eq!(of(&format!("?a=b&hold_id={id}#c")), Ok(id.to_owned()));
        assert_eq!(of(&format!("?hold%5Fid={}", id.replace('-', "%2D"))), Ok(id.to_owned()));
        for missing in ["", "?", "?hold=x", "#?hold_id=x", "?hold_id"] {
            assert_eq!(of(missing), Err(422), "{missing}");
        }
        for none in ["?hold_id=", "?hold_id=1", "?hold_id=%30", &format!("?hold_id={}", id.replace('-', "%252D"))] {
            assert_eq!(of(none), Err(404), "{none}");
        }
    }

    #[test]
    fn what_is_not_this_callers_is_not_there() {
        assert_eq!(tell(Outcome::NotFound).unwrap_or_else(Answer::from).status, 404);
        let hold = crate::gate::testing::hold("h");
        assert_eq!(tell(Outcome::Hold { hold }).unwrap_or_else(Answer::from).status, 200);
        assert_eq!(tell(Outcome::Sales { sales: Vec::new() }).unwrap_or_else(Answer::from).status, 503);
    }
}
