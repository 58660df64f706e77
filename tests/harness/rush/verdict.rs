//! Whether it was a good sale: what the buyers were told held against what the database says, one rule at a time.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::Run;
use super::arrivals::Tabs;
use super::clock::us;
use super::http::DEADLINE;
use super::sale::sku_id;
use super::series::Stock;
use super::tally::{After, Press, Story, Told};
use super::text::{count, grouped};
use super::truth::Truth;

/// "Sold out" may be told for so long after stock has come back.
const SOLD_OUT_KEPT_US: i64 = 1_000_000;
/// Of what breaks a rule so many are named.
const NAMED: usize = 3;

/// One rule, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub rule: &'static str,
    pub holds: bool,
    pub found: String,
}

/// What breaks a rule; and a sentence for when nothing does.
type Found = (Vec<String>, String);
type Rule = fn(&Run, &Truth) -> Found;

const RULES: [(&str, Rule); 11] = [
    ("Sold exactly", sold_exactly),
    ("Oversold 0", oversold),
    ("Nobody was turned away while there was stock", turned_away),
    ("Every buyer has an answer", answered),
    ("Every hold and order that was told is in the database, and no other", on_record),
    ("Every payment is an order or a refund", settled),
    ("Nobody has two holds of one SKU", one_hold_each),
    ("Replays agree", replays),
    ("No 5xx", no_server_error),
    ("Nobody was without an answer for 5 s", in_time),
    ("The audit finds nothing", audit),
];

pub fn judge(run: &Run, truth: &Truth) -> Vec<Check> {
    let check = |(rule, find): (&'static str, Rule)| {
        let (broken, fine) = find(run, truth);
        let more = broken.len().saturating_sub(NAMED);
        let named = broken.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        let found = match (broken.is_empty(), more) {
            (true, _) => fine,
            (false, 0) => named,
            (false, more) => format!("{named}; and {more} more"),
        };
        Check { rule, holds: broken.is_empty(), found }
    };
    RULES.map(check).to_vec()
}

fn stories(run: &Run) -> impl Iterator<Item = &Story> {
    run.book.stories.iter()
}

fn presses(run: &Run) -> impl Iterator<Item = (&Story, &Press)> {
    stories(run).flat_map(|story| story.presses.iter().map(move |press| (story, press)))
}

