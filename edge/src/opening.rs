//! What a buyer does beside paying: says that a payment page is about to be opened, so that nobody has to tell what came of
//! it, and names the account that a deposit goes back to.

use protocol::confirm::ConfirmRequest;
use protocol::opening::{self, OpenPaymentOutcome};
use protocol::refund::{AccountOutcome, RefundAccount, RefundSelector, RefundTo};
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::call::{Answered, Call};
use crate::problem::{Code, Problem};
use crate::text::is_line;
use crate::{bounds, invoke};

/// The body of `POST /v1/reservations/{hold_id}/payments`.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ToOpen {
    /// Whose page it is: one of those that are configured, the first of them unless it says so.
    #[serde(default)]
    gateway: Option<String>,
}

/// What the page is to be opened with.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Opened {
    gateway: String,
    /// `paymentId` at PortOne, `orderId` at Toss; elsewhere the hold's id in the metadata is enough.
    payment_id: String,
}

/// What became of a refund that waited for an account.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tried {
    /// `completed`; `pending`: the gateway has taken it on; `failed`: it will not pay to that account.
    status: String,
    /// What the gateway said.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// `POST /v1/reservations/{hold_id}/payments`: the same reference again as long as the page has led to no payment.
pub async fn open(call: &mut Call, hold_id: String) -> Answered {
    let user_id = call.buyer()?;
    let ToOpen { gateway } = call.json().await?;
    let gateway = gateway.or_else(|| call.config.gateways().next().map(str::to_owned)).unwrap_or_default();
    if call.config.webhook_secrets(&gateway).is_none() {
        return Err(Problem::invalid(vec![crate::operate::fault("/gateway", "Name a gateway that this shop uses.")]));
    }
    let request =
        opening::OpenPaymentRequest { trace: call.trace.clone(), user_id, hold_id, opening_at: gateway.clone() };
    let outcome = invoke::call(&call.config.lambda, "confirm", &ConfirmRequest::Open(request)).await?;
    match outcome {
        OpenPaymentOutcome::NotFound => Err(Problem::not_found()),
        OpenPaymentOutcome::HoldNotActive { hold_status } => {
            Err(Problem::new(Code::HoldNotActive, "There is nothing left to pay for; `hold_status` says why.")
                .with("hold_status", hold_status))
        }
        OpenPaymentOutcome::Opened { payment_id } => Ok(Answer::json(200, &Opened { gateway, payment_id })),
    }
}

/// `POST /v1/reservations/{hold_id}/refund-account`.
pub async fn refund_account(call: &mut Call, hold_id: String) -> Answered {
    let user_id = call.buyer()?;
    let refund_account: RefundAccount = call.json().await?;
    refund_to(call, RefundSelector::OfHold { user_id, hold_id }, refund_account).await
}

/// The account goes through to the gateway; nothing here keeps it.
///
/// # Errors
/// `invalid_request`, `not_found`, `request_in_progress`, `unavailable`.
pub async fn refund_to(call: &Call, which: RefundSelector, refund_account: RefundAccount) -> Answered {
    let faults: Vec<_> = faults(&refund_account).collect();
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let request = ConfirmRequest::RefundTo(RefundTo { trace: call.trace.clone(), which, refund_account });
    let outcome = invoke::call_within(&call.config.lambda, "confirm", &request, bounds::GATEWAY_DEADLINE_MS).await?;
    match outcome {
        AccountOutcome::NotFound => {
            Err(Problem::new(Code::NotFound, "No refund of yours waits for an account to go to."))
        }
        AccountOutcome::InProgress => {
            Err(Problem::new(Code::RequestInProgress, "The refund is being tried; ask again in a moment.")
                .header("Retry-After", "5"))
        }
        AccountOutcome::Tried { status, failure } => Ok(Answer::json(200, &Tried { status, failure })),
    }
}

fn faults(account: &RefundAccount) -> impl Iterator<Item = protocol::admin::FieldError> {
    let RefundAccount { bank, number, holder } = account;
    let number_like = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    [
        (is_line(bank, bounds::ACCOUNT_TEXT_MAX_CHARS), "/bank", "Name the bank as the gateway does."),
        (is_line(number, bounds::ACCOUNT_TEXT_MAX_CHARS) && number_like(number), "/number", "Use digits and hyphens."),
        (is_line(holder, bounds::ACCOUNT_TEXT_MAX_CHARS), "/holder", "Say whose account it is."),
    ]
    .into_iter()
    .filter(|(holds, ..)| !holds)
    .map(|(_, pointer, detail)| crate::operate::fault(pointer, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_a_bank_a_number_and_a_holder_and_is_shown_nowhere() {
        let account = |bank: &str, number: &str, holder: &str| RefundAccount {
            bank: bank.to_owned(),
            number: number.to_owned(),
            holder: holder.to_owned(),
        };
        let pointers = |account: &RefundAccount| faults(account).map(|fault| fault.pointer).collect::<Vec<_>>();
        let good = account("88", "110-123-456789", "홍길동");
        assert_eq!(pointers(&good), [""; 0]);
        assert_eq!(pointers(&account("", "12a", "\u{0}")), ["/bank", "/number", "/holder"]);
        assert!(!format!("{good:?}").contains("110-123"));
    }
}
