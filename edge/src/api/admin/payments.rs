//! `GET /v1/admin/payments`: which payment became what, a page at a time.

use protocol::admin::{AdminOutcome, Command, FieldError};
use protocol::payments::{PAYMENT_STATES, PaymentPage};

use crate::api::{admin, cursor};
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::Problem;
use crate::http::query::{self, Bare, query};

query! {
    pub struct PaymentsQuery { state, cursor, limit }
}

pub async fn list(context: &RequestContext) -> HandlerResult {
    let page = page(&context.head.url).map_err(Problem::invalid)?;
    let state = page.state.clone();
    let outcome = match admin::outcome(context, Command::ListPayments { page }).await? {
        AdminOutcome::Payments { payments, next } => {
            let next = next.map(|last| cursor::write(&filters(state.as_deref()), &last));
            AdminOutcome::Payments { payments, next }
        }
        other => other,
    };
    admin::into_response(outcome)
}

fn filters(state: Option<&str>) -> [&str; 2] {
    ["payments", state.unwrap_or_default()]
}

pub fn page(url: &str) -> Result<PaymentPage, Vec<FieldError>> {
    let PaymentsQuery { state, cursor, limit } = PaymentsQuery::read(url, Bare::LeftOut);
    let mut errors = Vec::new();
    let mut field_error =
        |pointer: &str, detail: String| errors.push(FieldError { pointer: pointer.to_owned(), detail });
    if state.as_deref().is_some_and(|state| !PAYMENT_STATES.contains(&state)) {
        field_error("/state", format!("Ask for one of {}.", PAYMENT_STATES.join(", ")));
    }
    let mut before = None;
    if let Some(given) = cursor {
        before = cursor::read(&filters(state.as_deref()), &given).and_then(|last| last.parse().ok());
        if before.is_none() {
            field_error("/cursor", "Send the last page's `next`, with the filters of that page.".to_owned());
        }
    }
    let limit = query::limit(limit.as_deref());
    if limit.is_none() {
        field_error("/limit", "Send 1 to 100.".to_owned());
    }
    match limit {
        Some(limit) if errors.is_empty() => Ok(PaymentPage { state, after: None, before, limit }),
        _ => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_query_takes_state_cursor_and_limit() {
        let of = |query: &str| page(&format!("http://edge/v1/admin/payments{query}"));
        assert_eq!(of(""), Ok(PaymentPage { limit: 50, ..PaymentPage::default() }));
        let cursor = cursor::write(&filters(Some("refund_failed")), "7");
        let refunds = PaymentPage {
            state: Some("refund_failed".to_owned()),
            before: Some(7),
            limit: 100,
            ..PaymentPage::default()
        };
        assert_eq!(of(&format!("?state=refund_failed&limit=100&cursor={cursor}")), Ok(refunds));
        for other in ["", "state=refunded&"] {
            assert!(of(&format!("?{other}cursor={cursor}")).is_err(), "a cursor belongs to its filters: {other}");
        }
        for no_number in ["", "x", "7x", "1.5"] {
            let cursor = cursor::write(&filters(None), no_number);
            assert!(of(&format!("?cursor={cursor}")).is_err(), "{no_number:?}");
        }
        assert_eq!(of("?state=refund%5Ffailed").map(|page| page.state), Ok(Some("refund_failed".to_owned())));
        for bad in ["?state=lost", "?limit=0", "?limit=101", "?limit=x", "?cursor=x", "?cursor=7", "?state="] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
