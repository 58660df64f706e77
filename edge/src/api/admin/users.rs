//! `POST /v1/admin/users/{user_id}/forget`: erases a user.

use protocol::deliveries::{Operation, Why};

use crate::api::admin::deliveries::{actor, run};
use crate::http::context::{HandlerResult, RequestContext};

pub async fn forget(context: &mut RequestContext, user_id: String) -> HandlerResult {
    let Why { reason } = context.json_if_any().await?;
    let by = actor(context, reason)?;
    run(context, Operation::ForgetUser { by, user_id }).await
}
