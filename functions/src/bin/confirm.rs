//! `confirm` takes a payment to its end: one that a signed message tells all of goes straight to T2
//! (schema/confirm.sql), any other is asked about at its gateway first (settle.rs).

use std::time::Instant;

use functions::database::{Broken, Database};
use functions::desk::Desk;
use functions::{run, settle};
use lambda_runtime::Error;
use wire::confirm::{Request, Settled};

async fn confirm(database: &Database, desk: &Desk, request: Request) -> Result<Settled, Broken> {
    let began = Instant::now();
    let (trace, settled) = match &request {
        Request::Paid(payment) => {
            (&payment.trace, Settled { outcome: settle::confirm(database, payment).await?, hold: None })
        }
        Request::Told(told) => (&told.trace, settle::settle(database, desk, told).await?),
    };
    run::log_outcome("confirm", trace, settled.outcome.name(), began);
    Ok(settled)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run::log_as_json();
    let database = Database::from_env()?;
    let desk = Desk::from_env()?;
    run::serve(async |request| confirm(&database, &desk, request).await).await
}
