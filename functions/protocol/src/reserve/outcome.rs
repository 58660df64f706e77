//! How an outcome is read: in one pass. Serde reads a tagged enum in two, since the tag may come last.

use serde::Deserialize;

use crate::reserve::ReserveOutcome;
use crate::shop::{Hold, SaleStatus};

/// Every member that an outcome may have.
#[derive(Deserialize)]
pub struct Members {
    outcome: String,
    hold: Option<Hold>,
    #[serde(default)]
    replayed: bool,
    sku_id: Option<String>,
    opens_at: Option<String>,
    status: Option<SaleStatus>,
    #[serde(default)]
    for_ms: u64,
    hold_id: Option<String>,
    max_per_user: Option<i64>,
    retry_at: Option<String>,
    available: Option<i64>,
}

fn needed<T>(member: Option<T>, name: &str) -> Result<T, String> {
    member.ok_or_else(|| format!("missing field `{name}`"))
}

impl TryFrom<Members> for ReserveOutcome {
    type Error = String;

    fn try_from(members: Members) -> Result<Self, String> {
        let Members { outcome, hold, replayed, sku_id, opens_at, status, for_ms, hold_id, .. } = members;
        let Members { max_per_user, retry_at, available, .. } = members;
        let sku = |sku_id| needed(sku_id, "sku_id");
        Ok(match outcome.as_str() {
            "granted" => Self::Granted { hold: needed(hold, "hold")?, replayed },
            "idempotency_key_reused" => Self::IdempotencyKeyReused,
            "request_in_progress" => Self::RequestInProgress,
            "not_found" => Self::NotFound { sku_id },
            "sale_not_open" => {
                Self::SaleNotOpen { opens_at: needed(opens_at, "opens_at")?, status: needed(status, "status")?, for_ms }
            }
            "already_holding" => Self::AlreadyHolding { hold_id: needed(hold_id, "hold_id")?, sku_id: sku(sku_id)? },
            "limit_reached" => Self::LimitReached {
                sku_id: sku(sku_id)?,
                max_per_user: needed(max_per_user, "max_per_user")?,
                retry_at,
            },
            "sold_out" => Self::SoldOut {
                sku_id: sku(sku_id)?,
                available: needed(available, "available")?,
                max_per_user: max_per_user.unwrap_or_default(),
                for_ms,
            },
            "too_late" => Self::TooLate,
            other => return Err(format!("unknown outcome `{other}`")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_read_as_it_is_printed_and_nothing_else() {
        for outcome in super::super::examples() {
            let json = serde_json::to_string(&outcome).unwrap();
            assert_eq!(serde_json::from_str::<ReserveOutcome>(&json).unwrap(), outcome, "{json}");
        }
        for wrong in [r#"{"outcome":"granted"}"#, r#"{"outcome":"new"}"#, r#"{"outcome":"sold_out"}"#, "{}", "[]"] {
            assert!(serde_json::from_str::<ReserveOutcome>(wrong).is_err(), "{wrong}");
        }
    }
}
