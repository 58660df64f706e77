//! A refund that waits for an account to go to: somebody names one, and it is paid back to it at once. The account is passed
//! on to the gateway; it is not kept, and no log shows it.

use protocol::refund::{AccountOutcome, RefundTo, Which};
use serde::Deserialize;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::payment::gateways::Desk;
use crate::payment::refund::{Due, Ended, pay_back_to};
use crate::runtime::database::{Broken, Database};
use crate::runtime::limits::REFUND_LEASE_S;

/// When what the gateway has taken on is asked about again, in seconds.
const ASK_AGAIN_S: [f64; 2] = [0.0, 5.0];

#[derive(Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum Claim {
    NotFound,
    InProgress,
    Due { due: Due },
}

/// # Errors
/// The database cannot answer; the refund is tried again when its lease is over, without an account.
pub async fn refund_to(database: &Database, desk: &Desk, request: &RefundTo) -> Result<AccountOutcome, Broken> {
    let (user_id, hold_id, letter) = match &request.which {
        Which::OfHold { user_id, hold_id } => {
            let hold_id = Uuid::parse_str(hold_id).map_err(|_| Broken::misused("hold_id is not a UUID"))?;
            (Some(user_id), Some(hold_id), None)
        }
        Which::Letter { letter } => (None, None, Some(letter)),
    };
    let lease_s = i32::try_from(REFUND_LEASE_S).unwrap_or(i32::MAX);
    let params = &[
        (&user_id as _, Type::TEXT),
        (&hold_id as _, Type::UUID),
        (&letter as _, Type::TEXT),
        (&lease_s as _, Type::INT4),
    ];
    let claim = database.json("select holdfast.claim_refund_to($1, $2, $3, $4)", params).await?;
    let due = match claim.ok_or_else(|| Broken::misused("claiming a refund has no outcome"))? {
        Claim::NotFound => return Ok(AccountOutcome::NotFound),
        Claim::InProgress => return Ok(AccountOutcome::InProgress),
        Claim::Due { due } => due,
    };
    let account = Some(&request.refund_account);
    let (ended, failure) = pay_back_to(database, desk, &ASK_AGAIN_S, &due, account).await?;
    let status = match ended {
        Ended::Completed => "completed",
        Ended::Failed => "failed",
        Ended::Later => "pending",
    };
    Ok(AccountOutcome::Tried { status: status.to_owned(), failure: failure.filter(|_| ended != Ended::Completed) })
}
