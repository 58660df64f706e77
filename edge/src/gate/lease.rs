//! A lease: a Gate's permission for an isolate of the Worker to refuse in its place, for less than a second, whoever cannot
//! have anything of what it names. [`crate::gate::core::sold_out`] makes it, [`crate::gate::leases`] keeps it.

use protocol::shop::SaleStatus;
use serde::{Deserialize, Serialize};

/// What a Gate says of one sale, as JSON on its reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// When the Gate made it, by its own clock: of two leases the later one has everybody who was granted something.
    pub made_ms: u64,
    /// SKUs of which nothing is left.
    pub skus: Vec<LeasedSku>,
    pub closed: Option<LeasedSale>,
    /// The users of this Gate who may have something: [`crate::gate::filter::Filter`] as text. They are not refused.
    pub filter: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasedSku {
    pub sku_id: String,
    pub max_per_user: i64,
    pub term: Term,
}

/// The sale is not open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasedSale {
    pub opens_at: String,
    pub status: SaleStatus,
    /// SKUs that it has: T1 refuses an unknown one first.
    pub skus: Vec<String>,
    pub term: Term,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// When the call left that T1 answered so, in Unix milliseconds.
    pub as_of_ms: u64,
    /// How long it may be repeated from now on.
    pub for_ms: u64,
}

/// What a lease says of a reservation, and since when that may have been true.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub of: Refused,
    pub as_of_ms: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    SoldOut { sku_id: String },
    SaleNotOpen { opens_at: String, status: SaleStatus },
}
