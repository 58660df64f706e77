//! `POST /v1/orders/{order_id}/cancel`: a buyer cancels an order, where its sale lets them.

use protocol::orders::{CancelOutcome, CancelRequest};
use protocol::payments::Cancellation;
use protocol::release::GiveBack;

use crate::api::admin::deliveries::reason_error;
use crate::gate::forget::forget;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{Code, Problem};
use crate::http::response::Response;
use crate::lambda::invoke;

pub async fn cancel(context: &mut RequestContext, order_id: String) -> HandlerResult {
    let user_id = context.user_id()?;
    let Cancellation { reason } = context.json_if_any().await?;
    if let Some(error) = reason_error(reason.as_deref()) {
        return Err(Problem::invalid(vec![error]));
    }
    let request = GiveBack::Order(CancelRequest { trace: context.trace.clone(), user_id, order_id, reason });
    let outcome: CancelOutcome = invoke::call(&context.config.lambda, "release", &request).await?;
    // An order that was cancelled before returned its stock then.
    if let CancelOutcome::Cancelled { order, moved: true } = &outcome {
        forget(context, &order.sale_id).await;
    }
    into_response(outcome)
}

fn into_response(outcome: CancelOutcome) -> HandlerResult {
    Err(match outcome {
        CancelOutcome::NotFound => Problem::not_found(),
        CancelOutcome::NotForBuyers => {
            Problem::new(Code::Forbidden, "Ask the seller: buyers of this sale do not cancel their orders themselves.")
        }
        CancelOutcome::TransitionNotAllowed { order_status } => {
            Problem::new(Code::TransitionNotAllowed, "It is too late to cancel; `order_status` says why.")
                .with("order_status", order_status.name())
        }
        CancelOutcome::Cancelled { order, .. } => return Ok(Response::json(200, &order).versioned(order.version)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::shop::OrderStatus;

    #[test]
    fn outcomes_map_to_the_contracts_responses() {
        let answered = |outcome| {
            let answer = into_response(outcome).unwrap_or_else(Response::from);
            (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
        };
        for (outcome, status, member) in [
            (CancelOutcome::NotFound, 404, r#""code":"not_found""#),
            (CancelOutcome::NotForBuyers, 403, r#""code":"forbidden""#),
            (
                CancelOutcome::TransitionNotAllowed { order_status: OrderStatus::Shipped },
                409,
                r#""code":"transition_not_allowed","order_status":"SHIPPED""#,
            ),
        ] {
            let (found, body) = answered(outcome);
            assert!(found == status && body.contains(member), "{found} {body}");
        }
    }
}
