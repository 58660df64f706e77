//! An outcome of each kind, for the tests here and of the edge.

use super::outcome::ReserveOutcome;
use crate::shop::SaleStatus;

/// One of each refusal in the order in which they are looked for, for tests. An outcome that is missing here does not
/// compile.
#[must_use]
pub fn examples() -> Vec<ReserveOutcome> {
    use ReserveOutcome as Of;
    let sku_id = || "a".to_owned();
    let at = || "2026-01-15T05:05:00Z".to_owned();
    let next = |outcome: &ReserveOutcome| {
        Some(match outcome {
            Of::Granted { .. } | Of::IdempotencyKeyReused => Of::RequestInProgress,
            Of::RequestInProgress => Of::NotFound { sku_id: None },
            Of::NotFound { sku_id: None } => Of::NotFound { sku_id: Some(sku_id()) },
            Of::NotFound { sku_id: Some(_) } => {
                Of::SaleNotOpen { opens_at: at(), status: SaleStatus::Scheduled, for_ms: 7 }
            }
            Of::SaleNotOpen { .. } => Of::AlreadyHolding { hold_id: "h".to_owned(), sku_id: sku_id() },
            Of::AlreadyHolding { .. } => Of::LimitReached { sku_id: sku_id(), max_per_user: 2, retry_at: None },
            Of::LimitReached { retry_at: None, .. } => {
                Of::LimitReached { sku_id: sku_id(), max_per_user: 2, retry_at: Some(at()) }
            }
            Of::LimitReached { retry_at: Some(_), .. } => {
                Of::SoldOut { sku_id: sku_id(), available: 1, max_per_user: 2, for_ms: 9 }
            }
            Of::SoldOut { .. } => Of::TooLate,
            Of::TooLate => return None,
        })
    };
    std::iter::successors(Some(Of::IdempotencyKeyReused), next).collect()
}
