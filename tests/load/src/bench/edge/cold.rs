//! A sale that opens on a Worker that has just been started: what the whole path answers at first, and once it is warm.

use std::time::Duration;

use anyhow::ensure;
use jiff::Timestamp;
use serde::Serialize;
use stack::{Report, Stack, ready};

use super::crowd::{Crowd, Until};
use super::{CLIENTS, How, PAIR, RESERVATIONS, make_sale, median};

/// The sale opens so long after it was made; meanwhile the Worker is started.
const OPENS_IN_S: i64 = 4;
const FIRST: Duration = Duration::from_secs(2);
const SECOND: Duration = Duration::from_secs(1);
const RESTARTED_WITHIN: Duration = Duration::from_secs(30);

/// Answers a second; the medians of the rounds.
#[derive(Serialize)]
pub struct Cold {
    pub clients: usize,
    /// In the first two seconds after the opening.
    pub first_per_s: f64,
    /// In this second after the opening.
    pub second: u64,
    pub later_per_s: f64,
    pub ratio: f64,
}

/// Starts workerd anew for each round.
///
/// # Errors
/// The Worker does not come back, or an answer is not the one that was asked for.
pub async fn run(stack: &Stack, report: &Report, how: How) -> anyhow::Result<Cold> {
    let whole = Duration::from_secs(how.cold_s);
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for round in 1..=how.rounds {
        let sale = format!("cold-{round}");
        let opens_at = Timestamp::from_second(Timestamp::now().as_second() + OPENS_IN_S)?;
        make_sale(report, &sale, Some(opens_at)).await?;
        restart(stack, &report.edge_url).await?;
        // One that is open by now has waited for the first press all the same.
        let left = Timestamp::now().duration_until(opens_at);
        tokio::time::sleep(left.try_into().unwrap_or_default()).await;
        let crowd = Crowd {
            url: &report.edge_url,
            secret: &report.session_secret,
            path: RESERVATIONS,
            sale: &sale,
            sku: PAIR,
            qty: 1,
            status: 201,
        };
        let sent = crowd.press(CLIENTS, Until::Time(whole)).await?;
        let (cold, warm) = (sent.per_s_between(Duration::ZERO, FIRST), sent.per_s_between(whole - SECOND, whole));
        println!("  a Worker that was just started: {cold:.0} a second, later {warm:.0}");
        first.push(cold);
        later.push(warm);
    }
    let ratio = median(first.iter().zip(&later).map(|(first, later)| first / later));
    let (first_per_s, later_per_s) = (median(first.into_iter()), median(later.into_iter()));
    Ok(Cold { clients: CLIENTS, first_per_s, second: how.cold_s, later_per_s, ratio })
}

/// Returns when another workerd answers.
async fn restart(stack: &Stack, edge_url: &str) -> anyhow::Result<()> {
    let before = stack.edge_pid()?;
    stack.children().start_again("edge");
    let http = stack::http::client().build()?;
    ready::within(RESTARTED_WITHIN, "the Worker", async || {
        ensure!(stack.edge_pid()? != before, "it is still the former one");
        http.get(format!("{edge_url}/healthz")).send().await?.error_for_status()?;
        Ok(())
    })
    .await
}
