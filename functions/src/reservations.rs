//! T1's call, the only one there is: a batch of reservations as the columns that `holdfast.reserve`
//! (schema/routines/reserve.sql) takes. `reserve` makes it; the tests, the model and the benches make the same.

use tokio_postgres::types::Type;

use crate::runtime::database::Param;

/// Its parameters are `Batch::params`. Its one row has the outcomes, in the order of the batch.
pub const CALL: &str = "call holdfast.reserve($1, $2, $3, $4, $5, $6, $7, $8, $9, null)";

/// Reservations of one sale. One array a parameter: a line has the number of its reservation, from 1.
pub struct Batch<'a> {
    sale_id: &'a str,
    early_release: bool,
    within_ms: Option<i32>,
    users: Vec<&'a str>,
    keys: Vec<&'a str>,
    fingerprints: Vec<Vec<u8>>,
    line_of: Vec<i32>,
    skus: Vec<&'a str>,
    qtys: Vec<i32>,
}

impl<'a> Batch<'a> {
    /// `early_release`: the counters are released before the commit is on disk. `within_ms`: a batch that takes longer
    /// than this is rolled back; none: no bound.
    #[must_use]
    pub fn new(sale_id: &'a str, early_release: bool, within_ms: Option<i32>) -> Self {
        let (users, keys, skus) = (Vec::new(), Vec::new(), Vec::new());
        let (fingerprints, line_of, qtys) = (Vec::new(), Vec::new(), Vec::new());
        Self { sale_id, early_release, within_ms, users, keys, fingerprints, line_of, skus, qtys }
    }

    /// One more reservation, of these SKUs and so many of each.
    pub fn push(
        &mut self,
        user_id: &'a str,
        idem_key: &'a str,
        fingerprint: Vec<u8>,
        lines: impl IntoIterator<Item = (&'a str, i32)>,
    ) {
        self.users.push(user_id);
        self.keys.push(idem_key);
        self.fingerprints.push(fingerprint);
        let number = i32::try_from(self.users.len()).unwrap_or(i32::MAX);
        for (sku_id, qty) in lines {
            self.line_of.push(number);
            self.skus.push(sku_id);
            self.qtys.push(qty);
        }
    }

    #[must_use]
    pub fn params(&self) -> [Param<'_>; 9] {
        [
            (&self.sale_id, Type::TEXT),
            (&self.users, Type::TEXT_ARRAY),
            (&self.keys, Type::TEXT_ARRAY),
            (&self.fingerprints, Type::BYTEA_ARRAY),
            (&self.line_of, Type::INT4_ARRAY),
            (&self.skus, Type::TEXT_ARRAY),
            (&self.qtys, Type::INT4_ARRAY),
            (&self.early_release, Type::BOOL),
            (&self.within_ms, Type::INT4),
        ]
    }
}
