//! The rush's own sale, through the operator's API: made before, reported on after.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::arrivals::Options;
use stack::{Report, ready};

/// What a piece costs, in won.
pub const PRICE: i64 = 150_000;
/// How long a buyer has to pay: longer than any rush, so that a buyer who leaves keeps a hold.
const HOLD_TTL_S: u32 = 300;

/// The SKU of this number.
pub fn sku_id(sku: usize) -> String {
    format!("piece-{}", sku + 1)
}

pub async fn open(stack: &Report, sale_id: &str, options: &Options) -> anyhow::Result<()> {
    let skus = (0..options.skus).map(|sku| {
        let stock = options.stock_of(sku);
        json!({"sku_id": sku_id(sku), "name": format!("Piece {}", sku + 1), "unit_price": PRICE, "stock": stock})
    });
    let sale = json!({"sale_id": sale_id, "name": format!("Rush {}", options.seed), "currency": "KRW",
                      "hold_ttl_s": HOLD_TTL_S, "skus": skus.collect::<Vec<_>>()});
    let request = client()?.post(format!("{}/v1/admin/sales", stack.edge_url)).json(&sale);
    let answer = request.bearer_auth(&stack.admin_token).send().await.context("cannot reach the shop")?;
    let status = answer.status();
    ensure!(status == 201, "making the sale was answered {status}: {}", answer.text().await.unwrap_or_default());
    Ok(())
}

/// After a rush that went wrong it may take a moment until the shop answers again.
pub async fn report(stack: &Report, sale_id: &str) -> anyhow::Result<Value> {
    let url = format!("{}/v1/admin/sales/{sale_id}/report", stack.edge_url);
    let client = client()?;
    ready::within(Duration::from_secs(60), "the shop", async || {
        let answer = client.get(&url).bearer_auth(&stack.admin_token).send().await?;
        Ok(answer.error_for_status().context("the sale's report")?.json().await?)
    })
    .await
}

fn client() -> anyhow::Result<reqwest::Client> {
    Ok(stack::http::client().timeout(Duration::from_secs(30)).build()?)
}
