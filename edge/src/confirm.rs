//! `POST /v1/webhooks/standard`: a gateway says that money was taken. Signed or not at all; then `confirm` decides
//! whether it is an order or a refund, and a 503 has the gateway say it again.

use serde::{Deserialize, Serialize};
use wire::confirm::{Outcome, Payment};

use crate::answer::Answer;
use crate::call::{Answered, Call};
use crate::problem::{Code, Problem};
use crate::signature::{self, Signed};
use crate::text::is_printable;
use crate::{body, bounds, invoke};

const GATEWAY: &str = "standard";
pub const PAID: &str = "payment.paid";

/// What every event has; gateways add members, and those are theirs.
#[derive(Deserialize)]
struct Event {
    r#type: String,
}

#[derive(Deserialize)]
struct Paid {
    data: body::Object<Data>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Data {
    payment_id: String,
    hold_id: String,
    user_id: String,
    #[serde(deserialize_with = "wire::whole::number")]
    amount: i64,
    currency: String,
}

#[derive(Serialize)]
struct Ignored {
    result: &'static str,
}

pub async fn webhook(call: &mut Call) -> Answered {
    let bytes = body::read(call).await?;
    signed(call, &bytes)?;
    let content_type = call.header("Content-Type");
    let event: Event = body::json(content_type, &bytes)?;
    if event.r#type != PAID {
        // Answered well, or the gateway would send it again for days.
        return Ok(Answer::json(200, &Ignored { result: "ignored" }));
    }
    let Paid { data: body::Object(data) } = body::json(content_type, &bytes)?;
    let payment = Payment {
        trace: call.trace.clone(),
        gateway: GATEWAY.to_owned(),
        payment_id: data.payment_id,
        hold_id: data.hold_id,
        user_id: data.user_id,
        amount: data.amount,
        currency: data.currency,
    };
    check(&payment)?;
    let outcome: Outcome = invoke::call(&call.config.lambda, "confirm", &payment).await?;
    Ok(tell(&outcome))
}

fn signed(call: &Call, bytes: &[u8]) -> Result<(), Problem> {
    let refused =
        || Problem::new(Code::SignatureInvalid, "Sign the raw body as the Standard Webhooks specification says.");
    let Some(key) = signature::key(&call.config.webhook_secret) else {
        return Err(refused().because("WEBHOOK_SECRET is missing, or not 24 to 64 bytes in base64"));
    };
    let (id, timestamp) = (call.header("webhook-id"), call.header("webhook-timestamp"));
    let signature = call.header("webhook-signature");
    let signed = Signed { id, timestamp, signature, body: bytes };
    if signature::is_valid(&signed, &key, call.now_ms) { Ok(()) } else { Err(refused()) }
}

/// What no payment can be. A hold we do not know is not refused here: the money must come to rest as a refund.
fn check(payment: &Payment) -> Result<(), Problem> {
    let text = |text: &str| text.chars().count() <= bounds::GATEWAY_TEXT_MAX_CHARS && !text.contains('\0');
    let currency = payment.currency.len() == 3 && payment.currency.bytes().all(|byte| byte.is_ascii_uppercase());
    for (holds, name) in [
        (
            is_printable(&payment.payment_id, bounds::GATEWAY_TEXT_MAX_CHARS),
            "payment_id: 1 to 255 printable characters",
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

/// The gateway is told what became of its money, in the words of the function.
fn tell(outcome: &Outcome) -> Answer {
    match outcome {
        Outcome::Confirmed { .. } | Outcome::RefundRequired { .. } => Answer::json(200, outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::confirm::RefundReason;

    fn payment() -> Payment {
        Payment {
            trace: wire::Trace::default(),
            gateway: GATEWAY.to_owned(),
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
    fn an_event_may_have_more_members_than_ours_and_must_have_ours() {
        let read = |body: &str| body::json::<Paid>(Some("application/json"), body.as_bytes()).is_ok();
        let data = r#""payment_id":"p","hold_id":"h","user_id":"u","amount":1,"currency":"KRW""#;
        assert!(read(&format!(r#"{{"type":"x","timestamp":"t","id":{{}},"data":{{{data},"card":[1]}}}}"#)));
        for name in ["payment_id", "hold_id", "user_id", "amount", "currency"] {
            assert!(!read(&format!(r#"{{"data":{{{}}}}}"#, data.replace(name, "other"))), "{name}");
        }
        assert!(!read(r#"{"data":["p","h","u",1,"KRW"]}"#));
    }

    #[test]
    fn the_gateway_gets_the_functions_own_words() {
        let body = |outcome| String::from_utf8(tell(&outcome).body).unwrap_or_default();
        assert_eq!(body(Outcome::Confirmed { order_id: "o".to_owned() }), r#"{"result":"confirmed","order_id":"o"}"#);
        let refund = Outcome::RefundRequired { reason: RefundReason::HoldExpired };
        assert_eq!(body(refund), r#"{"result":"refund_required","reason":"hold_expired"}"#);
    }
}
