//! The operator's view of the money: which payment became what, and an order that is cancelled with its refund.

use std::borrow::Cow;

use protocol::admin::{AdminOutcome, Command, FieldError};
use protocol::payments::{Cancellation, PAYMENT_STATES, PaymentPage};

use crate::call::{Answered, Call};
use crate::gate::forget::forget;
use crate::operate::by;
use crate::problem::Problem;
use crate::{admin, bounds, idempotency, percent};

pub async fn cancel_order(call: &mut Call, order_id: String) -> Answered {
    call.operator()?;
    let Cancellation { reason } = call.json().await?;
    let by = by(call, reason)?;
    let idem_key = idempotency::key(call.header("Idempotency-Key"))?;
    let outcome = admin::outcome(call, Command::CancelOrder { by, idem_key, order_id }).await?;
    if let AdminOutcome::Order { order, .. } = &outcome {
        // Its stock is for sale again.
        forget(call, &order.sale_id).await;
    }
    admin::tell(outcome)
}

/// `GET /v1/admin/orders/{order_id}`.
pub async fn order(call: &Call, order_id: String) -> Answered {
    call.operator()?;
    admin::run(call, Command::Order { order_id }).await
}

pub async fn list(call: &Call) -> Answered {
    call.operator()?;
    let page = page(&call.head.url).map_err(Problem::invalid)?;
    admin::run(call, Command::ListPayments { page }).await
}

pub fn page(url: &str) -> Result<PaymentPage, Vec<FieldError>> {
    let given = |name: &str| percent::given(url, name);
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| faults.push(FieldError { pointer: pointer.to_owned(), detail });
    let state = given("state").map(Cow::into_owned);
    if state.as_deref().is_some_and(|state| !PAYMENT_STATES.contains(&state)) {
        fault("/state", format!("Ask for one of {}.", PAYMENT_STATES.join(", ")));
    }
    let after = given("cursor").map_or(Ok(0), |cursor| cursor.parse());
    if after.is_err() {
        fault("/cursor", "Send the last page's `next`.".to_owned());
    }
    let limit = given("limit").map_or(Ok(bounds::PAGE_DEFAULT), |limit| limit.parse());
    if !limit.as_ref().is_ok_and(|limit| (1..=bounds::PAGE_MAX).contains(limit)) {
        fault("/limit", "Ask for 1 to 100.".to_owned());
    }
    if faults.is_empty() {
        return Ok(PaymentPage {
            state,
            after: after.unwrap_or_default(),
            limit: limit.unwrap_or(bounds::PAGE_DEFAULT),
        });
    }
    Err(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_its_state_its_place_and_its_length() {
        let of = |query: &str| page(&format!("http://edge/v1/admin/payments{query}"));
        assert_eq!(of(""), Ok(PaymentPage { state: None, after: 0, limit: 50 }));
        let refunds = PaymentPage { state: Some("refund_failed".to_owned()), after: 7, limit: 100 };
        assert_eq!(of("?state=refund_failed&limit=100&cursor=7"), Ok(refunds));
        assert_eq!(of("?state=refund%5Ffailed").map(|page| page.state), Ok(Some("refund_failed".to_owned())));
        for bad in ["?state=lost", "?limit=0", "?limit=101", "?limit=x", "?cursor=x", "?state="] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
