//! What is lost when Postgres is killed in the middle: no acknowledged outcome, with the barrier; and without it, with
//! the same asynchronous commit, something.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use tokio::task::JoinSet;

use super::ask::Crowd;
use super::call::Caller;
use super::place::Place;
use super::variant::{self, Variant};
use stack::alone::Server;
use stack::database;

const CLIENTS: usize = 16;
/// Acknowledged before the server is killed.
const TOLD: u64 = 1_000;
const ATTEMPTS: usize = 5;
const UNDERWAY_WITHIN: Duration = Duration::from_secs(60);

#[derive(Clone, Serialize)]
pub struct Crashes {
    pub what: &'static str,
    pub crashes: usize,
    /// Reservations that were acknowledged before a crash.
    pub acknowledged: u64,
    /// Those of them that were gone after it.
    pub lost: u64,
}

/// Kills the server again and again: as often as is asked with the barrier, and without it until something is lost.
/// Afterwards no connection of before is worth anything.
///
/// # Errors
/// The barrier let something be lost, or nothing was lost without it.
pub async fn run(server: &Server, crashes: usize) -> anyhow::Result<Vec<Crashes>> {
    let place = Place::make(server, "crash").await?;
    place.owner.batch_execute("call bench.open_sale('drop', 1, 1000000000, 86400)").await?;
    let with = rounds(server, &place, "early release, behind its barrier", true, crashes).await?;
    let without = rounds(server, &place, "asynchronous commit, no barrier", false, ATTEMPTS).await?;
    ensure!(with.lost == 0, "{} of {} that were acknowledged are lost", with.lost, with.acknowledged);
    ensure!(without.lost > 0, "nothing was lost without the barrier, so this proves nothing");
    Ok(vec![with, without])
}

async fn rounds(
    server: &Server,
    place: &Place,
    what: &'static str,
    barrier: bool,
    most: usize,
) -> anyhow::Result<Crashes> {
    let mut sum = Crashes { what, crashes: 0, acknowledged: 0, lost: 0 };
    if !barrier {
        // T1 itself refuses to promise anything then: the control is without that guard, too.
        let off = "create or replace function holdfast.assert_durable() returns void language plpgsql stable
                   as $$ begin end $$";
        database::connect(&place.url).await?.batch_execute(off).await?;
    }
    while sum.crashes < most && (barrier || sum.lost == 0) {
        let told = told_until_killed(server, place, barrier).await?;
        server.answers(&place.name).await?;
        let owner = database::connect(&place.url).await?;
        let sql = "select count(*) from unnest($1::text[]) as told (user_id)
                   where not exists (select from holdfast.reservation_hold h where h.user_id = told.user_id)";
        sum.lost += u64::try_from(owner.query_one(sql, &[&told]).await?.get::<_, i64>(0))?;
        sum.crashes += 1;
        sum.acknowledged += told.len() as u64;
    }
    Ok(sum)
}

/// Users whose grant was acknowledged.
async fn told_until_killed(server: &Server, place: &Place, barrier: bool) -> anyhow::Result<Vec<String>> {
    let variant: &'static Variant = if barrier { variant::named("early")? } else { &variant::ONE_FOR_ONE };
    let (crowd, count) = (Arc::new(Crowd::new(1)), Arc::new(AtomicU64::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = place.as_role("reserve").await?;
        if !barrier {
            client.batch_execute("set synchronous_commit = off").await?;
        }
        let (caller, crowd, count) = (Caller::new(client), Arc::clone(&crowd), Arc::clone(&count));
        clients.spawn(async move {
            let mut told = Vec::new();
            // The server's end is the end of it.
            loop {
                let asks = crowd.asks(1);
                let Ok(answered) = caller.call(variant, &asks).await else { return told };
                if answered.granted == 1 {
                    told.extend(asks.into_iter().map(|ask| ask.user));
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let underway = async {
        while count.load(Ordering::Relaxed) < TOLD {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(UNDERWAY_WITHIN, underway).await.context("no crowd came together")?;
    server.kill();
    let mut told = Vec::new();
    while let Some(client) = clients.join_next().await {
        told.extend(client?);
    }
    Ok(told)
}
