//! `POST /v1/webhooks/{gateway}`: a gateway's message about a payment. A bad signature is refused here; everything else
//! goes on unchanged to `confirm`, which verifies it again, looks the payment up and decides. On a 503 the gateway
//! sends the message again.

use std::collections::BTreeMap;

use payments::{EventKind, Message, RawEvent, WebhookEvent};
use protocol::confirm::{ConfirmOutcome, ConfirmRequest, PaymentHint, RejectionReason, Settled, Signed};

use crate::api::payments::unsigned;
use crate::http::body;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{Code, Problem};
use crate::http::response::Response;
use crate::lambda::invoke;
use crate::runtime::limits;

/// Whether it is known before a message is read that its gateway sent it, or will be by its signature.
pub fn is_trusted(context: &RequestContext, gateway: &str) -> bool {
    let signs = payments::webhook(gateway).is_some_and(payments::WebhookReader::signs);
    signs || context.config.is_from_gateway(gateway, context.header("CF-Connecting-IP"))
}

pub async fn webhook(context: &mut RequestContext, gateway: &str) -> HandlerResult {
    let config = std::rc::Rc::clone(&context.config);
    let secrets = config.webhook_secrets(gateway).ok_or_else(Problem::not_found)?;
    let reader = payments::webhook(gateway).ok_or_else(Problem::not_found)?;
    // A message that is too large cannot be verified. The sweep finds its payment, and this line in the log says whose
    // it was.
    let bytes = context.body_within(limits::GATEWAY_BODY_MAX_BYTES).await;
    let bytes = bytes.map_err(|problem| problem.because(format!("{gateway}: a message was not read")))?;
    let message = Message { header: &|name| context.header(name).map(str::to_owned), body: &bytes };
    // `confirm` verifies it again; a message without a valid signature gets no further.
    if !reader.is_authentic(secrets, &message, context.now_ms.checked_div(1_000).unwrap_or_default()) {
        return Err(unproven().because(format!("{gateway}: {} secrets are configured", secrets.len())));
    }
    let RawEvent(event) = body::json(context.media(), &bytes)?;
    let notice = payments::read_event(reader, &event)
        .map_err(|wrong| Problem::malformed(format!("Correct the event: {wrong}.")))?;
    let Some(notice) = notice else {
        // An error would make the gateway send it again for days.
        return Ok(outcome_response(&ConfirmOutcome::Ignored));
    };
    let may_take = matches!(notice.kind, EventKind::CaptureApproval { .. });
    let request = request(context, gateway, reader, notice, bytes);
    let _slot = match &request {
        ConfirmRequest::Hint(hint) if !is_trusted(context, gateway) => {
            unsigned::turn(&hint.payment_id).await?;
            Some(unsigned::slot(context).await?)
        }
        _ => None,
    };
    into_response(settle(context, &request).await?.outcome, gateway, may_take)
}

/// # Errors
/// `unavailable`: the gateway did not answer a lookup; `signature_invalid`; `not_found`.
pub async fn settle(context: &RequestContext, request: &ConfirmRequest) -> Result<Settled, Problem> {
    checked(invoke::call_within(&context.config.lambda, "confirm", request, limits::GATEWAY_DEADLINE_MS).await?)
}

/// What of an answer of `confirm` is a problem.
///
/// # Errors
/// As for [`settle`].
pub fn checked(settled: Settled) -> Result<Settled, Problem> {
    match settled.outcome {
        ConfirmOutcome::Unreachable => Err(Problem::unavailable().because("the gateway does not answer")),
        ConfirmOutcome::Unproven => Err(unproven().because("confirm has other secrets, or another clock")),
        ConfirmOutcome::NotFound => Err(Problem::not_found()),
        _ => Ok(settled),
    }
}

/// A signed message is sent on as it came, so that `confirm` can verify it. An unsigned one only becomes a hint to look
/// the payment up.
fn request(
    context: &RequestContext,
    gateway: &str,
    reader: &dyn payments::WebhookReader,
    notice: WebhookEvent,
    bytes: Vec<u8>,
) -> ConfirmRequest {
    let (trace, gateway) = (context.trace.clone(), gateway.to_owned());
    let named = reader.signed_headers().iter();
    let headers: BTreeMap<String, String> =
        named.filter_map(|name| Some(((*name).to_owned(), context.header(name)?.to_owned()))).collect();
    // It was parsed as JSON, so it is UTF-8.
    match String::from_utf8(bytes) {
        Ok(body) if !headers.is_empty() => ConfirmRequest::Signed(Signed { trace, gateway, headers, body }),
        _ => {
            let hint = PaymentHint { trace, gateway, payment_id: notice.payment_id, ..PaymentHint::default() };
            ConfirmRequest::Hint(match notice.kind {
                EventKind::Deposit { secret } => PaymentHint { deposit_secret: Some(secret), ..hint },
                // It is not signed: what it says of a dispute is only a hint, too.
                EventKind::Later { .. } => PaymentHint { later: true, ..hint },
                EventKind::Changed | EventKind::CaptureApproval { .. } => hint,
            })
        }
    }
}

