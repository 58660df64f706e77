//! The operator's view of the money: which payment became what, and an order that is cancelled with its refund.

use serde::Deserialize;
use wire::admin::{Command, Fault, Outcome};
use wire::payments::{Cancellation, PAYMENT_STATES, PaymentPage};

use crate::call::{Answered, Call};
use crate::gate::ask::forget;
use crate::problem::Problem;
use crate::{admin, bounds, idempotency, text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    reason: String,
}

pub async fn cancel_order(call: &mut Call, order_id: String) -> Answered {
    call.operator()?;
    let Body { reason } = call.json().await?;
    if !text::is_printable(reason.trim(), bounds::REASON_MAX_CHARS) {
        let detail = "Say why in 1 to 500 characters, none of them a control character.".to_owned();
        return Err(Problem::invalid(vec![Fault { pointer: "/reason".to_owned(), detail }]));
    }
    let idem_key = idempotency::key(call.header("Idempotency-Key").as_deref())?;
    let operator = operator(call.header("X-Operator").as_deref())?;
    let cancellation = Cancellation { reason, operator };
    let outcome = admin::outcome(call, Command::CancelOrder { order_id, idem_key, cancellation }).await?;
    if let Outcome::Order { order, .. } = &outcome {
        // Its stock is for sale again.
        forget(call, &order.sale_id).await;
    }
    admin::tell(outcome)
}

pub async fn list(call: &Call) -> Answered {
    call.operator()?;
    let page = page(&call.request.inner().url()).map_err(Problem::invalid)?;
    admin::run(call, Command::ListPayments { page }).await
}

/// Who asks: the token has no name of its own.
fn operator(header: Option<&str>) -> Result<String, Problem> {
    let name = header.unwrap_or("operator");
    if text::is_printable(name, bounds::USER_ID_MAX_CHARS) {
        return Ok(name.to_owned());
    }
    Err(Problem::malformed("Send `X-Operator` as 1 to 128 printable characters, or leave it out."))
}

fn page(url: &str) -> Result<PaymentPage, Vec<Fault>> {
    let query = url.split('#').next().and_then(|url| url.split_once('?')).map_or("", |(_, query)| query);
    let given = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| faults.push(Fault { pointer: pointer.to_owned(), detail });
    let state = given("state").map(str::to_owned);
    if state.as_deref().is_some_and(|state| !PAYMENT_STATES.contains(&state)) {
        fault("/state", format!("Ask for one of {}.", PAYMENT_STATES.join(", ")));
    }
    let after = given("after").map_or(Ok(0), str::parse);
    if after.is_err() {
        fault("/after", "Send the last page's `next`.".to_owned());
    }
    let limit = given("limit").map_or(Ok(bounds::PAGE_DEFAULT), str::parse);
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
        assert_eq!(of("?state=refund_failed&limit=100&after=7"), Ok(refunds));
        for bad in ["?state=lost", "?limit=0", "?limit=101", "?limit=x", "?after=x", "?state="] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_operator_may_have_a_name() {
        let of = |header| operator(header).map_err(|problem| crate::answer::Answer::from(problem).status);
        assert_eq!(of(None), Ok("operator".to_owned()));
        assert_eq!(of(Some("민지")), Ok("민지".to_owned()));
        assert_eq!(of(Some("a\0")), Err(400));
    }
}
