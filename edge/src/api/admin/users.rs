//! People: a user is forgotten.

use protocol::operate::{Operation, Why};

use crate::api::admin::deliveries::{by, run};
use crate::http::context::{Answered, Call};

pub async fn forget(call: &mut Call, user_id: String) -> Answered {
    let Why { reason } = call.json_if_any().await?;
    let by = by(call, reason)?;
    run(call, Operation::ForgetUser { by, user_id }).await
}
