//! `GET /v1/reservations/{hold_id}` and `/v1/orders/{order_id}`: for a client that has lost a response.

use protocol::lookup::{LookupOutcome, LookupRequest, Question};

use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::Problem;
use crate::http::query::{Bare, query};
use crate::http::response::Response;
use crate::http::text::uuid;
use crate::lambda::invoke;
use crate::runtime::limits;

query! {
    /// With `hold_id` alone the one order of that hold, without it the list.
    pub struct OrdersQuery { hold_id, sale_id, cursor, limit }
}

pub async fn hold(context: &RequestContext, hold_id: String) -> HandlerResult {
    let user_id = context.user_id()?;
    into_response(ask(context, Question::Hold { user_id, hold_id }).await?)
}

pub async fn order(context: &RequestContext, order_id: String) -> HandlerResult {
    let user_id = context.user_id()?;
    into_response(ask(context, Question::Order { user_id, order_id }).await?)
}

pub async fn order_of_hold(context: &RequestContext, user_id: String, hold_id: String) -> HandlerResult {
    into_response(ask(context, Question::OrderOfHold { user_id, hold_id }).await?)
}

/// # Errors
/// `unavailable`: the function did not answer.
pub async fn ask(context: &RequestContext, question: Question) -> Result<LookupOutcome, Problem> {
    ask_within(context, question, limits::INVOKE_DEADLINE_MS).await
}

/// The same with another deadline, for a caller that has a fallback.
///
/// # Errors
/// `unavailable`: the function did not answer, or not in time.
pub async fn ask_within(
    context: &RequestContext,
    question: Question,
    within_ms: u64,
) -> Result<LookupOutcome, Problem> {
    let request = LookupRequest { trace: context.trace.clone(), question };
    Ok(invoke::call_within(&context.config.lambda, "lookup", &request, within_ms).await?)
}

/// The hold whose order is requested. None: the list is requested.
///
/// # Errors
/// `malformed_request`: a hold has one order, of which there are no pages; `not_found`: it can be no hold.
pub fn hold_of(url: &str) -> Result<Option<String>, Problem> {
    let Some(given) = OrdersQuery::read(url, Bare::LeftOut).hold_id else { return Ok(None) };
    let OrdersQuery { sale_id, cursor, limit, .. } = OrdersQuery::read(url, Bare::Empty);
    if sale_id.or(cursor).or(limit).is_some() {
        return Err(Problem::malformed("Ask with `hold_id` alone for one order, or without it for the list."));
    }
    uuid(&given).map(Some).ok_or_else(Problem::not_found)
}

fn into_response(outcome: LookupOutcome) -> HandlerResult {
    match outcome {
        LookupOutcome::NotFound => Err(Problem::not_found()),
        LookupOutcome::Hold { hold } => Ok(Response::json(200, &hold).versioned(hold.version)),
        LookupOutcome::Order { order } => Ok(Response::json(200, &order).versioned(order.version)),
        LookupOutcome::Holds { .. }
        | LookupOutcome::Orders { .. }
        | LookupOutcome::Sale { .. }
        | LookupOutcome::Sales { .. }
        | LookupOutcome::SkuRanking { .. }
        | LookupOutcome::SaleRanking { .. }
        | LookupOutcome::Holders { .. } => Err(Problem::unavailable().because("lookup answered another question")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_query_takes_the_hold_id_only() {
        let id = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";
        let of = |query: &str| {
            hold_of(&format!("http://edge/v1/orders{query}")).map_err(|problem| Response::from(problem).status)
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
    fn an_unknown_or_foreign_hold_is_not_found() {
        assert_eq!(into_response(LookupOutcome::NotFound).unwrap_or_else(Response::from).status, 404);
        let hold = crate::gate::testing::hold("h");
        let answer = into_response(LookupOutcome::Hold { hold }).unwrap_or_else(Response::from);
        assert_eq!((answer.status, answer.header("ETag")), (200, Some("\"1\"")));
        assert_eq!(
            into_response(LookupOutcome::Sales { sales: Vec::new() }).unwrap_or_else(Response::from).status,
            503
        );
    }
}
