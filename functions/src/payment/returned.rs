//! Whether a browser that comes back to a payment that was settled before names that payment's own order: it is
//! redirected to that payment's hold and to no other.

use payments::{LookupResult, PaymentSnapshot};
use protocol::confirm::{ConfirmOutcome, HoldOf, PaymentHint, RejectionReason};
use serde::Deserialize;
use tokio_postgres::types::Type;

use crate::payment::gateways::Gateways;
use crate::runtime::database::{Database, InfraError};

#[derive(Deserialize)]
struct Asking {
    shaky: bool,
    admitted: bool,
}

/// What is answered where the return address names another order. None: it names the payment's own, or the hint is no
/// return.
///
/// # Errors
/// The database cannot answer.
pub async fn mismatch(
    database: &Database,
    gateways: &Gateways,
    hint: &PaymentHint,
    hold: Option<&HoldOf>,
) -> Result<Option<ConfirmOutcome>, InfraError> {
    let Some(order_ref) = &hint.order_ref else { return Ok(None) };
    let of = |text: &str| payments::hold_id(text);
    if let Some(returned_with) = of(order_ref) {
        let own = hold.and_then(|hold| of(&hold.hold_id));
        return Ok((own != Some(returned_with)).then(mismatched));
    }
    // An order id of the shop's own: only the gateway knows which payment has it.
    Ok(match look_up(database, gateways, hint).await? {
        LookupResult::Known(PaymentSnapshot { order_ref: own, .. }) if own == *order_ref => None,
        LookupResult::Known(_) | LookupResult::NotFound => Some(mismatched()),
        LookupResult::Refused(_) | LookupResult::Unreadable(_) | LookupResult::Unknown(_) => {
            Some(ConfirmOutcome::Unreachable)
        }
    })
}

async fn look_up(database: &Database, gateways: &Gateways, hint: &PaymentHint) -> Result<LookupResult, InfraError> {
    let id = &[(&hint.gateway as _, Type::TEXT), (&hint.payment_id as _, Type::TEXT)];
    let asking: Option<Asking> = database.json("select holdfast.look_again($1, $2)", id).await?;
    match (gateways.client(&hint.gateway), asking) {
        (Some(client), Some(Asking { shaky, admitted: true })) => {
            gateways.look_up(database, client, &hint.payment_id, shaky).await
        }
        _ => Ok(LookupResult::Unknown("the gateway is left alone".to_owned())),
    }
}

const fn mismatched() -> ConfirmOutcome {
    ConfirmOutcome::Rejected { reason: RejectionReason::OrderMismatch }
}
