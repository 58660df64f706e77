//! A payment intent of Stripe's, and the unit of its amounts.

use serde_json::Value;

use crate::dispute::Disputed;
use crate::mark::Mark;
use crate::reading::{amount, text};
use crate::snapshot::{PaymentSnapshot, State};
use crate::units::{Unit, decimals, is_code};

/// Stripe counts ISK and UGX in hundredths that neither has any more, and MGA without the fifths that it has. Of three-decimal
/// currencies it takes five, of four-decimal ones none.
pub fn unit_of(currency: &str) -> Option<Unit> {
    match (currency, decimals(currency)) {
        ("ISK" | "UGX", _) => Some(Unit::Finer(100)),
        ("MGA", _) => Some(Unit::Coarser(100)),
        ("BHD" | "JOD" | "KWD" | "OMR" | "TND", _) | (_, 0..=2) => Some(Unit::Minor),
        _ => None,
    }
}

/// None: Stripe does not take this currency.
pub fn unit(currency: &str) -> Option<Unit> {
    is_code(currency).then(|| unit_of(currency)).flatten()
}

pub fn payment(intent: &Value) -> Option<PaymentSnapshot> {
    let (state, taken) = match intent["status"].as_str()? {
        "succeeded" => (State::Paid, "amount_received"),
        "requires_capture" => (State::Authorised, "amount_capturable"),
        "canceled" => (State::Failed, "amount"),
        _ => (State::Pending, "amount"),
    };
    let currency = text(&intent["currency"])?.to_ascii_uppercase();
    let unit = unit(&currency)?;
    let id = text(&intent["id"])?;
    let (refunded, refunding) = refunded_amounts(&intent["latest_charge"], unit)?;
    Some(PaymentSnapshot {
        state,
        payment_id: id.clone(),
        amount: amount(&intent[taken], unit)?,
        refunded,
        refunding: Some(refunding),
        currency,
        mark: Mark::find([text(&intent["metadata"]["hold_id"]), None]),
        order_ref: id,
        user_id: text(&intent["metadata"]["user_id"]),
        live: intent["livemode"] == true,
        needs_account: false,
        secret: None,
        disputed: match &intent["latest_charge"]["disputed"] {
            Value::Bool(true) => Disputed::NeedsLookup,
            Value::Bool(false) => Disputed::No,
            _ => Disputed::Unsaid,
        },
    })
}

/// The refunded and the pending amount. The charge's sum includes both; its list of refunds distinguishes them but may
/// have more pages. If a refund cannot be read, the payment cannot be read.
fn refunded_amounts(charge: &Value, unit: Unit) -> Option<(i64, i64)> {
    let refunds = &charge["refunds"];
    let sum = |statuses: &[&str]| -> Option<i64> {
        let all = refunds["data"].as_array().into_iter().flatten();
        let mut wanted = all.filter(|one| one["status"].as_str().is_some_and(|status| statuses.contains(&status)));
        wanted.try_fold(0_i64, |sum, one| sum.checked_add(amount(&one["amount"], unit)?))
    };
    let pending = sum(&["pending", "requires_action"])?;
    if refunds["data"].is_array() && refunds["has_more"] != true {
        return Some((sum(&["succeeded"])?, pending));
    }
    let all = match &charge["amount_refunded"] {
        Value::Null => 0,
        refunded => amount(refunded, unit)?,
    };
    Some((all.saturating_sub(pending).max(0), pending))
}
