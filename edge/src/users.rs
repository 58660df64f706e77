//! People: a user is forgotten.

use protocol::operate::{Operation, Why};

use crate::call::{Answered, Call};
use crate::operate::{by, run};

pub async fn forget(call: &mut Call, user_id: String) -> Answered {
    let Why { reason } = call.json_if_any().await?;
    let by = by(call, reason)?;
    run(call, Operation::ForgetUser { by, user_id }).await
}
