//! A buyer's browser returns from a gateway that captures only when the shop says so: the hold is locked, the payment
//! is captured, and the buyer is redirected to the result.

use std::borrow::Cow;

use payments::{ReturnPage, ReturnQuery};
use protocol::confirm::{BuyerPayment, ConfirmOutcome, ConfirmRequest, PaymentHint, Settled};
use protocol::proven::Personal;
use serde::Deserialize;

use crate::api::payments::{buyers, confirm, unsigned};
use crate::auth::{self, address_limit};
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::percent;
use crate::http::problem::{Code, Problem, field_error};
use crate::http::response::Response;
use crate::http::text::is_line;
use crate::lambda::invoke;
use crate::runtime::limits;

/// `GET /v1/payments/{gateway}/return`: where a gateway sends the buyer's browser after paying (`ReturnPage::Redirect`). Its
/// parameters are not trusted: the payment is looked up, and its own amount, order and hold count. Loading it again shows
/// the same result.
pub async fn redirect(context: &RequestContext, gateway: &str) -> HandlerResult {
    let Some(ReturnPage::Redirect(query)) = payments::gateway(gateway).map(|gateway| gateway.return_page) else {
        return Err(Problem::not_found());
    };
    let buyer = match auth::buyer(context) {
        Ok(buyer) => Some(buyer),
        // A buyer over their own limit is still signed in.
        Err(problem) if problem.code == Code::RateLimited => return Err(problem),
        Err(_) => None,
    };
    if buyer.is_none() {
        address_limit::count(context, &address_limit::HINTS).await?;
    }
    let back = comeback(&context.head.url, query)?;
    let _place = match &buyer {
        Some(buyer) => (Some(buyers::place(context, buyer, &back.payment_key).await?), None),
        // Without a session it is worth as much as an unsigned webhook.
        None => {
            unsigned::turn(&back.payment_key).await?;
            (None, Some(unsigned::slot(context).await?))
        }
    };
    let hint = PaymentHint {
        trace: context.trace.clone(),
        gateway: gateway.to_owned(),
        payment_id: back.payment_key.clone(),
        amount_text: Some(back.amount),
        order_ref: Some(back.order_id),
        ..PaymentHint::default()
    };
    match confirm::settle(context, &ConfirmRequest::Hint(hint)).await {
        Ok(settled) => Ok(send_on(&settled, &back.payment_key)),
        // Reloading the page looks the payment up again; so does the sweep.
        Err(problem) => Err(problem),
    }
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ToConfirm {
    payment_id: String,
    payment_token: String,
}

/// `POST /v1/payments/{gateway}/confirm`: what the gateway's browser SDK was given is handed in by the buyer's page
/// (`ReturnPage::Token`).
pub async fn token(context: &mut RequestContext, gateway: &str) -> HandlerResult {
    let user_id = context.user_id()?;
    let ToConfirm { payment_id, payment_token } = context.json().await?;
    let wrong: Vec<_> = [("/payment_id", &payment_id), ("/payment_token", &payment_token)]
        .into_iter()
        .filter(|(_, text)| !is_line(text, limits::PAYMENT_TOKEN_MAX_CHARS))
        .map(|(pointer, _)| field_error(pointer, "Send it as the gateway's SDK gave it."))
        .collect();
    if !wrong.is_empty() {
        return Err(Problem::invalid(wrong));
    }
    let _place = buyers::place(context, &user_id, &payment_id).await?;
    let request = Personal::Payment(BuyerPayment {
        trace: context.trace.clone(),
        user_id,
        gateway: gateway.to_owned(),
        payment_id,
        token: payment_token,
    });
    let settled = invoke::call_proven(&context.config, &request, limits::GATEWAY_DEADLINE_MS).await?;
    match confirm::checked(settled)?.outcome {
        ConfirmOutcome::Rejected { reason } => Err(confirm::rejected(reason)),
        outcome => Ok(confirm::outcome_response(&outcome)),
    }
}

#[derive(Debug, PartialEq)]
struct Comeback {
    payment_key: String,
    order_id: String,
    /// As the gateway writes it: Toss in whole won, in dollars and cents.
    amount: String,
}

fn comeback(url: &str, query: ReturnQuery) -> Result<Comeback, Problem> {
    let key = |key: &Cow<str>| {
        (1..=200).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let payment_key = percent::given(url, query.payment_id).filter(key);
    // Toss's rule for it is 6 to 64 of these, and `=`; it is only ever compared.
    let order_id = percent::given(url, query.order_ref).filter(|id| is_line(id, limits::GATEWAY_TEXT_MAX_CHARS));
    // The currency is known from the payment only.
    let digits = |text: &str| (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let amount = percent::given(url, query.amount).filter(|amount| match amount.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(amount),
    });
    match (payment_key, order_id, amount) {
        (Some(payment_key), Some(order_id), Some(amount)) => {
            let amount = amount.into_owned();
            Ok(Comeback { payment_key: payment_key.into_owned(), order_id: order_id.into_owned(), amount })
        }
        _ => {
            let ReturnQuery { payment_id, order_ref, amount } = query;
            Err(Problem::malformed(format!(
                "Come back with the `{payment_id}`, `{order_ref}` and `{amount}` that the payment window added."
            )))
        }
    }
}

/// For the fuzzer: whatever is let through is a key that is one segment of a path, and an amount that is digits.
#[cfg(any(test, feature = "fuzz"))]
pub fn assert_comeback(url: &str) {
    for gateway in payments::GATEWAYS {
        let ReturnPage::Redirect(query) = gateway.return_page else { continue };
        let Ok(Comeback { payment_key, amount, .. }) = comeback(url, query) else { continue };
        assert!(payment_key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert!(amount.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && amount.len() <= 33);
    }
}

/// Redirects to the hold's own page, which shows the order, the refund or the time that is left; never to another site.
fn send_on(settled: &Settled, payment_key: &str) -> Response {
    let result = match settled.outcome {
        ConfirmOutcome::Confirmed { .. } | ConfirmOutcome::RefundRequired { .. } | ConfirmOutcome::ReadyToCapture => {
            "paid"
        }
        // For example a bank account to transfer to: the page shows it.
        ConfirmOutcome::Pending => "pending",
        ConfirmOutcome::Rejected { .. }
        | ConfirmOutcome::Parked
        | ConfirmOutcome::Recorded
        | ConfirmOutcome::Ignored
        | ConfirmOutcome::Unproven
        | ConfirmOutcome::NotFound
        | ConfirmOutcome::Unreachable => "declined",
    };
    let location = settled.hold.as_ref().map_or_else(
        || "/".to_owned(),
        |hold| format!("/sales/{}?hold_id={}&payment_id={payment_key}&result={result}", hold.sale_id, hold.hold_id),
    );
    Response::empty(303).with("Location", location)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::confirm::{HoldOf, RejectionReason};

    #[test]
    fn a_return_needs_its_key_and_its_amount() {
        let toss = ReturnQuery { payment_id: "paymentKey", order_ref: "orderId", amount: "amount" };
        let back = |query: &str| comeback(&format!("http://edge/v1/payments/toss/return{query}"), toss);
        let good = back("?paymentType=NORMAL&orderId=o&paymentKey=5zJ4xY7m0kODnyRpQWGrN_2-x&amount=15000#a");
        let payment_key = "5zJ4xY7m0kODnyRpQWGrN_2-x".to_owned();
        let came = |amount: &str| {
            Ok(Comeback { payment_key: payment_key.clone(), order_id: "o".to_owned(), amount: amount.to_owned() })
        };
        assert_eq!(good, came("15000"));
        assert_eq!(back(&format!("?orderId=o&paymentKey={payment_key}&amount=10.50")), came("10.50"));
        for bad in [
            "",
            "?paymentKey=a&orderId=o",
            "?paymentKey=a&amount=1",
            "?orderId=o&amount=1",
            "?paymentKey=&orderId=o&amount=1",
            "?paymentKey=a&orderId=&amount=1",
            "?paymentKey=a%2Fb&orderId=o&amount=1",
            "?paymentKey=a&orderId=o&amount=-1",
            "?paymentKey=a&orderId=o&amount=1.",
            "?paymentKey=a&orderId=o&amount=1e3",
            "?paymentKey=../x&orderId=o&amount=1",
        ] {
            assert!(back(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_buyer_is_sent_to_the_holds_own_page() {
        let hold = Some(HoldOf { hold_id: "h".to_owned(), sale_id: "s".to_owned() });
        let to = |outcome, hold| send_on(&Settled { outcome, hold }, "k").header("Location").map(str::to_owned);
        let confirmed = ConfirmOutcome::Confirmed { order_id: "o".to_owned() };
        assert_eq!(to(confirmed, hold.clone()).as_deref(), Some("/sales/s?hold_id=h&payment_id=k&result=paid"));
        let rejected = ConfirmOutcome::Rejected { reason: RejectionReason::HoldExpired };
        let pending = to(ConfirmOutcome::Pending, hold.clone());
        assert_eq!(pending.as_deref(), Some("/sales/s?hold_id=h&payment_id=k&result=pending"));
        assert_eq!(to(rejected, hold).as_deref(), Some("/sales/s?hold_id=h&payment_id=k&result=declined"));
        assert_eq!(to(ConfirmOutcome::Ignored, None).as_deref(), Some("/"));
    }
}
