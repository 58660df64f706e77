//! What is seen while it goes on: once a second a view of the sale, redrawn in place on a terminal, a line elsewhere.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use super::arrivals::Options;
use super::buyer::World;
use super::tally::GRANTED;
use super::watch::Samples;
use crate::percentile::Percentiles;

const EVERY: Duration = Duration::from_secs(1);

/// A moment of a rush.
pub struct Moment {
    pub at_s: f64,
    pub arrived: usize,
    pub of: usize,
    pub holds: u64,
    pub orders: u64,
    /// Answers by code since the opening, without what was granted.
    pub refusals: BTreeMap<String, u64>,
    /// How long those waited who were answered in the last second.
    pub lately: Percentiles,
    pub left: i64,
    pub stock: u32,
}

/// The viewers.
pub trait Watching: Send {
    fn see(&mut self, moment: &Moment);
}

/// No viewer.
impl Watching for () {
    fn see(&mut self, _: &Moment) {}
}

/// The terminal, or whatever standard output is.
#[derive(Default)]
pub struct Shown {
    /// Lines to go up before the next view.
    drawn: usize,
}

impl Watching for Shown {
    fn see(&mut self, moment: &Moment) {
        let mut out = std::io::stdout();
        if !out.is_terminal() {
            println!("{}", line(moment));
            return;
        }
        let lines = view(moment);
        let up = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::new() };
        self.drawn = lines.len();
        let text: String = lines.iter().map(|line| format!("\x1b[2K{line}\n")).collect();
        // A terminal that has gone away is no reason to stop.
        let _ = write!(out, "{up}{text}").and_then(|()| out.flush());
    }
}

pub(super) async fn show(
    mut watching: impl Watching,
    world: &Arc<World>,
    samples: &Samples,
    options: &Options,
) -> Infallible {
    let mut beat = tokio::time::interval_at(world.clock.opening + EVERY, EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        beat.tick().await;
        let left = samples.last().map_or(0, |sample| sample.skus.iter().map(|sku| sku.available).sum());
        let mut book = world.tally.book();
        let lately = book.lately_us();
        let (arrived, holds, orders) = (book.arrived, book.holds, book.orders);
        let mut refusals = book.counts();
        drop(book);
        refusals.remove(GRANTED);
        let (at_s, lately) = (world.clock.now_us() as f64 / 1e6, Percentiles::of(lately));
        let (of, stock) = (options.buyers, options.stock);
        watching.see(&Moment { at_s, arrived, of, holds, orders, refusals, lately, left, stock });
    }
}

fn line(moment: &Moment) -> String {
    let Moment { at_s, arrived, of, holds, orders, lately, left, stock, .. } = moment;
    let (p50_ms, p99_ms, refusals) = (lately.p50_ms, lately.p99_ms, refusals(moment));
    format!(
        "{at_s:5.1} s  arrived {arrived}/{of}  holds {holds}  orders {orders}  left {left}/{stock}  \
         p50 {p50_ms:.0} ms  p99 {p99_ms:.0} ms  {refusals}"
    )
}

fn view(moment: &Moment) -> Vec<String> {
    let Moment { at_s, arrived, of, holds, orders, lately, left, stock, .. } = moment;
    vec![
        format!("  {at_s:5.1} s since the opening"),
        format!("  arrivals   {arrived:>7} of {of}  {}", bar(*arrived as f64 / (*of).max(1) as f64)),
        format!("  stock left {left:>7} of {stock}  {}", bar(*left as f64 / f64::from((*stock).max(1)))),
        format!("  holds      {holds:>7}   orders {orders}"),
        format!("  refusals   {}", refusals(moment)),
        format!("  last second: {} answers, p50 {:.0} ms, p99 {:.0} ms", lately.count, lately.p50_ms, lately.p99_ms),
    ]
}

fn refusals(moment: &Moment) -> String {
    let said: Vec<String> = moment.refusals.iter().map(|(code, n)| format!("{code} {n}")).collect();
    said.join(", ")
}

fn bar(share: f64) -> String {
    const WIDTH: usize = 32;
    let full = (share.clamp(0.0, 1.0) * WIDTH as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(WIDTH - full))
}
