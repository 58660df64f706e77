//! `GET /v1/admin/actions`: the ledger of operators' actions, newest first, a page at a time.

use protocol::admin::FieldError;
use protocol::deliveries::Operation;

use crate::api::admin::deliveries::run_page;
use crate::api::cursor;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{Problem, field_error};
use crate::http::query::{self, Bare, query};
#[cfg(any(test, feature = "fuzz"))]
use crate::runtime::limits;

/// The list has none beside its name.
const FILTERS: [&str; 1] = ["actions"];

query! {
    pub struct ActionsQuery { cursor, limit }
}

pub async fn list(context: &RequestContext) -> HandlerResult {
    let (before, limit) = page(&context.head.url)?;
    run_page(context, Operation::Actions { before, limit }, &FILTERS).await
}

/// The cursor and the limit.
fn page(url: &str) -> Result<(Option<i64>, i32), Problem> {
    let given = ActionsQuery::read(url, Bare::Empty);
    let before = given.cursor.as_deref().map(|cursor| cursor::read(&FILTERS, cursor).and_then(|last| entry(&last)));
    let mut wrong: Vec<FieldError> = Vec::new();
    if before == Some(None) {
        wrong.push(field_error("/cursor", "Send the `next` of another page."));
    }
    match query::limit(given.limit.as_deref()) {
        Some(limit) if wrong.is_empty() => return Ok((before.flatten(), limit)),
        Some(_) => {}
        None => wrong.push(field_error("/limit", "Send 1 to 100.")),
    }
    Err(Problem::invalid(wrong))
}

/// The entry of the ledger that a page's `next` names, as the database wrote it: `a` and its number in hexadecimal.
fn entry(cursor: &str) -> Option<i64> {
    let digits =
        cursor.strip_prefix('a').filter(|digits| (1..=15).contains(&digits.len()) && !digits.starts_with('0'))?;
    let plain = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| i64::from_str_radix(digits, 16).ok()).flatten()
}

/// For the fuzzer: a page begins before an entry that can be, and its cursor leads there again.
#[cfg(any(test, feature = "fuzz"))]
pub fn assert_page(url: &str) {
    let Ok((before, limit)) = page(url) else { return };
    assert!((1..=limits::PAGE_MAX).contains(&limit));
    if let Some(before) = before {
        assert!(before > 0);
        let again = format!("?cursor={}", cursor::write(&FILTERS, &format!("a{before:x}")));
        assert_eq!(page(&again).ok(), Some((Some(before), limits::PAGE_DEFAULT)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::Response;

    #[test]
    fn a_page_query_takes_cursor_and_limit_only() {
        let of = |query: &str| {
            let page = page(&format!("http://edge/v1/admin/actions{query}"));
            page.map_err(|problem| Response::from(problem).status)
        };
        assert_eq!(of(""), Ok((None, 50)));
        let cursor = |last: &str| cursor::write(&FILTERS, last);
        assert_eq!(of(&format!("?limit=100&cursor={}", cursor("aff"))), Ok((Some(255), 100)));
        for wrong in ["", "17", "a-1", "a0", "aF", "a+1"].map(cursor) {
            assert_eq!(of(&format!("?cursor={wrong}")), Err(422), "{wrong}");
        }
        for wrong in ["?limit=0", "?limit=101", "?limit=x", "?cursor=", "?cursor=aff"] {
            assert_eq!(of(wrong), Err(422), "{wrong}");
        }
    }
}
