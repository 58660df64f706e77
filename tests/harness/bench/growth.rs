//! What years of sales cost: T1, T2 and T3 on a database with millions of past holds, in turn with an empty one on the
//! same server.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::ask::Crowd;
use super::load::{self, median};
use super::place::Place;
use super::server::Bench;
use super::t1::PLENTY;
use super::variant;
use super::{t2, t3};

/// Holds of one past sale.
const SALE: i64 = 100_000;

/// How much, and how long it is measured.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub rounds: usize,
    pub seconds: f64,
    pub swept: i64,
}

/// One transaction on both databases, a second each; the ratio is the median of the rounds' ratios.
#[derive(Clone, Serialize)]
pub struct Grown {
    pub what: &'static str,
    pub empty_per_s: f64,
    pub grown_per_s: f64,
    /// How many times slower with history.
    pub slower: f64,
}

/// Both databases.
pub struct Places {
    pub empty: Place,
    pub grown: Place,
}

/// Makes them: one with a sale that opens today, one with that and all the sales before it.
///
/// # Errors
/// The server refuses, or the disk is full.
pub async fn make(bench: &Bench, holds: i64) -> anyhow::Result<Places> {
    let places =
        Places { empty: Place::make(&bench.server, "empty").await?, grown: Place::make(&bench.server, "grown").await? };
    fill(bench, &places.grown, holds).await?;
    for place in [&places.empty, &places.grown] {
        place.owner.batch_execute(&format!("call bench.open_sale('drop', 1, {PLENTY}, 86400)")).await?;
    }
    Ok(places)
}

/// Nothing of it has to survive a crash before the checkpoint at its end, and autovacuum would come at any moment.
async fn fill(bench: &Bench, place: &Place, holds: i64) -> anyhow::Result<()> {
    let sales = (holds / SALE).max(1);
    let (each, began) = (holds / sales, Instant::now());
    bench.set(&["autovacuum = off", "max_wal_size = '8GB'", "commit_delay = 0"]).await?;
    place.owner.batch_execute("set synchronous_commit = off").await?;
    for sale in 1..=sales {
        place.owner.batch_execute(&format!("call bench.past_sale({sale}, {each})")).await?;
        // As autovacuum would have come by, so that the next sale fills what room this one has left on its pages: else the
        // rows that are measured would fill the room of all of them, each on another page.
        place.owner.batch_execute("vacuum").await?;
        if sale % 5 == 0 || sale == sales {
            println!("  history: {} of {sales} sales, {:.0} s", sale, began.elapsed().as_secs_f64());
        }
    }
    place.owner.batch_execute("set synchronous_commit = on").await?;
    place.owner.batch_execute("vacuum (analyze)").await?;
    place.owner.batch_execute("checkpoint").await?;
    bench.set(&["autovacuum = on", "max_wal_size = '1GB'"]).await?;
    let size: String =
        place.owner.query_one("select pg_size_pretty(pg_database_size(current_database()))", &[]).await?.get(0);
    println!("  history: {each} holds in each of {sales} sales, {size}, {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Round by round, both databases in turn.
///
/// # Errors
/// A transaction fails.
pub async fn run(places: &Places, wanted: Wanted) -> anyhow::Result<Vec<Grown>> {
    let mut grown = Vec::new();
    for (what, name, clients) in
        [("T1, one call for 100, 4 clients", "batch-100-early", 4), ("T1, one call for one, 16 clients", "early", 16)]
    {
        let variant = variant::named(name)?;
        let measure = async |place: &Place| {
            let callers = place.callers(variant, clients).await?;
            let measured = load::run(variant, &callers, &Arc::new(Crowd::new(1)), wanted.seconds).await?;
            anyhow::Ok(measured.per_s)
        };
        grown.push(in_turn(what, places, wanted.rounds, measure).await?);
    }
    let confirm = async |place: &Place| Ok(t2::run(place, 16, 0, wanted.seconds).await?.confirms_per_s);
    grown.push(in_turn("T2, 16 clients", places, wanted.rounds, confirm).await?);
    let sweep = async |place: &Place| Ok(t3::run(place, wanted.swept, 1).await?.holds_per_s);
    grown.push(in_turn("T3, one sweep", places, wanted.rounds, sweep).await?);
    Ok(grown)
}

async fn in_turn(
    what: &'static str,
    places: &Places,
    rounds: usize,
    mut measure: impl AsyncFnMut(&Place) -> anyhow::Result<f64>,
) -> anyhow::Result<Grown> {
    let (mut empty, mut grown, mut slower) = (vec![], vec![], vec![]);
    for round in 0..rounds {
        // Who comes second finds the caches as the other left them; so they take turns at that too.
        let (first, second) =
            if round % 2 == 0 { (&places.empty, &places.grown) } else { (&places.grown, &places.empty) };
        let (one, other) = (measure(first).await?, measure(second).await?);
        let (without, with) = if round % 2 == 0 { (one, other) } else { (other, one) };
        empty.push(without);
        grown.push(with);
        slower.push(without / with);
    }
    Ok(Grown { what, empty_per_s: median(empty), grown_per_s: median(grown), slower: median(slower) })
}
