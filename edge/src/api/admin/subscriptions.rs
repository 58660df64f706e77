//! Subscriptions to events. Their endpoints are checked by the `admin` function, which knows the private networks.

use protocol::deliveries::{
    NewSubscription, Operation, OperationOutcome, Rotation, Subscription, SubscriptionChange, SubscriptionStatus, Why,
};
use protocol::subscription::SECRET_OVERLAP_MAX_S;

use crate::api::admin::deliveries::{actor, outcome, run};
use crate::api::cursor;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::idempotency;
use crate::http::problem::{Problem, field_error};
use crate::http::query::{self, Bare, query};
use crate::http::response::Response;
use crate::http::text::uuid;
use crate::runtime::limits;

/// The list has none beside its name.
const FILTERS: [&str; 1] = ["subscriptions"];

query! {
    pub struct SubscriptionsQuery { cursor, limit }
}

/// There are so few of them (`SUBSCRIPTIONS_MAX`) that the function returns all, and a page is taken here.
pub async fn list(context: &RequestContext) -> HandlerResult {
    let (before, limit) = page_of(&context.head.url)?;
    let OperationOutcome::Subscriptions { subscriptions } = outcome(context, Operation::Subscriptions).await? else {
        return Err(Problem::unavailable().because("admin answered another question"));
    };
    let (subscriptions, next) = page(subscriptions, before.as_deref(), limit);
    Ok(Response::json(200, &serde_json::json!({"subscriptions": subscriptions, "next": next})))
}

/// The id that the page goes on behind, and the limit.
fn page_of(url: &str) -> Result<(Option<String>, usize), Problem> {
    let given = SubscriptionsQuery::read(url, Bare::Empty);
    let before = given.cursor.as_deref().map(|cursor| cursor::read(&FILTERS, cursor).and_then(|last| uuid(&last)));
    let mut wrong = Vec::new();
    if before == Some(None) {
        wrong.push(field_error("/cursor", "Send the `next` of another page."));
    }
    match query::limit(given.limit.as_deref()).and_then(|limit| usize::try_from(limit).ok()) {
        Some(limit) if wrong.is_empty() => return Ok((before.flatten(), limit)),
        Some(_) => {}
        None => wrong.push(field_error("/limit", "Send 1 to 100.")),
    }
    Err(Problem::invalid(wrong))
}

/// Newest first: the ids are in the order of time, so what is added meanwhile does not move a page.
fn page(mut all: Vec<Subscription>, before: Option<&str>, limit: usize) -> (Vec<Subscription>, Option<String>) {
    all.sort_unstable_by(|one, other| other.subscription_id.cmp(&one.subscription_id));
    all.retain(|one| before.is_none_or(|before| one.subscription_id.as_str() < before));
    let more = all.len() > limit;
    all.truncate(limit);
    let last = all.last().filter(|_| more).map(|last| cursor::write(&FILTERS, &last.subscription_id));
    (all, last)
}

pub async fn one(context: &RequestContext, subscription_id: String) -> HandlerResult {
    run(context, Operation::Subscription { subscription_id }).await
}

pub async fn create(context: &mut RequestContext) -> HandlerResult {
    let subscription: NewSubscription = context.json().await?;
    let by = actor(context, subscription.reason.clone())?;
    // In the order of refusals what is wrong with the body comes before what is wrong with the key.
    let errors = subscription.errors();
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let idem_key = idempotency::key(context.header("Idempotency-Key"))?;
    run(context, Operation::CreateSubscription { by, idem_key, subscription }).await
}

pub async fn change(context: &mut RequestContext, subscription_id: String) -> HandlerResult {
    let SubscriptionChange { status, reason } = context.json().await?;
    let status = SubscriptionStatus::named(&status)
        .ok_or_else(|| Problem::invalid(vec![field_error("/status", "Set it to enabled or disabled.")]))?;
    let by = actor(context, reason)?;
    run(context, Operation::SetSubscription { by, subscription_id, status }).await
}

pub async fn delete(context: &mut RequestContext, subscription_id: String) -> HandlerResult {
    let Why { reason } = context.json_if_any().await?;
    let by = actor(context, reason)?;
    let deleted = run(context, Operation::DeleteSubscription { by, subscription_id }).await?;
    Ok(crate::http::response::Response { status: 204, body: Vec::new(), headers: Vec::new(), ..deleted })
}

pub async fn rotate_secret(context: &mut RequestContext, subscription_id: String) -> HandlerResult {
    let Rotation { overlap_s, reason } = context.json_if_any().await?;
    let by = actor(context, reason)?;
    let overlap_s = overlap_s.unwrap_or(limits::SECRET_OVERLAP_S);
    if !(0..=SECRET_OVERLAP_MAX_S).contains(&overlap_s) {
        return Err(Problem::invalid(vec![field_error("/overlap_s", "must be from 0 to 604800 seconds")]));
    }
    let idem_key = idempotency::key(context.header("Idempotency-Key"))?;
    run(context, Operation::RotateSecret { by, idem_key, subscription_id, overlap_s }).await
}
