//! `confirm` runs T2 (schema/confirm.sql): a captured payment becomes an order or a refund.

use std::time::Instant;

use functions::database::{Broken, Database};
use functions::run;
use lambda_runtime::Error;
use tokio_postgres::types::Type;
use uuid::Uuid;
use wire::confirm::{Outcome, Payment};

async fn confirm(database: &Database, payment: Payment) -> Result<Outcome, Broken> {
    let began = Instant::now();
    // What is no id of ours names no hold of ours; the money is paid back all the same.
    let hold_id = Uuid::parse_str(&payment.hold_id).ok();
    let outcome: Option<Outcome> = database
        .json(
            "select holdfast.confirm($1, $2, $3, $4, $5, $6, $7)",
            &[
                (&payment.gateway, Type::TEXT),
                (&payment.payment_id, Type::TEXT),
                (&payment.hold_id, Type::TEXT),
                (&hold_id, Type::UUID),
                (&payment.user_id, Type::TEXT),
                (&payment.amount, Type::INT8),
                (&payment.currency, Type::TEXT),
            ],
        )
        .await?;
    let outcome = outcome.ok_or_else(|| Broken::misused("the payment has no outcome"))?;
    run::log_outcome("confirm", &payment.trace, outcome.name(), began);
    Ok(outcome)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run::log_as_json();
    let database = Database::from_env()?;
    run::serve(async |payment| confirm(&database, payment).await).await
}
