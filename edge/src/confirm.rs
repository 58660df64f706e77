//! `POST /v1/webhooks/{gateway}`: a gateway says that something has become of a payment. What is not signed as it should
//! be ends here; the rest goes on as it came to `confirm`, which proves it, finds out what it is and decides. A 503 has the
//! gateway say it again.

use std::collections::BTreeMap;

use payments::{EventKind, Message, RawEvent, WebhookEvent};
use protocol::confirm::{ConfirmOutcome, ConfirmRequest, PaymentHint, Settled, Signed};

use crate::answer::Answer;
use crate::call::{Answered, Call};
use crate::problem::{Code, Problem};
use crate::{address, body, bounds, hints, invoke};

pub async fn webhook(call: &mut Call, gateway: &'static str) -> Answered {
    let config = std::rc::Rc::clone(&call.config);
    let secrets = config.webhook_secrets(gateway).ok_or_else(Problem::not_found)?;
    let reader = payments::webhook(gateway).ok_or_else(Problem::not_found)?;
    let trusted = reader.signs() || config.is_from_gateway(gateway, call.header("CF-Connecting-IP"));
    if !trusted {
        address::count(call, &address::HINTS).await?;
    }
    // What is refused for its size cannot be proven; its payment is asked about, and this line says whose it was.
    let bytes = body::read_within(call, bounds::GATEWAY_BODY_MAX_BYTES).await;
    let bytes = bytes.map_err(|problem| problem.because(format!("{gateway}: a message was not read")))?;
    let message = Message { header: &|name| call.header(name).map(str::to_owned), body: &bytes };
    // `confirm` looks again; whoever signs nothing gets no further than this.
    if !reader.is_authentic(secrets, &message, call.now_ms.checked_div(1_000).unwrap_or_default()) {
        return Err(unproven().because(format!("{gateway}: {} secrets are configured", secrets.len())));
    }
    let RawEvent(event) = body::json(call.media(), &bytes)?;
    let notice = payments::read_event(reader, &event)
        .map_err(|wrong| Problem::malformed(format!("Correct the event: {wrong}.")))?;
    let Some(notice) = notice else {
        // Answered well, or the gateway would send it again for days.
        return Ok(told(&ConfirmOutcome::Ignored));
    };
    let may_take = matches!(notice.kind, EventKind::CaptureApproval { .. });
    let request = request(call, gateway, reader, notice, bytes);
    let _place = match &request {
        ConfirmRequest::Hint(told) if !trusted => {
            hints::turn(&told.payment_id).await?;
            Some(hints::place(call).await?)
        }
        _ => None,
    };
    tell(settle(call, &request).await?.outcome, may_take)
}

/// # Errors
/// `unavailable`: nobody could say what has become of it; `signature_invalid`; `not_found`.
pub async fn settle(call: &Call, request: &ConfirmRequest) -> Result<Settled, Problem> {
    let settled: Settled =
        invoke::call_within(&call.config.lambda, "confirm", request, bounds::GATEWAY_DEADLINE_MS).await?;
    match settled.outcome {
        ConfirmOutcome::Unreachable => Err(Problem::unavailable().because("the gateway does not answer")),
        ConfirmOutcome::Unproven => Err(unproven().because("confirm has other secrets, or another clock")),
        ConfirmOutcome::NotFound => Err(Problem::not_found()),
        _ => Ok(settled),
    }
}

/// What is signed goes on as it came, to be proven where it is believed; what is not is a question.
fn request(
    call: &Call,
    gateway: &str,
    reader: &dyn payments::WebhookReader,
    notice: WebhookEvent,
    bytes: Vec<u8>,
) -> ConfirmRequest {
    let (trace, gateway) = (call.trace.clone(), gateway.to_owned());
    let named = reader.signed_headers().iter();
    let headers: BTreeMap<String, String> =
        named.filter_map(|name| Some(((*name).to_owned(), call.header(name)?.to_owned()))).collect();
    // It is text: it was read as JSON.
    match String::from_utf8(bytes) {
        Ok(body) if !headers.is_empty() => ConfirmRequest::Signed(Signed { trace, gateway, headers, body }),
        _ => {
            let told = PaymentHint { trace, gateway, payment_id: notice.payment_id, ..PaymentHint::default() };
            ConfirmRequest::Hint(match notice.kind {
                EventKind::Deposit { secret } => PaymentHint { deposit_secret: Some(secret), ..told },
                // Nobody signed it: what it says of a dispute is nothing to go by.
                EventKind::Later { .. } => PaymentHint { later: true, ..told },
                EventKind::Changed | EventKind::CaptureApproval { .. } => told,
            })
        }
    }
}

