//! What years of sales cost, and what one buyer's past costs all others: T1, T2, T3, retention and a Gate's question on a
//! database with millions of past holds, a buyer with hundreds of thousands of keys, holds and orders in today's sale, and
//! as many dead letters, in turn with an empty one on the same server.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;
use tokio_postgres::types::Type;

use super::ask::Crowd;
use super::load::{self, median};
use super::place::Place;
use super::server::Bench;
use super::t1::PLENTY;
use super::variant;
use super::{t2, t3};

/// A returning user, who is in every batch.
const REGULAR: &str = "buyer-of-many";
/// Removals that one pass of `relay` makes, and how much each looks at.
const PIECES: usize = 20;
const PIECE: i32 = 1_000;

/// Holds of one past sale.
const SALE: i64 = 100_000;

/// How much, and how long it is measured.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub rounds: usize,
    pub seconds: f64,
    pub swept: i64,
}

/// What lies behind today's sale.
#[derive(Clone, Copy)]
pub struct Past {
    /// Holds of past sales.
    pub holds: i64,
    /// Of one buyer in today's sale: keys, released holds, and orders, each so many.
    pub of_one_buyer: i64,
    pub dead_letters: i64,
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
pub async fn make(bench: &Bench, past: Past) -> anyhow::Result<Places> {
    let places =
        Places { empty: Place::make(&bench.server, "empty").await?, grown: Place::make(&bench.server, "grown").await? };
    fill(bench, &places.grown, past.holds).await?;
    for place in [&places.empty, &places.grown] {
        place.owner.batch_execute(&format!("call bench.open_sale('drop', 1, {PLENTY}, 86400)")).await?;
        place.owner.batch_execute("update holdfast.sku set max_per_user = 1000000").await?;
    }
    let (of_one, letters) = (past.of_one_buyer, past.dead_letters);
    let grown = &places.grown.owner;
    grown.batch_execute(&format!("call bench.past_of('drop', 'sku-1', '{REGULAR}', {of_one})")).await?;
    grown.batch_execute(&format!("call bench.dead_letters({letters})")).await?;
    grown.batch_execute("vacuum (analyze)").await?;
    // What filling it left to be written would be written while it is measured.
    grown.batch_execute("checkpoint").await?;
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
    for (what, name, clients, regular) in [
        ("T1, one call for 100, 4 clients", "batch-100-early", 4, None),
        ("T1, one call for 100, one of many keys among them, 4 clients", "batch-100-early", 4, Some(REGULAR)),
        ("T1, one call for one, 16 clients", "early", 16, None),
    ] {
        let variant = variant::named(name)?;
        let measure = async |place: &Place| {
            let callers = place.callers(variant, clients).await?;
            let crowd = Arc::new(regular.map_or_else(|| Crowd::new(1), |regular| Crowd::with(1, regular)));
            let measured = load::run(variant, &callers, &crowd, wanted.seconds).await?;
            anyhow::Ok(measured.per_s)
        };
        grown.push(in_turn(what, places, wanted.rounds, measure).await?);
    }
    let confirm = async |place: &Place| Ok(t2::run(place, 16, 0, wanted.seconds).await?.confirms_per_s);
    grown.push(in_turn("T2, 16 clients", places, wanted.rounds, confirm).await?);
    let sweep = async |place: &Place| Ok(t3::run(place, wanted.swept, 1).await?.holds_per_s);
    grown.push(in_turn("T3, one sweep", places, wanted.rounds, sweep).await?);
    let keys = async |place: &Place| removal(place, "keys", "remove_keys($1, 86400)").await;
    grown.push(in_turn("retention of keys", places, wanted.rounds, keys).await?);
    const SENT: &str = "remove_sent($1, 604800, 2592000)";
    let sent = async |place: &Place| removal(place, "events", SENT).await;
    grown.push(in_turn("retention of events", places, wanted.rounds, sent).await?);
    let from_the_first = async |place: &Place| removal(place, "from_the_first", SENT).await;
    grown.push(in_turn("retention of events, dead letters first", places, wanted.rounds, from_the_first).await?);
    grown.push(in_turn("a Gate's question who has something", places, wanted.rounds, holders).await?);
    Ok(grown)
}

/// A pass of retention over what has served its time; rows looked at a second.
async fn removal(place: &Place, what: &str, call: &str) -> anyhow::Result<f64> {
    let served = i64::from(PIECE) * PIECES as i64;
    place.owner.batch_execute(&format!("call bench.finished_{what}({served})")).await?;
    let relay = place.as_role("relay").await?;
    let (began, mut looked) = (Instant::now(), 0);
    for _ in 0..PIECES {
        let rows = relay.query_typed(&format!("select holdfast.{call}"), &[(&PIECE, Type::INT4)]).await?;
        looked += rows.first().map_or(Ok(0), |row| row.try_get::<_, i32>(0))?;
    }
    Ok(f64::from(looked) / began.elapsed().as_secs_f64())
}

/// As `lookup` asks it for one Gate of four; users that it is about a second.
async fn holders(place: &Place) -> anyhow::Result<f64> {
    const SHARDS: i64 = 4;
    let lookup = place.as_role("lookup").await?;
    let began = Instant::now();
    let sql = "select o_users, o_complete from holdfast.tell_holders('drop', sha256('key'), 0, $1, 200000, 1000)";
    let rows = lookup.query_typed(sql, &[(&SHARDS, Type::INT8)]).await?;
    let row = rows.first().context("the question has an answer")?;
    let users = row.try_get::<_, Vec<i64>>(0)?.len();
    Ok((users as i64 * SHARDS) as f64 / began.elapsed().as_secs_f64())
}

async fn in_turn(
    what: &'static str,
    places: &Places,
    rounds: usize,
    mut measure: impl AsyncFnMut(&Place) -> anyhow::Result<f64>,
) -> anyhow::Result<Grown> {
    let (mut empty, mut grown, mut slower) = (vec![], vec![], vec![]);
    for round in 0..rounds {
        // The second one finds the caches as the first left them, so they take turns at that too.
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
