//! Subscriptions to events. Their endpoints are checked by the `admin` function, which knows the private networks.

use protocol::deliveries::{NewSubscription, Operation, Rotation, SubscriptionChange, SubscriptionStatus, Why};

use crate::api::admin::deliveries::{actor, run};
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::idempotency;
use crate::http::problem::{Problem, field_error};
use crate::runtime::limits;

pub async fn list(context: &RequestContext) -> HandlerResult {
    run(context, Operation::Subscriptions).await
}

pub async fn one(context: &RequestContext, subscription_id: String) -> HandlerResult {
    run(context, Operation::Subscription { subscription_id }).await
}

pub async fn create(context: &mut RequestContext) -> HandlerResult {
    let subscription: NewSubscription = context.json().await?;
    let by = actor(context, subscription.reason.clone())?;
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
    let idem_key = idempotency::key(context.header("Idempotency-Key"))?;
    let overlap_s = overlap_s.unwrap_or(limits::SECRET_OVERLAP_S);
    run(context, Operation::RotateSecret { by, idem_key, subscription_id, overlap_s }).await
}
