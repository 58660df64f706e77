//! `POST /v1/webhooks/{gateway}`: a gateway says that something has become of a payment. Proven or not at all; then
//! `confirm` finds out what it is and decides, and a 503 has the gateway say it again.

use gateways::{Kind, Message, Notice, Said};
use wire::confirm::{Outcome, Payment, Request, Settled, Told};

use crate::answer::Answer;
use crate::call::{Answered, Call};
use crate::event::Event;
use crate::problem::{Code, Problem};
use crate::text::is_line;
use crate::{address, body, bounds, hints, invoke};

pub async fn webhook(call: &mut Call, gateway: &'static str) -> Answered {
    let config = std::rc::Rc::clone(&call.config);
    let secrets = config.webhook_secrets(gateway).ok_or_else(Problem::not_found)?;
    let reader = gateways::webhook(gateway).ok_or_else(Problem::not_found)?;
    let trusted = reader.signs() || config.is_from_gateway(gateway, call.header("CF-Connecting-IP"));
    if !trusted {
        address::count(call, &address::HINTS).await?;
    }
    let bytes = body::read(call).await?;
    let message = Message { header: &|name| call.header(name).map(str::to_owned), body: &bytes };
    if !reader.is_authentic(secrets, &message, call.now_ms.checked_div(1_000).unwrap_or_default()) {
        return Err(Problem::new(Code::SignatureInvalid, "Sign the raw body as the gateway's specification says.")
            .because(format!("{gateway}: {} secrets are configured", secrets.len())));
    }
    let Event(event) = body::json(call.media(), &bytes)?;
    let notice = reader.read(&event).map_err(|missing| Problem::malformed(format!("Correct the event: {missing}.")))?;
    let Some(notice) = notice else {
        // Answered well, or the gateway would send it again for days.
        return Ok(told(&Outcome::Ignored));
    };
    let may_take = matches!(notice.kind, Kind::MayTake { .. });
    let request = request(call, gateway, notice)?;
    let _place = match &request {
        Request::Told(told) if !trusted => {
            hints::turn(&told.payment_id).await?;
            Some(hints::place(call).await?)
        }
        _ => None,
    };
    tell(settle(call, &request).await?.outcome, may_take)
}

/// # Errors
/// `unavailable`: nobody could say what has become of it.
pub async fn settle(call: &Call, request: &Request) -> Result<Settled, Problem> {
    let within_ms = match request {
        Request::Paid(_) => bounds::INVOKE_DEADLINE_MS,
        Request::Told(_) => bounds::GATEWAY_DEADLINE_MS,
    };
    let settled: Settled = invoke::call_within(&call.config.lambda, "confirm", request, within_ms).await?;
    match settled.outcome {
        Outcome::Unreachable => Err(Problem::unavailable().because("the gateway does not answer")),
        _ => Ok(settled),
    }
}

/// What says everything, and for real money, is taken at its word; anything else is asked about.
fn request(call: &Call, gateway: &str, notice: Notice) -> Result<Request, Problem> {
    let (trace, gateway) = (call.trace.clone(), gateway.to_owned());
    let Notice { payment_id, kind, said } = notice;
    if let Some(Said { hold_ref, user_id: Some(user_id), amount, currency, live: true }) = said {
        let payment = Payment { trace, gateway, payment_id, hold_id: hold_ref, user_id, amount, currency };
        check(&payment)?;
        return Ok(Request::Paid(payment));
    }
    if !is_line(&payment_id, bounds::GATEWAY_TEXT_MAX_CHARS) {
        return Err(Problem::malformed(
            "Correct the event: the payment's id is 1 to 255 characters, none a control character.",
        ));
    }
    let told = Told { trace, gateway, payment_id, ..Told::default() };
    Ok(Request::Told(match kind {
        Kind::Changed => told,
        Kind::MayTake { amount } => Told { may_take: true, amount, ..told },
        Kind::Later { dispute } => Told { later: true, dispute: dispute.map(|hint| hint.name().to_owned()), ..told },
    }))
}

/// What no payment can be. A hold we do not know is not refused here: the money must come to rest as a refund.
fn check(payment: &Payment) -> Result<(), Problem> {
    let text = |text: &str| text.chars().count() <= bounds::GATEWAY_TEXT_MAX_CHARS && !text.contains('\0');
    let currency = payment.currency.len() == 3 && payment.currency.bytes().all(|byte| byte.is_ascii_uppercase());
    for (holds, name) in [
        (
            is_line(&payment.payment_id, bounds::GATEWAY_TEXT_MAX_CHARS),
            "payment_id: 1 to 255 characters, none a control character",
        ),
        (text(&payment.hold_id), "hold_id: at most 255 characters"),
        (text(&payment.user_id), "user_id: at most 255 characters"),
        ((0..=bounds::AMOUNT_MAX).contains(&payment.amount), "amount: a whole number of minor units"),
        (currency, "currency: three capital letters"),
    ] {
        if !holds {
            return Err(Problem::malformed(format!("Correct `data`: {name}.")));
        }
    }
    Ok(())
}

