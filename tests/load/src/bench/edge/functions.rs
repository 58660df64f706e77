//! `reserve` and `lookup` without a database: Lambda's Invoke path, answered at once. Grants whatever is asked for, but
//! two SKUs: one is sold out, and of the other one piece is left.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use axum::extract::Path;
use axum::{Json, Router, routing};
use protocol::reserve::{Batch, Reservation};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

pub const SOLD_OUT: &str = "gone";
pub const LAST_ONE: &str = "last-one";

/// The URL it answers at, until the program ends.
pub async fn start() -> anyhow::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/2015-03-31/functions/{name}/invocations", routing::post(invoke));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn invoke(Path(name): Path<String>, Json(payload): Json<Value>) -> Json<Value> {
    Json(match (name.as_str(), serde_json::from_value::<Batch>(payload)) {
        ("reserve", Ok(batch)) => json!({"outcomes": batch.reservations.iter().map(outcome).collect::<Vec<_>>()}),
        _ => json!({"outcome": "holders", "users": [], "complete": true}),
    })
}

fn outcome(asked: &Reservation) -> Value {
    let Reservation { sale_id, items, .. } = asked;
    match items.first() {
        Some(line) if line.sku_id == SOLD_OUT => {
            json!({"outcome": "sold_out", "sku_id": SOLD_OUT, "available": 0, "max_per_user": 1, "for_ms": 1000})
        }
        Some(line) if line.sku_id == LAST_ONE && line.qty > 1 => {
            json!({"outcome": "sold_out", "sku_id": LAST_ONE, "available": 1, "max_per_user": 2, "for_ms": 1000})
        }
        _ => {
            let priced = |line: &protocol::shop::Line| json!({"sku_id": line.sku_id, "qty": line.qty, "unit_price": 1});
            json!({"outcome": "granted", "hold": {"hold_id": Uuid::new_v4(), "sale_id": sale_id, "status": "HOLD",
                   "items": items.iter().map(priced).collect::<Vec<_>>(), "total_amount": 1, "currency": "KRW",
                   "expire_at": "2100-01-01T00:00:00.000Z"}})
        }
    }
}
