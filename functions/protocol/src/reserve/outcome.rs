//! The outcome of a reservation, its refusals in their order, and how it is read: in one pass. Serde reads a tagged enum in
//! two, since the tag may come last.

use serde::{Deserialize, Serialize};

use crate::shop::{Hold, SaleStatus};

/// Why a reservation is refused, in order of precedence: of several that apply, the first is the answer. The names and the
/// order are those of the type `holdfast.refusal` (schema/tables/V13__refusals.sql), of the problem table and of the model;
/// tests compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    IdempotencyKeyReused,
    RequestInProgress,
    NotFound,
    SaleNotOpen,
    AlreadyHolding,
    LimitReached,
    SoldOut,
}

impl Refusal {
    pub const ALL: [Self; 7] = [
        Self::IdempotencyKeyReused,
        Self::RequestInProgress,
        Self::NotFound,
        Self::SaleNotOpen,
        Self::AlreadyHolding,
        Self::LimitReached,
        Self::SoldOut,
    ];

    /// Its name in SQL and in an answer.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::RequestInProgress => "request_in_progress",
            Self::NotFound => "not_found",
            Self::SaleNotOpen => "sale_not_open",
            Self::AlreadyHolding => "already_holding",
            Self::LimitReached => "limit_reached",
            Self::SoldOut => "sold_out",
        }
    }
}

/// The outcome of a reservation: granted, or a [`Refusal`] with its members, or not attempted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", try_from = "Members")]
pub enum ReserveOutcome {
    /// `replayed`: the key was used before, and this is what was granted then.
    Granted {
        hold: Hold,
        replayed: bool,
    },
    /// The key was used before, for something else.
    IdempotencyKeyReused,
    /// Another request of this user is in the same transaction; retry.
    RequestInProgress,
    /// No such sale (`sku_id` is none), or no such SKU in it.
    NotFound {
        sku_id: Option<String>,
    },
    SaleNotOpen {
        opens_at: String,
        status: SaleStatus,
        /// For the Gate: how long this holds at most unless the edge changes it, until the sale opens or closes.
        for_ms: u64,
    },
    AlreadyHolding {
        hold_id: String,
        sku_id: String,
    },
    LimitReached {
        sku_id: String,
        max_per_user: i64,
        /// A hold on it lapsed unpaid, and the sale's cool-down ends then, RFC 3339. None: it is orders that reach it.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_at: Option<String>,
    },
    /// The last two are for the Gate, which may repeat this answer to others, and not for clients.
    SoldOut {
        sku_id: String,
        available: i64,
        max_per_user: i64,
        /// How long this holds at most unless stock comes back through the edge: until a hold lapses or the sale closes.
        for_ms: u64,
    },
    /// The response is no longer awaited, and nothing was done. Applies to a whole batch.
    TooLate,
}

impl ReserveOutcome {
    /// Which refusal it is; none: it was granted or not attempted.
    #[must_use]
    pub const fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::IdempotencyKeyReused => Refusal::IdempotencyKeyReused,
            Self::RequestInProgress => Refusal::RequestInProgress,
            Self::NotFound { .. } => Refusal::NotFound,
            Self::SaleNotOpen { .. } => Refusal::SaleNotOpen,
            Self::AlreadyHolding { .. } => Refusal::AlreadyHolding,
            Self::LimitReached { .. } => Refusal::LimitReached,
            Self::SoldOut { .. } => Refusal::SoldOut,
            Self::Granted { .. } | Self::TooLate => return None,
        })
    }

    /// The outcome's name, for logs and counts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match (self.refusal(), self) {
            (Some(refusal), _) => refusal.name(),
            (None, Self::Granted { replayed: false, .. }) => "granted",
            (None, Self::Granted { replayed: true, .. }) => "replayed",
            (None, _) => "too_late",
        }
    }
}

/// Every member that an outcome may have.
#[derive(Deserialize)]
struct Members {
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
    fn each_refusal_is_listed_once_in_order_and_read_by_its_name() {
        assert!(Refusal::ALL.is_sorted_by(|one, next| *one as usize + 1 == *next as usize));
        assert_eq!(Refusal::ALL.len(), Refusal::SoldOut as usize + 1);
        for refusal in Refusal::ALL {
            let told = serde_json::json!({
                "outcome": refusal.name(), "sku_id": "a", "hold_id": "h", "opens_at": "2026-01-15T05:00:00Z",
                "status": "open", "max_per_user": 1, "available": 0,
            });
            let outcome: ReserveOutcome = serde_json::from_value(told).unwrap();
            assert_eq!((outcome.refusal(), outcome.name()), (Some(refusal), refusal.name()));
        }
    }

    #[test]
    fn every_outcome_is_read_as_it_is_printed_and_nothing_else() {
        for outcome in crate::reserve::examples() {
            let json = serde_json::to_string(&outcome).unwrap();
            assert_eq!(serde_json::from_str::<ReserveOutcome>(&json).unwrap(), outcome, "{json}");
        }
        for wrong in [r#"{"outcome":"granted"}"#, r#"{"outcome":"new"}"#, r#"{"outcome":"sold_out"}"#, "{}", "[]"] {
            assert!(serde_json::from_str::<ReserveOutcome>(wrong).is_err(), "{wrong}");
        }
    }
}
