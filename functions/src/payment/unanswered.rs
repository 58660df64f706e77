//! A gateway that works but gives no usable answer about a payment.

use tokio_postgres::types::Type;
use tracing::warn;

use crate::runtime::database::{Database, InfraError};

/// Records it. The payment is looked up at growing intervals and in the end becomes a dead letter.
pub(crate) async fn record_no_answer(database: &Database, id: (&str, &str), why: &str) -> Result<(), InfraError> {
    warn!(gateway = id.0, payment_id = id.1, %why, "a gateway does not say what is true of a payment");
    let params = &[(&id.0 as _, Type::TEXT), (&id.1 as _, Type::TEXT), (&why as _, Type::TEXT)];
    database.call("select holdfast.payment_unanswered($1, $2, $3)", params).await.map(drop)
}
