//! What operators did: the ledger, newest first, a page at a time.

use protocol::admin::FieldError;
use protocol::operate::Operation;

use crate::call::{Answered, Call};
use crate::operate::{fault, run};
use crate::problem::Problem;
use crate::{bounds, percent};

pub async fn list(call: &Call) -> Answered {
    call.operator()?;
    let (before, limit) = page(&call.head.url)?;
    run(call, Operation::Actions { before, limit }).await
}

/// Where to go on, and how many.
fn page(url: &str) -> Result<(Option<i64>, i32), Problem> {
    let (mut before, mut limit) = (None, bounds::PAGE_DEFAULT);
    let mut wrong: Vec<FieldError> = Vec::new();
    for (name, value) in percent::query(url) {
        let value = value.unwrap_or_default();
        match name.as_ref() {
            "cursor" => match entry(&value) {
                Some(id) => before = Some(id),
                None => wrong.push(fault("/cursor", "Send the `next` of another page.")),
            },
            "limit" => match value.parse() {
                Ok(number) if (1..=bounds::PAGE_MAX).contains(&number) => limit = number,
                _ => wrong.push(fault("/limit", "Ask for 1 to 100 at a time.")),
            },
            // The table of parameters knows no other.
            _ => {}
        }
    }
    if wrong.is_empty() { Ok((before, limit)) } else { Err(Problem::invalid(wrong)) }
}

/// The entry of the ledger that a page's `next` names, as the database wrote it: `a` and its number in hexadecimal.
fn entry(cursor: &str) -> Option<i64> {
    let digits =
        cursor.strip_prefix('a').filter(|digits| (1..=15).contains(&digits.len()) && !digits.starts_with('0'))?;
    let plain = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| i64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Answer;

    #[test]
    fn a_page_is_asked_for_by_its_place_and_its_length_alone() {
        let of = |query: &str| {
            let page = page(&format!("http://edge/v1/admin/actions{query}"));
            page.map_err(|problem| Answer::from(problem).status)
        };
        assert_eq!(of(""), Ok((None, 50)));
        assert_eq!(of("?limit=100&cursor=aff"), Ok((Some(255), 100)));
        for wrong in [
            "?limit=0",
            "?limit=101",
            "?limit=x",
            "?cursor=",
            "?cursor=17",
            "?cursor=a-1",
            "?cursor=a0",
            "?cursor=aF",
            "?cursor=a%2B1",
        ] {
            assert_eq!(of(wrong), Err(422), "{wrong}");
        }
    }
}
