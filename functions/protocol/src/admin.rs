//! Admin: an operator's commands about sales, stock, orders and payments.

use serde::{Deserialize, Serialize};

pub use crate::field_error::FieldError;
use crate::orders::NextStatus;
use crate::payments::{PaymentPage, PaymentRow};
pub use crate::report::{Audit, Mismatch, Outbox, Report, SkuReport};
use crate::shop::{OrderStatus, Sale};
use crate::{Trace, deliveries};

/// Of a sale: its SKUs, the characters of a name, how long a buyer may have to pay, the price of a piece in the minor
/// unit, the pieces of a SKU, and how many of them one user may buy.
pub const SKUS_MAX: usize = 100;
pub const NAME_MAX_CHARS: usize = 200;
pub const HOLD_TTL_S_MAX: i64 = 86_400;
/// No longer than keys are kept, which a Gate needs after a restart to find possible holders.
pub const LAPSE_COOLDOWN_S_MAX: i64 = 86_400;
pub const UNIT_PRICE_MAX: i64 = 1_000_000_000_000;
pub const STOCK_MAX: i64 = 1_000_000_000;
pub const PER_USER_MAX: i64 = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminRequest {
    #[serde(flatten)]
    pub trace: Trace,
    #[serde(flatten)]
    pub command: Command,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    CreateSale {
        #[serde(default)]
        by: deliveries::Actor,
        sale: NewSale,
    },
    SetStatus {
        #[serde(default)]
        by: deliveries::Actor,
        sale_id: String,
        status: NewStatus,
    },
    AdjustStock {
        #[serde(default)]
        by: deliveries::Actor,
        sku_id: String,
        idem_key: String,
        adjustment: Adjustment,
    },
    Report {
        sale_id: String,
    },
    /// What concerns deliveries: see [`crate::deliveries`].
    Operate {
        operation: deliveries::Operation,
    },
    CancelOrder {
        by: deliveries::Actor,
        idem_key: String,
        order_id: String,
    },
    ChangeOrder {
        by: deliveries::Actor,
        order_id: String,
        next: NextStatus,
    },
    Order {
        order_id: String,
    },
    ListPayments {
        page: PaymentPage,
    },
}

/// The body of `POST /v1/admin/sales`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct NewSale {
    pub sale_id: String,
    /// 1 to 200 printable characters.
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// RFC 3339; default: now.
    #[serde(default)]
    pub opens_at: Option<String>,
    /// RFC 3339; default: no end.
    #[serde(default)]
    pub closes_at: Option<String>,
    /// Seconds from the grant to the hold's expiry, 1 to 86 400; default 300.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "i64"))]
    pub hold_ttl_s: Option<i64>,
    /// What a payment after the hold's expiry gets: `refund` (default), or `retake`: an order if there is stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_payment: Option<String>,
    /// Seconds, 0 to 86 400, for which a buyer whose hold on a SKU lapsed unpaid cannot hold that SKU again; default 0:
    /// no cool-down.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "i64"))]
    pub lapse_cooldown_s: Option<i64>,
    /// `open` (default) or `draft`: only operators see the sale, until a `PATCH` sets another status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Whether buyers see the stock before the sale opens: `shown` (default) or `hidden`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_before_opening: Option<String>,
    /// Whether a buyer may cancel an order while it is `CONFIRMED`; default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_cancel: Option<bool>,
    /// 1 to 100 of them.
    pub skus: Vec<NewSku>,
    /// For the ledger; not part of the sale.
    #[serde(default, skip_serializing)]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct NewSku {
    pub sku_id: String,
    /// 1 to 200 printable characters.
    pub name: String,
    /// In the currency's minor unit, 0 to 10^12.
    #[serde(deserialize_with = "crate::whole::number")]
    pub unit_price: i64,
    /// Pieces, 0 to 10^9.
    #[serde(deserialize_with = "crate::whole::number")]
    pub stock: i64,
    /// Pieces, 1 to 10^6; default 1.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "i64"))]
    pub max_per_user: Option<i64>,
}

/// The body of `PATCH /v1/admin/sales/{sale_id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct StatusChange {
    /// `open`, `paused` or `closed`.
    #[cfg_attr(feature = "describe", schemars(with = "NewStatus"))]
    pub status: String,
    #[serde(default)]
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum NewStatus {
    Open,
    Paused,
    Closed,
}

impl NewStatus {
    /// As a request and the database write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Closed => "closed",
        }
    }

    /// None: there is no such status to set.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Open, Self::Paused, Self::Closed].into_iter().find(|status| status.name() == name)
    }
}

/// The body of `POST /v1/admin/skus/{sku_id}/stock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Adjustment {
    pub sale_id: String,
    /// Pieces to add, or to remove if negative; -10^9 to 10^9, not 0.
    #[serde(deserialize_with = "crate::whole::number")]
    pub delta: i64,
    /// 1 to 500 characters.
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AdminOutcome {
    /// Values out of bounds, each with the JSON Pointer of where.
    InvalidRequest {
        errors: Vec<FieldError>,
    },
    /// No such sale (`sku_id` is none), or no such SKU in it.
    NotFound {
        sku_id: Option<String>,
    },
    /// The sale exists and was created from another body.
    AlreadyExists,
    IdempotencyKeyReused,
    /// Fewer pieces available than are to be removed.
    SoldOut {
        sku_id: String,
        available: i64,
    },
    /// `created`: by this request; otherwise an earlier one with the same body created it.
    Sale {
        sale: Sale,
        created: bool,
    },
    Stock {
        stock: Stock,
        replayed: bool,
    },
    Report {
        report: Report,
    },
    Operated {
        operated: deliveries::OperationOutcome,
    },
    Order {
        order: crate::shop::Order,
        #[serde(default)]
        replayed: bool,
    },
    /// Another change came first: `version` is the order's now.
    PreconditionFailed {
        version: i64,
    },
    TransitionNotAllowed {
        order_status: OrderStatus,
    },
    Payments {
        payments: Vec<PaymentRow>,
        next: Option<String>,
    },
}

/// A SKU's counter after an adjustment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Stock {
    pub sale_id: String,
    pub sku_id: String,
    pub total: i64,
    pub available: i64,
}

impl AdminOutcome {
    /// The outcome's name, for logs and counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } => "invalid_request",
            Self::NotFound { .. } => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::SoldOut { .. } => "sold_out",
            Self::Sale { created: true, .. } => "created",
            Self::Sale { created: false, .. } => "sale",
            Self::Stock { .. } => "stock",
            Self::Report { .. } => "report",
            Self::Operated { operated } => operated.name(),
            Self::Order { .. } => "order",
            Self::PreconditionFailed { .. } => "precondition_failed",
            Self::TransitionNotAllowed { .. } => "transition_not_allowed",
            Self::Payments { .. } => "payments",
        }
    }
}
