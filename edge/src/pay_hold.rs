//! `POST /v1/reservations/{hold_id}/pay`: a buyer pays without a gateway, what costs nothing or from a wallet.

use protocol::admin::FieldError;
use protocol::pay::{Method, PayOutcome, PayRequest};
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::call::{Answered, Call};
use crate::invoke;
use crate::problem::{Code, Problem};
use crate::reserve::{charged, limits};

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ToPay {
    #[cfg_attr(test, schemars(with = "Method"))]
    method: String,
}

/// The answer: the order it became.
#[derive(Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Paid {
    Confirmed { order_id: String },
}

pub async fn pay(call: &mut Call, hold_id: String) -> Answered {
    let user_id = call.buyer()?;
    // The limit comes before the body in the order of refusals, so a faulty request is counted too.
    let charge = charged(call, &user_id).await?;
    let answer = paid(call, user_id, hold_id).await.unwrap_or_else(Answer::from);
    Ok(match charge {
        Some(charge) => limits(answer, charge, &call.config),
        None => answer,
    })
}

async fn paid(call: &mut Call, user_id: String, hold_id: String) -> Answered {
    let ToPay { method } = call.json().await?;
    let pay_with = Method::named(&method).ok_or_else(|| invalid("Pay with `free` or `wallet`."))?;
    let request = PayRequest { trace: call.trace.clone(), user_id, hold_id, pay_with };
    tell(invoke::call(&call.config.lambda, "confirm", &request).await?)
}

fn invalid(detail: &str) -> Problem {
    Problem::invalid(vec![FieldError { pointer: "/method".to_owned(), detail: detail.to_owned() }])
}

fn tell(outcome: PayOutcome) -> Answered {
    Err(match outcome {
        PayOutcome::Confirmed { order_id } => return Ok(Answer::json(200, &Paid::Confirmed { order_id })),
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
    fn outcomes_become_the_contracts_answers() {
        let told = |outcome| {
            let answer = tell(outcome).unwrap_or_else(Answer::from);
            (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
        };
        let confirmed = PayOutcome::Confirmed { order_id: "o".to_owned() };
        assert_eq!(told(confirmed), (200, r#"{"result":"confirmed","order_id":"o"}"#.to_owned()));
        for (outcome, status, member) in [
            (PayOutcome::NotFound, 404, r#""code":"not_found""#),
            (PayOutcome::HoldNotActive { hold_status: HoldStatus::Expired }, 409, r#""hold_status":"EXPIRED""#),
            (PayOutcome::CostsSomething, 422, r#""pointer":"/method""#),
            (PayOutcome::InsufficientBalance { balance: 0, required: 5 }, 409, r#""balance":0,"required":5"#),
        ] {
            let (found, body) = told(outcome);
            assert!(found == status && body.contains(member), "{found} {body}");
        }
    }
}
