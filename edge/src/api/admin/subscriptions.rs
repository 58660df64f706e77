//! Subscriptions: who is told of what happens. Their endpoints are judged by the `admin` function, which knows what
//! leads inside.

use protocol::operate::{NewSubscription, Operation, Rotation, SubscriptionChange, SubscriptionStatus, Why};

use crate::api::admin::deliveries::{by, run};
use crate::auth;
use crate::http::context::{Answered, Call};
use crate::http::idempotency;
use crate::http::problem::{Problem, fault};
use crate::runtime::limits;

pub async fn list(call: &Call) -> Answered {
    auth::operator(call)?;
    run(call, Operation::Subscriptions).await
}

pub async fn one(call: &Call, subscription_id: String) -> Answered {
    auth::operator(call)?;
    run(call, Operation::Subscription { subscription_id }).await
}

pub async fn create(call: &mut Call) -> Answered {
    auth::operator(call)?;
    let subscription: NewSubscription = call.json().await?;
    let by = by(call, subscription.reason.clone())?;
    let idem_key = idempotency::key(call.header("Idempotency-Key"))?;
    run(call, Operation::CreateSubscription { by, idem_key, subscription }).await
}

pub async fn change(call: &mut Call, subscription_id: String) -> Answered {
    auth::operator(call)?;
    let SubscriptionChange { status, reason } = call.json().await?;
    let status = SubscriptionStatus::named(&status)
        .ok_or_else(|| Problem::invalid(vec![fault("/status", "Set it to enabled or disabled.")]))?;
    let by = by(call, reason)?;
    run(call, Operation::SetSubscription { by, subscription_id, status }).await
}

pub async fn delete(call: &mut Call, subscription_id: String) -> Answered {
    auth::operator(call)?;
    let Why { reason } = call.json_if_any().await?;
    let by = by(call, reason)?;
    let deleted = run(call, Operation::DeleteSubscription { by, subscription_id }).await?;
    Ok(crate::http::response::Answer { status: 204, body: Vec::new(), headers: Vec::new(), ..deleted })
}

pub async fn rotate_secret(call: &mut Call, subscription_id: String) -> Answered {
    auth::operator(call)?;
    let Rotation { overlap_s, reason } = call.json_if_any().await?;
    let by = by(call, reason)?;
    let idem_key = idempotency::key(call.header("Idempotency-Key"))?;
    let overlap_s = overlap_s.unwrap_or(limits::SECRET_OVERLAP_S);
    run(call, Operation::RotateSecret { by, idem_key, subscription_id, overlap_s }).await
}
