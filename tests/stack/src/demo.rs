//! The sale that an empty database is given, so that there is something to buy.

use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use super::ready;
use crate::database;

/// Creates the demo sale through the operator's API when the database has no sale at all.
pub async fn open(database_url: &str, edge_url: &str, admin_token: &str) -> anyhow::Result<()> {
    let client = database::connect(database_url).await?;
    if client.query_opt("select from holdfast.sale limit 1", &[]).await?.is_some() {
        return Ok(());
    }
    let sale = json!({
        "sale_id": "spring-drop", "name": "Spring Drop 봄 한정판", "currency": "KRW",
        "skus": [
            {"sku_id": "sneaker-270", "name": "Sneaker 270", "unit_price": 150_000, "stock": 100, "max_per_user": 1},
            {"sku_id": "sneaker-280", "name": "Sneaker 280", "unit_price": 150_000, "stock": 100, "max_per_user": 1},
            {"sku_id": "tote-bag", "name": "Tote bag", "unit_price": 39_000, "stock": 30, "max_per_user": 2},
        ],
    });
    let client = crate::http::client().build()?;
    // The instance that answers may still be starting; the same body again is the same sale.
    ready::within(Duration::from_secs(30), "the shop", async || {
        let request = client.post(format!("{edge_url}/v1/admin/sales")).bearer_auth(admin_token).json(&sale);
        let answer = request.timeout(Duration::from_secs(10)).send().await?;
        let status = answer.status();
        if !status.is_success() {
            bail!("creating the demo sale was answered {status}: {}", answer.text().await.unwrap_or_default());
        }
        Ok(())
    })
    .await
}