fn unproven() -> Problem {
    Problem::new(Code::SignatureInvalid, "Sign the raw body as the gateway's specification says.")
}

/// The gateway is told what became of its money, in the words of the function. One that asked whether it may take the
/// money reads the status alone, and a 200 has it taken: for a hold that waits for it, or for whoever else's it is.
fn tell(outcome: ConfirmOutcome, may_take: bool) -> Answered {
    match outcome {
        ConfirmOutcome::Unreachable => Err(Problem::unavailable()),
        ConfirmOutcome::Unproven => Err(unproven()),
        ConfirmOutcome::NotFound => Err(Problem::not_found()),
        ConfirmOutcome::Rejected { reason } if may_take => Err(refused(&reason)),
        ConfirmOutcome::RefundRequired { .. } | ConfirmOutcome::Parked if may_take => Err(refused("already_paid")),
        ConfirmOutcome::Pending if may_take => Err(refused("payment_unknown")),
        // Nothing has changed, so far as its money goes.
        ConfirmOutcome::Pending => Ok(told(&ConfirmOutcome::Ignored)),
        ConfirmOutcome::Confirmed { .. }
        | ConfirmOutcome::RefundRequired { .. }
        | ConfirmOutcome::ReadyToCapture
        | ConfirmOutcome::Rejected { .. }
        | ConfirmOutcome::Parked
        | ConfirmOutcome::Recorded
        | ConfirmOutcome::Ignored => Ok(told(&outcome)),
    }
}

pub fn told(outcome: &ConfirmOutcome) -> Answer {
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
    use protocol::confirm::RefundReason;

    #[test]
    fn the_gateway_gets_the_functions_own_words() {
        let body = |outcome| String::from_utf8(told(&outcome).body).unwrap_or_default();
        assert_eq!(
            body(ConfirmOutcome::Confirmed { order_id: "o".to_owned() }),
            r#"{"result":"confirmed","order_id":"o"}"#
        );
        let refund = ConfirmOutcome::RefundRequired { reason: RefundReason::HoldExpired };
        assert_eq!(body(refund), r#"{"result":"refund_required","reason":"hold_expired"}"#);
        assert_eq!(body(ConfirmOutcome::Ignored), r#"{"result":"ignored"}"#);
    }

    #[test]
    fn a_gateway_that_asks_first_is_refused_by_the_status() {
        let status = |outcome, may_take| tell(outcome, may_take).unwrap_or_else(Answer::from).status;
        let turned_away = || ConfirmOutcome::Rejected { reason: "hold_expired".to_owned() };
        assert_eq!((status(turned_away(), true), status(turned_away(), false)), (409, 200));
        assert_eq!(
            (status(ConfirmOutcome::ReadyToCapture, true), status(ConfirmOutcome::Unreachable, false)),
            (200, 503)
        );
        // What a webhook may simply be told of must not have money taken.
        let refund = || ConfirmOutcome::RefundRequired { reason: RefundReason::HoldExpired };
        // Somebody else's payment is theirs to take.
        assert_eq!((status(ConfirmOutcome::Ignored, true), status(ConfirmOutcome::Ignored, false)), (200, 200));
        assert_eq!((status(ConfirmOutcome::Unproven, false), status(ConfirmOutcome::NotFound, false)), (401, 404));
        assert_eq!((status(refund(), true), status(refund(), false)), (409, 200));
        assert_eq!((status(ConfirmOutcome::Unreachable, true)), 503);
    }
}
