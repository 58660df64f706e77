//! Dead letters: listing them, replaying one or many, and deciding that one needs nothing more.

use protocol::admin::FieldError;
use protocol::deliveries::{Because, Decision, Filter, Operation};
use protocol::refund::{RefundAccount, RefundSelector};

use crate::api::admin::deliveries::{actor, run, run_page};
use crate::api::cursor;
use crate::api::payments::open;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{Problem, field_error};
use crate::http::query::{self, Bare, query};
use crate::http::{idempotency, text};
use crate::runtime::limits;

/// What a dead letter can be.
pub const KINDS: [&str; 4] = ["event", "refund", "unknown_hold", "unanswered_payment"];

query! {
    pub struct DeadLettersQuery { kind, event_type, subscription, sale_id, cursor, limit }
}

pub async fn list(context: &RequestContext) -> HandlerResult {
    let (filter, after, limit) = asked(&context.head.url).map_err(Problem::invalid)?;
    let bound_to = filter.clone();
    run_page(context, Operation::DeadLetters { filter, after, limit }, &filters(&bound_to)).await
}

fn filters(filter: &Filter) -> [&str; 5] {
    let Filter { kind, event_type, subscription, sale_id, .. } = filter;
    let [kind, event_type, subscription, sale_id] =
        [kind, event_type, subscription, sale_id].map(|value| value.as_deref().unwrap_or_default());
    ["dead letters", kind, event_type, subscription, sale_id]
}

pub async fn replay_one(context: &mut RequestContext, id: String) -> HandlerResult {
    let Again { reason, refund_account } = context.json_if_any().await?;
    let (by, idem_key) = (actor(context, reason)?, key_if_any(context)?);
    let replayed = run(context, Operation::ReplayDeadLetter { by, idem_key, id: id.clone() }).await?;
    match refund_account {
        // The replay is recorded with its actor. The account goes with this attempt and is not stored.
        Some(account) => open::refund_to(context, RefundSelector::Letter { letter: id }, account).await,
        None => Ok(replayed),
    }
}

/// The body of `POST /v1/admin/dead-letters/{id}/replay`.
#[derive(Default, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Again {
    #[serde(default)]
    reason: Option<String>,
    /// The bank account, for the refund of a deposit that waits for one.
    #[serde(default)]
    refund_account: Option<RefundAccount>,
}

pub async fn replay_many(context: &mut RequestContext) -> HandlerResult {
    let filter: Filter = context.json_if_any().await?;
    let errors = field_errors(&filter);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let (by, idem_key) = (actor(context, filter.reason.clone())?, key_if_any(context)?);
    run(context, Operation::ReplayDeadLetters { by, idem_key, filter }).await
}

pub async fn decide(context: &mut RequestContext, id: String, decision: Decision) -> HandlerResult {
    let Because { reason } = context.json().await?;
    let (by, idem_key) = (actor(context, Some(reason))?, key_if_any(context)?);
    run(context, Operation::DecideDeadLetter { by, idem_key, id, decision }).await
}

/// The key is optional: replaying twice does no harm. With a key, a repetition gets the same answer.
fn key_if_any(context: &RequestContext) -> Result<Option<String>, Problem> {
    let header = context.header("Idempotency-Key");
    header.map(|header| idempotency::key(Some(header))).transpose()
}

/// The filter, the cursor and the limit.
pub fn asked(url: &str) -> Result<(Filter, Option<String>, i32), Vec<FieldError>> {
    let DeadLettersQuery { kind, event_type, subscription, sale_id, cursor, limit } =
        DeadLettersQuery::read(url, Bare::Empty);
    let filter = Filter { kind, event_type, subscription, sale_id, ..Filter::default() };
    let mut wrong = field_errors(&filter);
    let plain = |last: &String| is_plain(last, limits::DEAD_LETTER_ID_MAX_CHARS);
    let after = cursor.as_deref().and_then(|given| cursor::read(&filters(&filter), given)).filter(plain);
    if cursor.is_some() && after.is_none() {
        wrong.push(field_error("/cursor", "Send the last page's `next`, with the filters of that page."));
    }
    match query::limit(limit.as_deref()) {
        Some(limit) if wrong.is_empty() => return Ok((filter, after, limit)),
        Some(_) => {}
        None => wrong.push(field_error("/limit", "Send 1 to 100.")),
    }
    Err(wrong)
}

fn field_errors(filter: &Filter) -> Vec<FieldError> {
    let Filter { kind, event_type, subscription, sale_id, .. } = filter;
    let holds = |value: &Option<String>, rule: &dyn Fn(&str) -> bool| value.as_deref().is_none_or(rule);
    [
        (
            holds(kind, &|kind| KINDS.contains(&kind)),
            "/kind",
            "Ask for event, refund, unknown_hold or unanswered_payment.",
        ),
        (holds(event_type, &is_event_type), "/event_type", "Name a type of event, as docs/events.md lists them."),
        (holds(subscription, &|id| text::uuid(id).is_some()), "/subscription", "Name a subscription by its id."),
        (holds(sale_id, &text::is_slug), "/sale_id", "Use 1 to 64 of a-z, 0-9 and -, not beginning with -."),
    ]
    .into_iter()
    .filter(|(holds, ..)| !holds)
    .map(|(_, pointer, detail)| field_error(pointer, detail))
    .collect()
}

fn is_event_type(name: &str) -> bool {
    protocol::event::EVENT_TYPES.iter().any(|event| event.name == name)
}

fn is_plain(text: &str, max_chars: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=max_chars).contains(&text.len()) && text.bytes().all(plain)
}

/// A dead letter's id, as `dead_letters.sql` writes it.
pub fn id(text: &str) -> Option<String> {
    is_plain(text, limits::DEAD_LETTER_ID_MAX_CHARS).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_query_takes_known_filters_cursor_and_limit_only() {
        let of = |query: &str| asked(&format!("http://edge/v1/admin/dead-letters{query}"));
        let of_it =
            Filter { kind: Some("event".to_owned()), sale_id: Some("spring-drop".to_owned()), ..Filter::default() };
        let cursor = cursor::write(&filters(&of_it), "17.event-3");
        let (filter, after, limit) =
            of(&format!("?kind=event&sale_id=spring-drop&limit=7&cursor={cursor}")).unwrap_or_default();
        assert_eq!((filter.kind.as_deref(), filter.sale_id.as_deref()), (Some("event"), Some("spring-drop")));
        assert_eq!((after.as_deref(), limit), (Some("17.event-3"), 7));
        assert!(of(&format!("?kind=event&cursor={cursor}")).is_err(), "a cursor belongs to its filters");
        assert_eq!(of(""), Ok((Filter::default(), None, 50)));
        for wrong in [
            "?kind=order",
            "?limit=0",
            "?limit=101",
            "?limit=x",
            "?cursor=",
            "?cursor=17.event-3",
            "?sale_id=A",
            "?subscription=1",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        let long = "a".repeat(limits::DEAD_LETTER_ID_MAX_CHARS + 1);
        for made_up in ["", "a b", "a\0", long.as_str()] {
            let cursor = cursor::write(&filters(&Filter::default()), made_up);
            assert!(of(&format!("?cursor={cursor}")).is_err(), "{made_up:?}");
        }
        assert!(query::error("?sale=a", DeadLettersQuery::NAMES).is_some(), "a misspelled filter");
    }
}