/// The gateway is told what became of its money, in the words of the function. One that asked whether it may take the
/// money reads the status alone, and a 200 has it taken: only for a hold that waits for it.
fn tell(outcome: Outcome, may_take: bool) -> Answered {
    match outcome {
        Outcome::Unreachable => Err(Problem::unavailable()),
        Outcome::TurnedAway { reason } if may_take => Err(refused(&reason)),
        Outcome::RefundRequired { .. } if may_take => Err(refused("already_paid")),
        Outcome::Ignored if may_take => Err(refused("payment_unknown")),
        Outcome::Confirmed { .. }
        | Outcome::RefundRequired { .. }
        | Outcome::Secured
        | Outcome::TurnedAway { .. }
        | Outcome::Recorded
        | Outcome::Ignored => Ok(told(&outcome)),
    }
}

pub fn told(outcome: &Outcome) -> Answer {
    Answer::json(200, outcome)
}

/// No money was taken.
pub fn turned_away(reason: &str) -> Problem {
    Problem::new(Code::HoldNotActive, "No money was taken: the hold cannot be paid any more, or not so.")
        .with("reason", reason)
}

/// Of a refusal PortOne shows this much to the buyer.
fn refused(reason: &str) -> Problem {
    turned_away(reason)
        .with("errorMessage", "결제되지 않았습니다. 예약이 끝났거나 결제할 수 없는 예약입니다. (Nothing was charged.)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::confirm::RefundReason;

    fn payment() -> Payment {
        Payment {
            trace: wire::Trace::default(),
            gateway: "standard".to_owned(),
            payment_id: "pay_1".to_owned(),
            hold_id: "no uuid".to_owned(),
            user_id: "홍길동".to_owned(),
            amount: 150_000,
            currency: "KRW".to_owned(),
        }
    }

    #[test]
    fn a_payment_for_a_hold_that_cannot_be_is_passed_on_to_become_a_refund() {
        assert_eq!(check(&payment()), Ok(()));
        assert_eq!(check(&Payment { hold_id: String::new(), amount: 0, ..payment() }), Ok(()));
    }

    #[test]
    fn what_no_payment_can_be_is_malformed() {
        let long = || "a".repeat(256);
        for bad in [
            Payment { payment_id: String::new(), ..payment() },
            Payment { payment_id: "a\n".to_owned(), ..payment() },
            Payment { payment_id: long(), ..payment() },
            Payment { hold_id: "a\0".to_owned(), ..payment() },
            Payment { hold_id: long(), ..payment() },
            Payment { user_id: long(), ..payment() },
            Payment { amount: -1, ..payment() },
            Payment { amount: i64::MAX, ..payment() },
            Payment { currency: "krw".to_owned(), ..payment() },
            Payment { currency: "KRWW".to_owned(), ..payment() },
        ] {
            assert_eq!(check(&bad).map_err(|problem| problem.code), Err(Code::MalformedRequest), "{bad:?}");
        }
    }

    #[test]
    fn the_gateway_gets_the_functions_own_words() {
        let body = |outcome| String::from_utf8(told(&outcome).body).unwrap_or_default();
        assert_eq!(body(Outcome::Confirmed { order_id: "o".to_owned() }), r#"{"result":"confirmed","order_id":"o"}"#);
        let refund = Outcome::RefundRequired { reason: RefundReason::HoldExpired };
        assert_eq!(body(refund), r#"{"result":"refund_required","reason":"hold_expired"}"#);
        assert_eq!(body(Outcome::Ignored), r#"{"result":"ignored"}"#);
    }

    #[test]
    fn a_gateway_that_asks_first_is_refused_by_the_status() {
        let status = |outcome, may_take| tell(outcome, may_take).unwrap_or_else(Answer::from).status;
        let turned_away = || Outcome::TurnedAway { reason: "hold_expired".to_owned() };
        assert_eq!((status(turned_away(), true), status(turned_away(), false)), (409, 200));
        assert_eq!((status(Outcome::Secured, true), status(Outcome::Unreachable, false)), (200, 503));
        // What a webhook may simply be told of must not have money taken.
        let refund = || Outcome::RefundRequired { reason: RefundReason::HoldExpired };
        assert_eq!((status(Outcome::Ignored, true), status(Outcome::Ignored, false)), (409, 200));
        assert_eq!((status(refund(), true), status(refund(), false)), (409, 200));
        assert_eq!((status(Outcome::Unreachable, true)), 503);
    }
}
