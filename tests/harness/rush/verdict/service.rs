//! What is said of the service: money is accounted for, nothing broke, nobody waited too long, the books are in order.

use std::collections::BTreeSet;

use super::{Found, presses, stories};
use crate::always::ALWAYS;
use crate::rush::Run;
use crate::rush::clock::us;
use crate::rush::http::DEADLINE;
use crate::rush::tally::{After, Press, Story};
use crate::rush::text::grouped;
use crate::rush::truth::Truth;

pub fn settled(run: &Run, truth: &Truth) -> Found {
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

pub fn no_server_error(run: &Run, _: &Truth) -> Found {
    let errors = &run.book.server_errors;
    let broken = errors.iter().map(|(what, n)| format!("{n} of {what}")).collect();
    (broken, format!("in {} requests", grouped(run.book.requests)))
}

/// Counted from the moment the press was due: what the tool sent late counts as waiting too.
pub fn in_time(run: &Run, _: &Truth) -> Found {
    let mut broken: Vec<String> = run.book.silences.iter().map(|(what, n)| format!("{n} of {what}")).collect();
    let wait = |(story, press): (&Story, &Press)| press.answered_us.saturating_sub(us(story.buyer.at));
    let longest_us = presses(run).map(wait).max().unwrap_or_default();
    let late = presses(run).map(wait).filter(|wait_us| *wait_us > us(DEADLINE)).count();
    if late > 0 {
        broken.push(format!("{late} waited longer, the longest {:.1} s", longest_us as f64 / 1e6));
    }
    (broken, format!("the longest wait was {:.2} s", longest_us as f64 / 1e6))
}

pub fn audit(run: &Run, truth: &Truth) -> Found {
    let mut broken: Vec<String> = truth.broken.iter().map(|(rule, rows)| format!("{rule}: {rows} rows")).collect();
    if !truth.report.audit.ok {
        broken.extend(truth.report.audit.mismatches.iter().map(|mismatch| format!("at the end: {mismatch}")));
    }
    broken
        .extend(run.looks.iter().filter(|look| !look.audit_ok).map(|look| format!("during the sale: {:?}", look.skus)));
    (broken, format!("{} looks, and {} rules of the whole database", run.looks.len() + 1, ALWAYS.len()))
}
