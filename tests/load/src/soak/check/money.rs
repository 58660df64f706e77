//! What became of money: every payment that the gateway took is one order or one refund, for a reason that was true,
//! and every client got the same response each time.

use serde_json::{Value, json};

use super::{Storm, Verdict};
use crate::soak::database_state::Payment;
use crate::soak::log::Charged;

pub fn judge(storm: &Storm<'_>, verdict: &mut Verdict) {
    for charged in &storm.log.charged {
        let Some(found) = storm.truth.payments.get(&charged.payment) else {
            verdict.check("captured money is an order or a refund", false, || format!("{charged:?} is not there"));
            continue;
        };
        let written = found.hold_ref == charged.hold.to_string()
            && (&found.user_id, found.amount, &found.currency) == (&charged.user, charged.amount, &charged.currency);
        let one = found.order_id.is_some() != found.refund_reason.is_some();
        verdict.check("captured money is an order or a refund", written && one, || format!("{charged:?}: {found:?}"));
        let reason = reason_is_true(storm, charged, found);
        verdict.check("a payment became what it had to", reason, || {
            format!("{charged:?}: {found:?} of {:?}", storm.truth.holds.get(&charged.hold))
        });
    }
    for payment in storm.payments {
        let Some(found) = storm.truth.payments.get(&payment.payment_id) else { continue };
        let wanted = match (&found.order_id, &found.refund_reason) {
            (Some(order), _) => json!({"result": "confirmed", "order_id": order}),
            (None, reason) => json!({"result": "refund_required", "reason": reason}),
        };
        for answer in payment.answers() {
            verdict.check("a webhook is answered with what became of its payment", answer == wanted, || {
                format!("{}: {answer}, not {wanted}", payment.payment_id)
            });
        }
        let odd: Vec<u16> = payment.odd().collect();
        verdict.check("every webhook was taken in the end", payment.is_settled() && odd.is_empty(), || {
            format!("{payment:?}")
        });
    }
    let taken: std::collections::HashSet<&str> =
        storm.log.charged.iter().map(|charged| charged.payment.as_str()).collect();
    for (hold, order) in &storm.truth.orders {
        verdict.check("every order was paid for", taken.contains(order.payment_id.as_str()), || {
            format!("{} of hold {hold}", Value::from(order.order_id.to_string()))
        });
    }
}

/// Whether the hold says the same as the reason. A hold ends once, so its present state shows the former one.
fn reason_is_true(storm: &Storm<'_>, charged: &Charged, found: &Payment) -> bool {
    let Some(hold) = storm.truth.holds.get(&charged.hold) else { return false };
    let order = storm.truth.orders.get(&charged.hold);
    let amount: i64 = hold.lines.iter().map(|(_, qty)| qty * crate::soak::world::PRICE).sum();
    let differs = (charged.amount, charged.currency.as_str()) != (amount, crate::soak::world::CURRENCY);
    match found.refund_reason.as_deref() {
        None => {
            let own = order
                .is_some_and(|order| order.payment_id == charged.payment && Some(order.order_id) == found.order_id);
            own && hold.status == "COMMITTED" && hold.user_id == charged.user && !differs
        }
        Some("already_paid") => order.is_some_and(|order| order.payment_id != charged.payment),
        Some("hold_released") => hold.status == "RELEASED",
        Some("hold_expired") => hold.status == "EXPIRED" && hold.expire_us <= found.created_us,
        Some("user_mismatch") => hold.user_id != charged.user,
        Some("amount_mismatch") => differs,
        Some(_) => false,
    }
}
