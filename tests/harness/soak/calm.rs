//! After a storm: waits until everything that should come back has, or says what did not.

use std::time::Duration;

use tokio_postgres::Client;

use super::books;
use crate::stack::{Report, functions, ready};

/// A webhook that was refused is sent again within 30 s.
const BACK_WITHIN: Duration = Duration::from_secs(90);

/// # Errors
/// It did not come back; the error says what.
pub async fn comes_back(owner: &Client, stack: &Report, sales: &[String]) -> anyhow::Result<()> {
    ready::within(BACK_WITHIN, "what should have come back", async || {
        let held: i64 = owner
            .query_one(
                "select count(*) from holdfast.reservation_hold where status = 'HOLD' and sale_id = any ($1)",
                &[&sales],
            )
            .await?
            .get(0);
        anyhow::ensure!(held == 0, "{held} holds are over and their stock is not back");
        let open = books::open_deliveries(stack).await?;
        anyhow::ensure!(open == 0, "{open} webhooks are not answered");
        if functions::INSTANCES.iter().any(|(function, _)| *function == "relay") {
            let pending = "select (select count(*) from holdfast.event_outbox where fanned_out_at is null)
                                + (select count(*) from holdfast.delivery where status = 'PENDING')";
            let pending: i64 = owner.query_one(pending, &[]).await?.get(0);
            anyhow::ensure!(pending == 0, "{pending} events are not delivered");
        }
        Ok(())
    })
    .await
}
