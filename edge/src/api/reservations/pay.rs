//! `POST /v1/reservations/{hold_id}/pay`: a buyer pays without a gateway: a free hold, or from the wallet.

use protocol::admin::FieldError;
use protocol::pay::{Method, PayOutcome, PayRequest};
use protocol::proven::Personal;
use serde::{Deserialize, Serialize};

use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{Code, Problem};
use crate::http::response::Response;
use crate::lambda::invoke;
use crate::runtime::limits::INVOKE_DEADLINE_MS;

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ToPay {
    #[cfg_attr(test, schemars(with = "Method"))]
    method: String,
}

/// The response: the order.
#[derive(Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Paid {
    Confirmed { order_id: String },
}

pub async fn pay(context: &mut RequestContext, hold_id: String) -> HandlerResult {
    let user_id = context.user_id()?;
    let ToPay { method } = context.json().await?;
    let pay_with = Method::named(&method).ok_or_else(|| invalid("Pay with `free` or `wallet`."))?;
    let request = PayRequest { trace: context.trace.clone(), user_id, hold_id, pay_with };
    let request = Personal::Pay(request);
    into_response(invoke::call_proven(&context.config, &request, INVOKE_DEADLINE_MS).await?)
}

fn invalid(detail: &str) -> Problem {
    Problem::invalid(vec![FieldError { pointer: "/method".to_owned(), detail: detail.to_owned() }])
}

fn into_response(outcome: PayOutcome) -> HandlerResult {
    Err(match outcome {
        PayOutcome::Confirmed { order_id } => return Ok(Response::json(200, &Paid::Confirmed { order_id })),
        PayOutcome::NotFound => Problem::not_found(),
        PayOutcome::HoldNotActive { hold_status } => {
            Problem::new(Code::HoldNotActive, "The hold has ended; `hold_status` says how. Reserve again.")
                .with("hold_status", serde_json::json!(hold_status))
        }
        PayOutcome::CostsSomething => invalid("The hold costs something: pay its `total_amount` in another way."),
        PayOutcome::InsufficientBalance { balance, required } => {
            Problem::new(Code::InsufficientBalance, "Charge the wallet first, or pay in another way; the hold stays.")
                .with("balance", balance)
                .with("required", required)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::shop::HoldStatus;

    #[test]
    fn outcomes_map_to_the_contracts_responses() {
        let answered = |outcome| {
            let answer = into_response(outcome).unwrap_or_else(Response::from);
            (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
        };
        let confirmed = PayOutcome::Confirmed { order_id: "o".to_owned() };
        assert_eq!(answered(confirmed), (200, r#"{"result":"confirmed","order_id":"o"}"#.to_owned()));
        for (outcome, status, member) in [
            (PayOutcome::NotFound, 404, r#""code":"not_found""#),
            (PayOutcome::HoldNotActive { hold_status: HoldStatus::Expired }, 409, r#""hold_status":"EXPIRED""#),
            (PayOutcome::CostsSomething, 422, r#""pointer":"/method""#),
            (PayOutcome::InsufficientBalance { balance: 0, required: 5 }, 409, r#""balance":0,"required":5"#),
        ] {
            let (found, body) = answered(outcome);
            assert!(found == status && body.contains(member), "{found} {body}");
        }
    }
}
