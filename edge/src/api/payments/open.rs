//! A payment page is about to be opened, which gives it a reference so that its payment is found without a webhook; and
//! the account that a deposit is refunded to.

use protocol::confirm::ConfirmRequest;
use protocol::opening::{self, OpenPaymentOutcome};
use protocol::proven::Personal;
use protocol::refund::{AccountOutcome, RefundAccount, RefundSelector, RefundTo};
use serde::{Deserialize, Serialize};

use crate::api::payments::buyers;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{Code, Problem, field_error};
use crate::http::response::Response;
use crate::http::text::is_line;
use crate::lambda::invoke;
use crate::runtime::limits;

/// The body of `POST /v1/reservations/{hold_id}/payments`.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ToOpen {
    /// One of the configured gateways; default: the first of them.
    #[serde(default)]
    gateway: Option<String>,
}

/// What the payment page is opened with.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Opened {
    gateway: String,
    /// `paymentId` at PortOne, `orderId` at Toss; other gateways need only the hold's id in the metadata.
    payment_id: String,
}

/// The status of a refund that waited for an account.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tried {
    /// `completed`; `pending`: accepted by the gateway; `failed`: the gateway does not pay to that account.
    status: String,
    /// The gateway's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// `POST /v1/reservations/{hold_id}/payments`: the same reference again as long as the page has led to no payment.
pub async fn open(context: &mut RequestContext, hold_id: String) -> HandlerResult {
    let user_id = context.user_id()?;
    let ToOpen { gateway } = context.json().await?;
    let gateway = gateway.or_else(|| context.config.gateways().next().map(str::to_owned)).unwrap_or_default();
    if context.config.webhook_secrets(&gateway).is_none() {
        return Err(Problem::invalid(vec![field_error("/gateway", "Name a gateway that this shop uses.")]));
    }
    let request =
        opening::OpenPaymentRequest { trace: context.trace.clone(), user_id, hold_id, opening_at: gateway.clone() };
    let outcome = invoke::call(&context.config.lambda, "confirm", &ConfirmRequest::Open(request)).await?;
    match outcome {
        OpenPaymentOutcome::NotFound => Err(Problem::not_found()),
        OpenPaymentOutcome::HoldNotActive { hold_status } => {
            Err(Problem::new(Code::HoldNotActive, "There is nothing left to pay for; `hold_status` says why.")
                .with("hold_status", hold_status))
        }
        OpenPaymentOutcome::Opened { payment_id } => Ok(Response::json(200, &Opened { gateway, payment_id })),
    }
}

/// `POST /v1/reservations/{hold_id}/refund-account`.
pub async fn refund_account(context: &mut RequestContext, hold_id: String) -> HandlerResult {
    let user_id = context.user_id()?;
    let refund_account: RefundAccount = context.json().await?;
    // What is refused below takes no place.
    let _place = match field_errors(&refund_account).next() {
        None => Some(buyers::place(context, &user_id, &hold_id).await?),
        Some(_) => None,
    };
    refund_to(context, RefundSelector::OfHold { user_id, hold_id }, refund_account).await
}

/// Sends the account on to the gateway. It is not stored.
///
/// # Errors
/// `invalid_request`, `not_found`, `request_in_progress`, `unavailable`.
pub async fn refund_to(
    context: &RequestContext,
    which: RefundSelector,
    refund_account: RefundAccount,
) -> HandlerResult {
    let errors: Vec<_> = field_errors(&refund_account).collect();
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let request = Personal::RefundTo(RefundTo { trace: context.trace.clone(), which, refund_account });
    let outcome = invoke::call_proven(&context.config, &request, limits::GATEWAY_DEADLINE_MS).await?;
    match outcome {
        AccountOutcome::NotFound => {
            Err(Problem::new(Code::NotFound, "No refund of yours waits for an account to go to."))
        }
        AccountOutcome::InProgress => {
            Err(Problem::new(Code::RequestInProgress, "The refund is being tried; ask again in a moment.")
                .header("Retry-After", "5"))
        }
        AccountOutcome::Tried { status, failure } => Ok(Response::json(200, &Tried { status, failure })),
    }
}

fn field_errors(account: &RefundAccount) -> impl Iterator<Item = protocol::admin::FieldError> {
    let RefundAccount { bank, number, holder } = account;
    let number_like = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    [
        (is_line(bank, limits::ACCOUNT_TEXT_MAX_CHARS), "/bank", "Name the bank as the gateway does."),
        (is_line(number, limits::ACCOUNT_TEXT_MAX_CHARS) && number_like(number), "/number", "Use digits and hyphens."),
        (is_line(holder, limits::ACCOUNT_TEXT_MAX_CHARS), "/holder", "Say whose account it is."),
    ]
    .into_iter()
    .filter(|(holds, ..)| !holds)
    .map(|(_, pointer, detail)| field_error(pointer, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_a_bank_a_number_and_a_holder_and_is_never_printed() {
        let account = |bank: &str, number: &str, holder: &str| RefundAccount {
            bank: bank.to_owned(),
            number: number.to_owned(),
            holder: holder.to_owned(),
        };
        let pointers = |account: &RefundAccount| field_errors(account).map(|error| error.pointer).collect::<Vec<_>>();
        let good = account("88", "110-123-456789", "홍길동");
        assert_eq!(pointers(&good), [""; 0]);
        assert_eq!(pointers(&account("", "12a", "\u{0}")), ["/bank", "/number", "/holder"]);
        assert!(!format!("{good:?}").contains("110-123"));
    }
}
