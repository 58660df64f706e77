//! Rules about the stock: sold exactly, never oversold, and no buyer was refused while there was stock.

use super::{Found, presses, stories};
use crate::rush::Run;
use crate::rush::database_state::DatabaseState;
use crate::rush::sale::sku_id;
use crate::rush::series::Stock;
use crate::rush::tally::{After, PressResult};
use crate::rush::text::count;

/// "Sold out" may be answered for so long after stock has come back.
const SOLD_OUT_KEPT_US: i64 = 1_000_000;

/// What comes back may be sold again: so many are granted as were there, and again as many as came back and were wanted.
pub fn sold_exactly(run: &Run, truth: &DatabaseState) -> Found {
    let (mut broken, mut fine) = (vec![], vec![]);
    for sku in 0..run.options.skus {
        let (id, stock) = (sku_id(sku), i64::from(run.options.stock_of(sku)));
        let wanted = stories(run).filter(|story| story.buyer.sku == sku).count() as i64;
        let granted = truth.holds.values().filter(|hold| hold.sku_id == id).count() as i64;
        let sold = truth.orders.values().filter(|order| order.sku_id == id).count() as i64;
        let credits = truth.ledger.iter().filter(|entry| entry.sku_id == id && entry.event_type.ends_with("_CREDIT"));
        let returned: i64 = credits.map(|entry| entry.qty).sum();
        let Some(told) = truth.report.skus.iter().find(|told| told.sku_id == id) else {
            broken.push(format!("{id} is not in the report"));
            continue;
        };
        if granted < stock.min(wanted) || granted > stock.min(wanted) + returned {
            broken.push(format!("{id}: {granted} granted of {stock}, {wanted} wanted, {returned} given back"));
        }
        if told.total != stock || told.sold != sold || told.available != stock - granted + returned {
            broken.push(format!("{id}: the report says {told:?}"));
        }
        let again =
            if returned > 0 { format!(", {} given back and offered again", count(returned)) } else { String::new() };
        let (granted, stock, sold, wanted) = (count(granted), count(stock), count(sold), count(wanted));
        fine.push(format!("{id}: {granted} granted of {stock}{again}; {sold} sold; {wanted} wanted one"));
    }
    (broken, fine.join("; "))
}

/// At no moment did more buyers have a piece than there are pieces: from the response to the request for its release.
pub fn oversold(run: &Run, truth: &DatabaseState) -> Found {
    let (mut broken, mut most) = (vec![], vec![]);
    for sku in 0..run.options.skus {
        let mut changes: Vec<(u64, i64)> = vec![];
        for story in stories(run).filter(|story| story.buyer.sku == sku) {
            let granted = story.presses.iter().filter(|press| matches!(press.told, PressResult::Granted { .. }));
            changes.extend(granted.map(|press| press.answered_us).min().map(|at_us| (at_us, 1)));
            if let After::Released { asked_us, .. } = story.after {
                changes.push((asked_us, -1));
            }
        }
        changes.sort_unstable();
        let sure = changes.iter().scan(0, |sure, (_, change)| {
            *sure += change;
            Some(*sure)
        });
        let (sure, stock) = (sure.max().unwrap_or_default(), i64::from(run.options.stock_of(sku)));
        if sure > stock {
            broken.push(format!("{}: {sure} of {stock} were promised at one time", sku_id(sku)));
        }
        most.push(format!("{} of {}", count(sure), count(stock)));
    }
    let at_the_end = truth.report.skus.iter().map(|sku| ("at the end".to_owned(), sku));
    let samples = run.samples.iter().flat_map(|sample| {
        sample.skus.iter().map(|sku| (format!("{:.1} s after the opening", sample.at_us as f64 / 1e6), sku))
    });
    for (when, sku) in samples.chain(at_the_end) {
        if sku.available < 0 || sku.held + sku.sold > sku.total || sku.available + sku.held + sku.sold != sku.total {
            broken.push(format!("{when} {sku:?}"));
        }
    }
    let fine =
        format!("at most {} promised at one time, {} samples of the sums", most.join(", "), run.samples.len() + 1);
    (broken, fine)
}

/// Every "sold out" is true of a moment between the request and its response, or so little before that the edge may
/// still have remembered it.
pub fn refused_with_stock(run: &Run, truth: &DatabaseState) -> Found {
    let (mut broken, mut refused) = (vec![], 0);
    let stock: Vec<Stock> = (0..run.options.skus).map(|sku| Stock::sure(run, truth, &sku_id(sku))).collect();
    for (story, press) in presses(run) {
        if !matches!(&press.told, PressResult::Refused { code, .. } if code == "sold_out") {
            continue;
        }
        refused += 1;
        let unix = |us: u64| run.clock.opening_unix_us + us as i64;
        let (from, to) = (unix(press.last_sent_us) - SOLD_OUT_KEPT_US, unix(press.answered_us));
        let least = stock[story.buyer.sku].least_between(from, to);
        if least > 0 {
            let at_s = press.answered_us as f64 / 1e6;
            broken.push(format!("{} was told sold out at {at_s:.3} s with {least} there", story.user_id));
        }
    }
    (broken, format!("{} were told sold out, each when there was none", count(refused)))
}
