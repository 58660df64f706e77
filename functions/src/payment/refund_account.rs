//! A refund that waits for a bank account: when a buyer or an operator names one, it is attempted at once. The account
//! is passed on to the gateway; it is neither stored nor logged.

use protocol::refund::{AccountOutcome, RefundSelector, RefundTo};
use serde::Deserialize;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::payment::gateways::Gateways;
use crate::payment::refund::{RefundJob, RefundResult, refund_to_account};
use crate::runtime::database::{Database, InfraError};
use crate::runtime::limits::REFUND_LEASE_S;

/// When an accepted refund is looked up again, in seconds.
const ASK_AGAIN_S: [f64; 2] = [0.0, 5.0];

#[derive(Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum Claim {
    NotFound,
    InProgress,
    Due { due: RefundJob },
}

/// # Errors
/// The database cannot answer; the refund is tried again when its lease is over, without an account.
pub async fn refund_to(
    database: &Database,
    gateways: &Gateways,
    request: &RefundTo,
) -> Result<AccountOutcome, InfraError> {
    let (user_id, hold_id, letter) = match &request.which {
        RefundSelector::OfHold { user_id, hold_id } => {
            let hold_id = Uuid::parse_str(hold_id).map_err(|_| InfraError::misuse("hold_id is not a UUID"))?;
            (Some(user_id), Some(hold_id), None)
        }
        RefundSelector::Letter { letter } => (None, None, Some(letter)),
    };
    let lease_s = i32::try_from(REFUND_LEASE_S).unwrap_or(i32::MAX);
    let params = &[
        (&user_id as _, Type::TEXT),
        (&hold_id as _, Type::UUID),
        (&letter as _, Type::TEXT),
        (&lease_s as _, Type::INT4),
    ];
    let claim = database.json("select holdfast.claim_refund_to($1, $2, $3, $4)", params).await?;
    let due = match claim.ok_or_else(|| InfraError::misuse("claiming a refund has no outcome"))? {
        Claim::NotFound => return Ok(AccountOutcome::NotFound),
        Claim::InProgress => return Ok(AccountOutcome::InProgress),
        Claim::Due { due } => due,
    };
    let account = Some(&request.refund_account);
    let (ended, failure) = refund_to_account(database, gateways, &ASK_AGAIN_S, &due, account).await?;
    let status = match ended {
        RefundResult::Completed => "completed",
        RefundResult::Failed => "failed",
        RefundResult::Later => "pending",
    };
    Ok(AccountOutcome::Tried {
        status: status.to_owned(),
        failure: failure.filter(|_| ended != RefundResult::Completed),
    })
}
