//! An operator looks at an order, or cancels it with its refund.

use protocol::admin::{AdminOutcome, Command};
use protocol::payments::Cancellation;

use crate::api::admin;
use crate::api::admin::deliveries::actor;
use crate::gate::forget::forget;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::idempotency;

/// `GET /v1/admin/orders/{order_id}`.
pub async fn one(context: &RequestContext, order_id: String) -> HandlerResult {
    admin::run(context, Command::Order { order_id }).await
}

/// `POST /v1/admin/orders/{order_id}/cancel`.
pub async fn cancel(context: &mut RequestContext, order_id: String) -> HandlerResult {
    let Cancellation { reason } = context.json().await?;
    let by = actor(context, reason)?;
    let idem_key = idempotency::key(context.header("Idempotency-Key"))?;
    let outcome = admin::outcome(context, Command::CancelOrder { by, idem_key, order_id }).await?;
    if let AdminOutcome::Order { order, .. } = &outcome {
        // Its stock is for sale again.
        forget(context, &order.sale_id).await;
    }
    admin::into_response(outcome)
}
