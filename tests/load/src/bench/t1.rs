//! The table of the ways of reserving: each at so many clients, with a commit as it is and with a slow one, on one hot
//! SKU and on many. First each is shown not to oversell.

use std::sync::Arc;

use anyhow::ensure;
use serde::Serialize;

use super::ask::Crowd;
use super::load;
use super::place::Place;
use super::server::Bench;
use super::variant::{CallMethod, VARIANTS, Variant};

/// Pieces that no cell can sell.
pub const PLENTY: i64 = 1_000_000_000;

/// Which cells.
#[derive(Clone)]
pub struct Wanted {
    pub variants: Vec<&'static Variant>,
    pub clients: Vec<usize>,
    pub commit_ms: Vec<u64>,
    pub skus: Vec<u64>,
    pub seconds_per_cell: f64,
}

impl Wanted {
    #[must_use]
    pub fn everything(seconds_per_cell: f64) -> Self {
        Self {
            variants: VARIANTS.iter().collect(),
            clients: vec![1, 16, 64, 256],
            commit_ms: vec![0, 3],
            skus: vec![1, 64],
            seconds_per_cell,
        }
    }
}

#[derive(Clone, Serialize)]
pub struct Cell {
    pub variant: &'static str,
    pub clients: usize,
    /// 0: as it is.
    pub commit_ms: u64,
    pub skus: u64,
    pub reservations_per_s: f64,
    pub call_p50_ms: f64,
    pub call_p99_ms: f64,
    /// Reservations whose caller would have got 503.
    pub failed: u64,
    pub granted: u64,
}

/// One cell, on a sale of its own.
///
/// # Errors
/// It ran out of stock, or a call failed in a way that no load explains.
pub async fn cell(
    place: &Place,
    variant: &'static Variant,
    clients: usize,
    (commit_ms, skus): (u64, u64),
    seconds: f64,
) -> anyhow::Result<Cell> {
    let callers = place.callers(variant, clients).await?;
    // More than any machine of today sells in this time.
    let units = if variant.counted_in == "units" { (20_000.0 * (seconds + 1.0)) as i64 / skus as i64 } else { 0 };
    place.begin_cell(skus, PLENTY, units).await?;
    let measured = load::run(variant, &callers, &Arc::new(Crowd::new(skus)), seconds).await?;
    ensure!(measured.answered.refused == 0, "{}: {} were refused", variant.name, measured.answered.refused);
    Ok(Cell {
        variant: variant.name,
        clients,
        commit_ms,
        skus,
        reservations_per_s: measured.per_s,
        call_p50_ms: measured.p50_ms,
        call_p99_ms: measured.p99_ms,
        failed: measured.answered.failed,
        granted: measured.answered.granted,
    })
}

/// Every cell that is wanted, in an order that changes what a cell is compared with last.
///
/// # Errors
/// A cell cannot be measured.
pub async fn table(bench: &Bench, wanted: &Wanted, mut tell: impl FnMut(&[Cell])) -> anyhow::Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for commit_ms in &wanted.commit_ms {
        let lone = bench.commit_takes(*commit_ms).await?;
        println!("\na lone commit takes {lone:.2} ms");
        for skus in &wanted.skus {
            let from = cells.len();
            for clients in &wanted.clients {
                for variant in &wanted.variants {
                    let what = (*commit_ms, *skus);
                    cells.push(cell(&bench.t1, variant, *clients, what, wanted.seconds_per_cell).await?);
                }
            }
            tell(&cells[from..]);
        }
    }
    Ok(cells)
}

/// Whether a way of selling is correct at all: many buyers, few pieces.
#[derive(Serialize)]
pub struct Safety {
    pub variant: &'static str,
    pub stock: i64,
    pub asked: u64,
    pub granted: u64,
}

/// Five times as many want one as there are.
///
/// # Errors
/// It oversold, or left something behind that does not add up.
pub async fn does_not_oversell(place: &Place, variant: &'static Variant, skus: u64) -> anyhow::Result<Safety> {
    const CLIENTS: usize = 64;
    let stock_each = (256 / skus) as i64;
    let stock = stock_each * skus as i64;
    place.begin_cell(skus, stock_each, stock_each).await?;
    let crowd = Arc::new(Crowd::new(skus));
    let (mut asked, mut granted) = (0, 0);
    // And until all is sold: a buyer that loses a race for a version gives up with the piece unsold.
    let mut rounds = 0;
    while granted < stock as u64 || asked < 5 * stock as u64 {
        rounds += 1;
        ensure!(rounds <= 200, "{}: {granted} of {stock} are sold, and the rest cannot be bought", variant.name);
        let mut buyers = tokio::task::JoinSet::new();
        for caller in place.callers(variant, CLIENTS).await? {
            let crowd = Arc::clone(&crowd);
            buyers.spawn(async move {
                let asks = crowd.asks(variant.batch());
                caller.call(variant, &asks).await
            });
        }
        while let Some(answered) = buyers.join_next().await {
            granted += answered??.granted;
            asked += variant.batch() as u64;
        }
    }
    let sums = place.owner.query_one("select * from bench.sums", &[]).await?;
    let sum = |name: &str| sums.get::<_, i64>(name);
    let what = variant.name;
    ensure!(granted == stock as u64, "{what}: {granted} were told that they have one of {stock}");
    for name in ["stock", "held", "told", "active", "keys"] {
        ensure!(sum(name) == stock, "{what}: {name} is {} after {stock} were sold", sum(name));
    }
    ensure!(sum(variant.counted_in) == 0, "{what}: {} are left of {stock} sold", sum(variant.counted_in));
    ensure!(sum("ledger") == 0, "{what}: the ledger says {}", sum("ledger"));
    Ok(Safety { variant: what, stock, asked, granted })
}

/// The ways that sell; the bulk insert is only a yardstick.
pub fn that_sell(variants: &[&'static Variant]) -> impl Iterator<Item = &'static Variant> {
    variants.iter().copied().filter(|variant| !matches!(variant.way, CallMethod::Bulk { .. }))
}
