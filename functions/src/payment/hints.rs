//! Who may hint at a payment, and what of a hint is trusted: a signed webhook by its signature, a buyer by the Worker's
//! proof, and an unproven hint only as a reason to look the payment up. Each becomes a hint that confirm.rs settles.

use payments::{DisputeHint, EventKind, RawEvent, WebhookEvent};
use protocol::confirm::{BuyerPayment, ConfirmOutcome, PaymentHint, Settled, Signed};

use crate::payment::confirm::{done, settle_by};
use crate::payment::gateways::Gateways;
use crate::payment::webhook_secrets::WebhookSecrets;
use crate::runtime::database::{Database, InfraError};

/// Verifies a signed webhook with the secrets of this function, and settles the payment it names.
///
/// # Errors
/// As for [`settle`]; or the message has a valid signature and is no event of its gateway.
pub async fn settle_signed(
    database: &Database,
    gateways: &Gateways,
    secrets: &WebhookSecrets,
    signed: &Signed,
) -> Result<Settled, InfraError> {
    let Some(reader) = payments::webhook(&signed.gateway).filter(|reader| secrets.prove(*reader, signed)) else {
        return done(ConfirmOutcome::Unproven);
    };
    let RawEvent(event) =
        serde_json::from_str(&signed.body).map_err(|_| InfraError::misuse("a signed message is no event"))?;
    let event_read = payments::read_event(reader, &event)
        .map_err(|_| InfraError::misuse("an event is not what its type promises"))?;
    let Some(WebhookEvent { payment_id, kind, details }) = event_read else { return done(ConfirmOutcome::Ignored) };
    let hint = PaymentHint { gateway: signed.gateway.clone(), payment_id, ..PaymentHint::default() };
    let hint = match kind {
        EventKind::Changed => hint,
        EventKind::CaptureApproval { amount } => PaymentHint { asks_approval: true, amount, ..hint },
        EventKind::Later { dispute } => {
            let dispute_at = dispute.as_ref().and_then(DisputeHint::at);
            PaymentHint { later: true, dispute: dispute.map(|hint| hint.name().to_owned()), dispute_at, ..hint }
        }
        // Only unsigned gateways send it.
        EventKind::Deposit { .. } => return done(ConfirmOutcome::Ignored),
    };
    settle_by(database, gateways, &hint, details).await
}

/// Settles a payment by an unproven hint.
///
/// # Errors
/// The database cannot answer, the gateway is not configured, or the hint says what needs a proof. A gateway that does
/// not answer is no error: payments at other gateways go on.
pub async fn settle(database: &Database, gateways: &Gateways, hint: &PaymentHint) -> Result<Settled, InfraError> {
    settle_by(database, gateways, &believed(hint)?, None).await
}

/// What is trusted of an unproven hint. A made-up token ends the attempt of the buyer it is for, and only the Worker
/// knows who a buyer is.
fn believed(hint: &PaymentHint) -> Result<PaymentHint, InfraError> {
    if hint.token.is_some() || hint.buyer.is_some() {
        return Err(InfraError::misuse("a buyer's token needs a proof: deploy the Worker and confirm together"));
    }
    // Only a signed message may report a dispute.
    Ok(PaymentHint { dispute: None, ..hint.clone() })
}

/// Settles a payment that its buyer has brought back, as the Worker has proven.
///
/// # Errors
/// As for [`settle`].
pub async fn settle_of_buyer(
    database: &Database,
    gateways: &Gateways,
    request: &BuyerPayment,
) -> Result<Settled, InfraError> {
    let BuyerPayment { trace, user_id, gateway, payment_id, token } = request.clone();
    let (token, buyer) = (Some(token), Some(user_id));
    let hint = PaymentHint { trace, gateway, payment_id, token, buyer, ..PaymentHint::default() };
    settle_by(database, gateways, &hint, None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unproven_hint_has_no_token_no_buyer_and_no_dispute() {
        let hint = PaymentHint { gateway: "portone".to_owned(), payment_id: "p".to_owned(), ..PaymentHint::default() };
        let dispute = PaymentHint { dispute: Some("opened".to_owned()), ..hint.clone() };
        assert_eq!(believed(&dispute).ok(), Some(hint.clone()));
        let (token, buyer) = (Some("x".to_owned()), Some("ann".to_owned()));
        for (token, buyer) in [(token.clone(), buyer.clone()), (token, None), (None, buyer)] {
            assert!(believed(&PaymentHint { token, buyer, ..hint.clone() }).is_err());
        }
    }
}
