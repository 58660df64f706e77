//! A buyer's browser comes back from paying at a gateway that takes the money only on the shop's word: the hold is
//! secured, the money is taken, and the buyer is sent to what came of it.

use std::borrow::Cow;

use protocol::confirm::{ConfirmOutcome, ConfirmRequest, PaymentHint, Settled};
use serde::Deserialize;

use crate::answer::Answer;
use crate::call::{Answered, Call};
use crate::problem::Problem;
use crate::text::is_line;
use crate::{bounds, confirm, hints, percent};

/// `GET /v1/payments/toss/return?paymentKey=…&orderId=…&amount=…`: Toss's success address. Nothing in it is believed:
/// the payment is asked for, and its own amount, order and hold count. Loading it again finds what was done.
pub async fn toss_return(call: &Call) -> Answered {
    let gateway = "toss";
    call.config.webhook_secrets(gateway).ok_or_else(Problem::not_found)?;
    let back = comeback(&call.head.url)?;
    // A buyer who is known is counted by their token, and needs no stranger's place.
    let _place = match call.buyer() {
        Ok(_) => None,
        Err(_) => Some(hints::place(call).await?),
    };
    let told = PaymentHint {
        trace: call.trace.clone(),
        gateway: gateway.to_owned(),
        payment_id: back.payment_key.clone(),
        amount_text: Some(back.amount),
        order_ref: Some(back.order_id),
        ..PaymentHint::default()
    };
    match confirm::settle(call, &ConfirmRequest::Hint(told)).await {
        Ok(settled) => Ok(send_on(&settled, &back.payment_key)),
        // Whoever loads the page again asks again; the sweep does too.
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

/// `POST /v1/payments/portone/confirm`: what PortOne's browser SDK was given is handed in by the buyer's page.
pub async fn portone_confirm(call: &mut Call) -> Answered {
    let gateway = "portone";
    call.config.webhook_secrets(gateway).ok_or_else(Problem::not_found)?;
    let buyer = call.buyer()?;
    let ToConfirm { payment_id, payment_token } = call.json().await?;
    for text in [&payment_id, &payment_token] {
        if !is_line(text, bounds::PAYMENT_TOKEN_MAX_CHARS) {
            return Err(Problem::malformed("Send `payment_id` and `payment_token` as the gateway's SDK gave them."));
        }
    }
    let told = PaymentHint {
        trace: call.trace.clone(),
        gateway: gateway.to_owned(),
        payment_id,
        token: Some(payment_token),
        buyer: Some(buyer),
        ..PaymentHint::default()
    };
    match confirm::settle(call, &ConfirmRequest::Hint(told)).await?.outcome {
        ConfirmOutcome::Rejected { reason } => Err(confirm::turned_away(&reason)),
        outcome => Ok(confirm::told(&outcome)),
    }
}

#[derive(Debug, PartialEq)]
struct Comeback {
    payment_key: String,
    order_id: String,
    /// As Toss writes it: in whole won, in dollars and cents.
    amount: String,
}

fn comeback(url: &str) -> Result<Comeback, Problem> {
    let key = |key: &Cow<str>| {
        (1..=200).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let payment_key = percent::given(url, "paymentKey").filter(key);
    // Toss's rule for it is 6 to 64 of these, and `=`; it is only ever compared.
    let order_id = percent::given(url, "orderId").filter(|id| is_line(id, bounds::GATEWAY_TEXT_MAX_CHARS));
    // Of which currency only the payment says.
    let digits = |text: &str| (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let amount = percent::given(url, "amount").filter(|amount| match amount.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(amount),
    });
    match (payment_key, order_id, amount) {
        (Some(payment_key), Some(order_id), Some(amount)) => {
            let amount = amount.into_owned();
            Ok(Comeback { payment_key: payment_key.into_owned(), order_id: order_id.into_owned(), amount })
        }
        _ => Err(Problem::malformed(
            "Come back with the `paymentKey`, `orderId` and `amount` that the payment window added.",
        )),
    }
}

/// For the fuzzer: whatever is let through is a key that is one segment of a path, and an amount that is digits.
#[cfg(any(test, feature = "fuzz"))]
pub fn assert_comeback(url: &str) {
    let Ok(Comeback { payment_key, amount, .. }) = comeback(url) else { return };
    assert!(payment_key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    assert!(amount.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && amount.len() <= 33);
}

/// To the hold's own page, which shows the order, the refund or the time that is left; nowhere outside.
fn send_on(settled: &Settled, payment_key: &str) -> Answer {
    let result = match settled.outcome {
        ConfirmOutcome::Confirmed { .. } | ConfirmOutcome::RefundRequired { .. } | ConfirmOutcome::ReadyToCapture => {
            "paid"
        }
        // An account to deposit into, say: the page says what there is to do.
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
    Answer::empty(303).with("Location", location)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::confirm::HoldOf;

    #[test]
    fn a_comeback_needs_its_key_and_its_amount() {
        let back = |query: &str| comeback(&format!("http://edge/v1/payments/toss/return{query}"));
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
        let turned_away = ConfirmOutcome::Rejected { reason: "hold_expired".to_owned() };
        let pending = to(ConfirmOutcome::Pending, hold.clone());
        assert_eq!(pending.as_deref(), Some("/sales/s?hold_id=h&payment_id=k&result=pending"));
        assert_eq!(to(turned_away, hold).as_deref(), Some("/sales/s?hold_id=h&payment_id=k&result=declined"));
        assert_eq!(to(ConfirmOutcome::Ignored, None).as_deref(), Some("/"));
    }
}