/// What comes back may be sold again: so many are granted as were there, and again as many as came back and were wanted.
fn sold_exactly(run: &Run, truth: &Truth) -> Found {
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

fn oversold(run: &Run, truth: &Truth) -> Found {
    let mut broken = vec![];
    let mut left: HashMap<&str, i64> = HashMap::new();
    for entry in &truth.ledger {
        let left = left.entry(&entry.sku_id).or_default();
        *left += entry.qty;
        if *left < 0 {
            broken.push(format!("{}: {left} left in the ledger", entry.sku_id));
        }
    }
    let at_the_end = truth.report.skus.iter().map(|sku| ("at the end".to_owned(), sku));
    let looks = run.looks.iter().flat_map(|look| {
        look.skus.iter().map(|sku| (format!("{:.1} s after the opening", look.at_us as f64 / 1e6), sku))
    });
    for (when, sku) in looks.chain(at_the_end) {
        if sku.available < 0 || sku.held + sku.sold > sku.total || sku.available + sku.held + sku.sold != sku.total {
            broken.push(format!("{when} {sku:?}"));
        }
    }
    let fine = format!("in {} ledger entries and {} looks during the sale", truth.ledger.len(), run.looks.len());
    (broken, fine)
}

/// Everybody who heard "sold out" heard it of a moment at which there was none: between sending and hearing, or so
/// little before that the edge may still have remembered it.
fn turned_away(run: &Run, truth: &Truth) -> Found {
    let (mut broken, mut refused) = (vec![], 0);
    let stock: Vec<Stock> = (0..run.options.skus).map(|sku| Stock::of(truth, &sku_id(sku))).collect();
    for (story, press) in presses(run) {
        if !matches!(&press.told, Told::Refused { code, .. } if code == "sold_out") {
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

/// One that may be given to this buyer: no other refusal has a place in a rush.
fn answered(run: &Run, _: &Truth) -> Found {
    let mut broken = vec![];
    let (came, wanted) = (run.book.stories.len(), run.options.buyers);
    if came != wanted {
        broken.push(format!("{came} of {wanted} buyers came to an end"));
    }
    for (story, press) in presses(run) {
        let own = granted(story).next();
        let fits = match &press.told {
            Told::Granted { .. } => true,
            Told::Refused { status: 409, code, hold_id } => match code.as_str() {
                "sold_out" => true,
                "already_holding" => story.buyer.tabs == Tabs::TwoKeys && own.is_some() && hold_id.as_deref() == own,
                "limit_reached" => story.buyer.tabs == Tabs::TwoKeys && own.is_some(),
                _ => false,
            },
            Told::Refused { .. } | Told::Nothing => false,
        };
        if !fits {
            broken.push(format!("{}: {:?} after {} tries", story.user_id, press.told, press.tries));
        }
    }
    for story in stories(run) {
        if let After::Failed(reason) = &story.after {
            broken.push(format!("{}: {reason}", story.user_id));
        }
    }
    (broken, format!("{} buyers, {} presses", grouped(came as u64), grouped(presses(run).count() as u64)))
}

/// The holds that this buyer was told of.
fn granted(story: &Story) -> impl Iterator<Item = &str> {
    story.presses.iter().filter_map(|press| match &press.told {
        Told::Granted { hold_id, .. } => Some(hold_id.as_str()),
        Told::Refused { .. } | Told::Nothing => None,
    })
}

fn on_record(run: &Run, truth: &Truth) -> Found {
    let mut broken = vec![];
    let mut told: HashMap<&str, &Story> = HashMap::new();
    for story in stories(run) {
        for hold_id in granted(story) {
            told.insert(hold_id, story);
            let sku_id = sku_id(story.buyer.sku);
            match truth.holds.get(hold_id) {
                Some(hold) if hold.user_id == story.user_id && hold.sku_id == sku_id => {
                    let status = match story.after {
                        After::Ordered { .. } => "COMMITTED",
                        After::Released => "RELEASED",
                        After::Left => "HOLD",
                        After::NotGranted | After::Unsettled { .. } | After::Failed(_) => &hold.status,
                    };
                    if hold.status != status {
                        broken.push(format!("hold {hold_id} is {}, not {status}", hold.status));
                    }
                }
                Some(hold) => broken.push(format!("hold {hold_id} of {} is {hold:?}", story.user_id)),
                None => broken.push(format!("hold {hold_id} of {} is not there", story.user_id)),
            }
            let ordered = match &story.after {
                After::Ordered { order_id, .. } => Some(order_id),
                _ => None,
            };
            let order = truth.orders.get(hold_id).map(|order| &order.order_id);
            if ordered.is_some() && order != ordered {
                broken.push(format!("order {ordered:?} of hold {hold_id} is {order:?}"));
            }
        }
    }
    let untold =
        truth.holds.iter().filter(|(id, hold)| told.get(id.as_str()).is_none_or(|s| s.user_id != hold.user_id));
    broken.extend(untold.map(|(id, hold)| format!("nobody was told of hold {id} of {}", hold.user_id)));
    let paid = |story: &&Story| matches!(story.after, After::Ordered { .. } | After::Unsettled { .. });
    for (hold_id, order) in &truth.orders {
        let payer = told.get(hold_id.as_str()).copied().filter(paid);
        if payer.is_none_or(|story| story.user_id != order.user_id) {
            broken.push(format!("nobody paid for order {} of {}", order.order_id, order.user_id));
        }
    }
    (broken, format!("{} holds, {} orders", truth.holds.len(), truth.orders.len()))
}

fn settled(run: &Run, truth: &Truth) -> Found {
    let mut broken = vec![];
    let paid: BTreeSet<&str> = stories(run)
        .filter_map(|story| match &story.after {
            After::Ordered { payment_id, .. } | After::Unsettled { payment_id } => Some(payment_id.as_str()),
            _ => None,
        })
        .collect();
    let known: BTreeSet<&str> = truth.payments.keys().map(String::as_str).collect();
    broken.extend(paid.difference(&known).map(|id| format!("payment {id} was taken and is not on record")));
    broken.extend(known.difference(&paid).map(|id| format!("payment {id} is on record and was not taken")));
    let ordered = truth.payments.values().filter(|state| *state == "ORDERED").count();
    if ordered != truth.orders.len() {
        broken.push(format!("{ordered} payments are orders, and there are {} orders", truth.orders.len()));
    }
    (broken, format!("{} payments: {ordered} orders, {} refunds", known.len(), known.len() - ordered))
}

fn one_hold_each(run: &Run, truth: &Truth) -> Found {
    let mut broken = vec![];
    let mut holds: HashMap<(&str, &str), usize> = HashMap::new();
    for hold in truth.holds.values() {
        *holds.entry((&hold.user_id, &hold.sku_id)).or_default() += 1;
    }
    broken.extend(holds.iter().filter(|(_, n)| **n > 1).map(|((user, sku), n)| format!("{user} has {n} of {sku}")));
    for story in stories(run) {
        let told: BTreeSet<&str> = granted(story).collect();
        if told.len() > 1 {
            broken.push(format!("{} was told of {} holds", story.user_id, told.len()));
        }
    }
    let two_tabs = stories(run).filter(|story| story.buyer.tabs != Tabs::One).count();
    (broken, format!("{two_tabs} tried with two tabs"))
}

/// The same key: the same body, and granted once.
fn replays(run: &Run, _: &Truth) -> Found {
    let (mut broken, mut replayed_in_all) = (vec![], 0);
    for story in stories(run) {
        let mut first: HashMap<usize, (&str, usize)> = HashMap::new();
        for press in &story.presses {
            let Told::Granted { body, replayed, .. } = &press.told else { continue };
            replayed_in_all += usize::from(*replayed);
            let (said, fresh) = first.entry(press.key).or_insert((body, 0));
            *fresh += usize::from(!replayed);
            if *said != body || *fresh > 1 {
                broken.push(format!("{} was told {said} and {body}", story.user_id));
            }
        }
    }
    (broken, format!("{replayed_in_all} replays, each word for word"))
}

fn no_server_error(run: &Run, _: &Truth) -> Found {
    let errors = &run.book.server_errors;
    let broken = errors.iter().map(|(what, n)| format!("{n} of {what}")).collect();
    (broken, format!("in {} requests", grouped(run.book.requests)))
}

/// Counted from the moment the press was due: what the tool sent late counts as waiting too.
fn in_time(run: &Run, _: &Truth) -> Found {
    let mut broken: Vec<String> = run.book.silences.iter().map(|(what, n)| format!("{n} of {what}")).collect();
    let wait = |(story, press): (&Story, &Press)| press.answered_us.saturating_sub(us(story.buyer.at));
    let longest_us = presses(run).map(wait).max().unwrap_or_default();
    let late = presses(run).map(wait).filter(|wait_us| *wait_us > us(DEADLINE)).count();
    if late > 0 {
        broken.push(format!("{late} waited longer, the longest {:.1} s", longest_us as f64 / 1e6));
    }
    (broken, format!("the longest wait was {:.2} s", longest_us as f64 / 1e6))
}

fn audit(run: &Run, truth: &Truth) -> Found {
    let mut broken: Vec<String> = truth.broken.iter().map(|(rule, rows)| format!("{rule}: {rows} rows")).collect();
    if !truth.report.audit.ok {
        broken.extend(truth.report.audit.mismatches.iter().map(|mismatch| format!("at the end: {mismatch}")));
    }
    broken
        .extend(run.looks.iter().filter(|look| !look.audit_ok).map(|look| format!("during the sale: {:?}", look.skus)));
    (broken, format!("{} looks, and {} rules of the whole database", run.looks.len() + 1, crate::always::ALWAYS.len()))
}

#[cfg(test)]
mod tests;
