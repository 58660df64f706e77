//! After a storm: waits until everything that should come back has, or says what did not; and after the last one, until
//! all money that bought nothing is refunded.

use std::time::Duration;

use tokio_postgres::Client;

use super::books;
use stack::{Report, functions, ready};

/// A webhook that was refused is sent again within 30 s.
const BACK_WITHIN: Duration = Duration::from_secs(90);

/// A refund whose caller was killed in the middle of it is not claimed again until the lease is over: `REFUND_LEASE_S`
/// in functions/src/runtime/limits.rs, 90 s.
pub const PAID_BACK_WITHIN: Duration = Duration::from_secs(90 + 60);

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

/// # Errors
/// Something is not refunded; the error says how much of it.
pub async fn all_is_paid_back(owner: &Client) -> anyhow::Result<()> {
    ready::within(PAID_BACK_WITHIN, "the money that bought nothing", async || {
        let open = "select count(*) from holdfast.refund where status <> 'COMPLETED'";
        let open: i64 = owner.query_one(open, &[]).await?.get(0);
        anyhow::ensure!(open == 0, "{open} refunds are not paid");
        Ok(())
    })
    .await
}