fn unproven() -> Problem {
    Problem::new(Code::SignatureInvalid, "Sign the raw body as the gateway's specification says.")
}

/// The response to the gateway. One that asks whether it may capture reads only the status, and a 200 makes it capture:
/// for a hold that waits for it, or for a payment that is not ours.
fn into_response(outcome: ConfirmOutcome, gateway: &str, may_take: bool) -> HandlerResult {
    match outcome {
        ConfirmOutcome::Unreachable => Err(Problem::unavailable()),
        ConfirmOutcome::Unproven => Err(unproven()),
        ConfirmOutcome::NotFound => Err(Problem::not_found()),
        ConfirmOutcome::Rejected { reason } if may_take => Err(payment_rejection(gateway, reason)),
        ConfirmOutcome::RefundRequired { .. } | ConfirmOutcome::Parked if may_take => {
            Err(payment_rejection(gateway, RejectionReason::AlreadyPaid))
        }
        ConfirmOutcome::Pending if may_take => Err(payment_rejection(gateway, RejectionReason::PaymentUnknown)),
        // Nothing has changed yet.
        ConfirmOutcome::Pending => Ok(outcome_response(&ConfirmOutcome::Ignored)),
        ConfirmOutcome::Confirmed { .. }
        | ConfirmOutcome::RefundRequired { .. }
        | ConfirmOutcome::ReadyToCapture
        | ConfirmOutcome::Rejected { .. }
        | ConfirmOutcome::Parked
        | ConfirmOutcome::Recorded
        | ConfirmOutcome::Ignored => Ok(outcome_response(&outcome)),
    }
}

pub fn outcome_response(outcome: &ConfirmOutcome) -> Response {
    Response::json(200, outcome)
}

/// Refuses a capture: no money was taken.
pub fn rejected(reason: RejectionReason) -> Problem {
    Problem::new(Code::HoldNotActive, "No money was taken: the hold cannot be paid any more, or not so.")
        .with("reason", serde_json::to_value(reason).unwrap_or_default())
}

/// A refused capture, with the text that the gateway shows to the buyer.
fn payment_rejection(gateway: &str, reason: RejectionReason) -> Problem {
    let shown = payments::gateway(gateway).and_then(|gateway| gateway.refusal);
    shown.into_iter().fold(rejected(reason), |problem, (member, text)| problem.with(member, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::confirm::RefundReason;

    #[test]
    fn the_gateway_gets_the_functions_result_unchanged() {
        let body = |outcome| String::from_utf8(outcome_response(&outcome).body).unwrap_or_default();
        assert_eq!(
            body(ConfirmOutcome::Confirmed { order_id: "o".to_owned() }),
            r#"{"result":"confirmed","order_id":"o"}"#
        );
        let refund = ConfirmOutcome::RefundRequired { reason: RefundReason::HoldExpired };
        assert_eq!(body(refund), r#"{"result":"refund_required","reason":"hold_expired"}"#);
        assert_eq!(body(ConfirmOutcome::Ignored), r#"{"result":"ignored"}"#);
    }

    #[test]
    fn a_gateway_that_asks_before_the_capture_is_refused_by_status() {
        let status =
            |outcome, may_take| into_response(outcome, "portone", may_take).unwrap_or_else(Response::from).status;
        let rejected = || ConfirmOutcome::Rejected { reason: RejectionReason::HoldExpired };
        assert_eq!((status(rejected(), true), status(rejected(), false)), (409, 200));
        assert_eq!(
            (status(ConfirmOutcome::ReadyToCapture, true), status(ConfirmOutcome::Unreachable, false)),
            (200, 503)
        );
        // A reason that a webhook gets with 200 must not approve a capture.
        let refund = || ConfirmOutcome::RefundRequired { reason: RefundReason::HoldExpired };
        // A payment of another shop on the same account is that shop's to capture.
        assert_eq!((status(ConfirmOutcome::Ignored, true), status(ConfirmOutcome::Ignored, false)), (200, 200));
        assert_eq!((status(ConfirmOutcome::Unproven, false), status(ConfirmOutcome::NotFound, false)), (401, 404));
        assert_eq!((status(refund(), true), status(refund(), false)), (409, 200));
        assert_eq!((status(ConfirmOutcome::Unreachable, true)), 503);
    }

    #[test]
    fn a_refused_capture_carries_the_text_that_its_gateway_shows() {
        for gateway in payments::GATEWAYS {
            let body = Response::from(payment_rejection(gateway.name, RejectionReason::HoldExpired)).body;
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            assert_eq!(body["reason"], "hold_expired", "{}", gateway.name);
            let shown = gateway.refusal.map(|(member, text)| (body[member].as_str(), text));
            assert!(shown.is_none_or(|(said, text)| said == Some(text)), "{}", gateway.name);
        }
    }
}
