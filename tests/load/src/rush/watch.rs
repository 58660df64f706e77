//! The sale as the database shows it once a second: every look is one statement, so that its sums belong together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::Json;

use super::clock::Clock;

const EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Sku {
    pub sku_id: String,
    pub total: i64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    pub at_us: u64,
    pub skus: Vec<Sku>,
    pub audit_ok: bool,
}

/// The report of a sale, of which only what is needed is kept.
#[derive(Clone, Debug, Deserialize)]
pub struct Report {
    pub skus: Vec<Sku>,
    pub audit: Audit,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Audit {
    pub ok: bool,
    pub mismatches: Vec<Value>,
}

/// Clones are the same samples.
#[derive(Clone, Default)]
pub struct Samples(Arc<Mutex<Vec<Sample>>>);

impl Samples {
    pub fn all(&self) -> Vec<Sample> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn last(&self) -> Option<Sample> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }
}

/// Takes samples until it is dropped.
///
/// # Errors
/// The database cannot be asked, or has no such sale.
pub async fn watch(owner: &Client, sale_id: &str, clock: Clock, samples: &Samples) -> anyhow::Result<()> {
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        beat.tick().await;
        let Report { skus, audit } = report(owner, sale_id).await?;
        let sample = Sample { at_us: clock.now_us(), skus, audit_ok: audit.ok };
        samples.0.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }
}

/// # Errors
/// The database cannot be asked, or has no such sale.
pub async fn report(owner: &Client, sale_id: &str) -> anyhow::Result<Report> {
    let row = owner.query_one("select holdfast.report($1) -> 'report'", &[&sale_id]).await?;
    let report: Json<Report> = row.try_get(0)?;
    Ok(report.0)
}
