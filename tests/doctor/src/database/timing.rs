//! How long a round trip and a commit take, from where the doctor runs.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use jiff::Timestamp;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::row;
use crate::report::Report;

const TIMES: usize = 20;
/// A commit that takes longer makes large batches and long calls: the plan has to count with it.
const COMMIT_SLOW_MS: f64 = 20.0;
/// Holds end by the database's clock, countdowns run by the Worker's.
const CLOCK_APART_S: f64 = 2.0;
/// A commit that waits for a standby may wait for ever.
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn round_trip(client: &Client, report: &mut Report) -> Result<()> {
    let times = measure(client, "select 1").await?;
    report.fact("round trip", shown(&times, 0.0));
    let before = Timestamp::now();
    let there: String =
        row(client, "select (extract(epoch from clock_timestamp()) * 1000)::bigint::text", &[]).await?.get(0);
    let here_ms = (before.as_millisecond() + Timestamp::now().as_millisecond()) / 2;
    clocks((there.parse::<i64>()? - here_ms) as f64 / 1_000.0, report);
    Ok(())
}

fn clocks(apart_s: f64, report: &mut Report) {
    if apart_s.abs() > CLOCK_APART_S {
        report.risk(
            "clock",
            format!("the database's clock is {apart_s:+.1} s from this machine's"),
            "set whichever is wrong by NTP: a hold ends by the database's clock, its countdown runs by the Worker's",
        );
    }
}

/// What T1's barrier writes; a commit is the time beyond a round trip.
pub async fn commit(client: &Client, report: &mut Report) -> Result<()> {
    let trip = median(&measure(client, "select 1").await?);
    let message = "select pg_logical_emit_message(true, 'holdfast', 'doctor')";
    let times = match tokio::time::timeout(PATIENCE, measure(client, message)).await {
        Ok(Ok(times)) => times,
        Ok(Err(error)) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            report.unread("commit", "this user may not write a message into the log: use the database's owner");
            return Ok(());
        }
        Ok(Err(error)) => bail!(error),
        Err(_) => {
            report.wrong(
                "commit-hangs",
                format!("{TIMES} commits did not end in {} s", PATIENCE.as_secs()),
                "look at pg_stat_activity.wait_event: SyncRep waits for a standby",
            );
            return Ok(());
        }
    };
    let commit_ms = (median(&times) - trip).max(0.0);
    report.fact("commit", format!("{}: `cargo dev plan --commit-ms {commit_ms:.1}`", shown(&times, trip)));
    if commit_ms > COMMIT_SLOW_MS {
        report.risk(
            "commit-slow",
            format!("a commit takes {commit_ms:.1} ms: every reservation, order and refund waits for it"),
            format!("faster storage, or a nearer standby; `cargo dev plan --commit-ms {commit_ms:.0}` for this one"),
        );
    }
    Ok(())
}

/// In milliseconds, sorted; the first, which may be slower, is left out.
async fn measure(client: &Client, sql: &str) -> Result<Vec<f64>, tokio_postgres::Error> {
    client.simple_query(sql).await?;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        client.simple_query(sql).await?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn shown(sorted: &[f64], without: f64) -> String {
    let most = sorted.last().copied().unwrap_or_default();
    format!(
        "{:.1} ms, at most {:.1} (of {})",
        (median(sorted) - without).max(0.0),
        (most - without).max(0.0),
        sorted.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_a_risk() {
        let found = |apart_s| {
            let mut report = Report::default();
            clocks(apart_s, &mut report);
            report.findings.first().map(|finding| finding.name)
        };
        assert_eq!((found(1.9), found(-1.9)), (None, None));
        assert_eq!((found(2.1), found(-2.1)), (Some("clock"), Some("clock")));
    }
}
