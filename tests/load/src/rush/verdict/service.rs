//! Rules about the service: money is accounted for, nothing broke, no wait was too long, the books agree.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Found, presses, stories};
use crate::rush::Run;
use crate::rush::clock::us;
use crate::rush::database_state::DatabaseState;
use crate::rush::http::DEADLINE;
use crate::rush::tally::{After, Press, Story};
use crate::rush::text::grouped;

const SECOND: Duration = Duration::from_secs(1);

pub fn settled(run: &Run, truth: &DatabaseState) -> Found {
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

pub fn no_server_error(run: &Run, _: &DatabaseState) -> Found {
    let errors = &run.book.server_errors;
    let broken = errors.iter().map(|(what, n)| format!("{n} of {what}")).collect();
    (broken, format!("in {} requests", grouped(run.book.requests)))
}

/// Counted from the moment the press was due: what the tool sent late counts as waiting too. How long is too long depends
/// on the machine, so it is held against what was found in this very run: the most that was answered in a second of it, and
/// the wait that a line served at that rate would have had.
pub fn in_time(run: &Run, _: &DatabaseState) -> Found {
    let wait = |(story, press): (&Story, &Press)| press.answered_us.saturating_sub(us(story.buyer.at));
    let waits: Vec<u64> = presses(run).map(wait).collect();
    let longest_us = waits.iter().copied().max().unwrap_or_default();
    let per_s = capacity(presses(run).map(|(_, press)| press.answered_us).collect());
    let needed = needed_us(presses(run).map(|(story, _)| us(story.buyer.at)).collect(), per_s);
    let needed_us = needed.iter().copied().max().unwrap_or_default();
    let allowed_us = us(DEADLINE).max(needed_us * 3 / 2);

    let late = waits.iter().filter(|wait_us| **wait_us > allowed_us).count();
    let mut broken = vec![];
    if late > 0 {
        broken.push(format!("{late} waited longer, the longest {:.1} s", longest_us as f64 / 1e6));
    }
    // A client gives up after its deadline; so many had to.
    let had_to = needed.iter().filter(|needed_us| **needed_us * 3 / 2 > us(DEADLINE)).count() as u64;
    if run.book.silences.values().sum::<u64>() > had_to {
        broken.extend(run.book.silences.iter().map(|(what, n)| format!("{n} of {what}")));
    }
    let (longest, needed) = (longest_us as f64 / 1e6, needed_us as f64 / 1e6);
    (
        broken,
        format!(
            "the longest wait was {longest:.2} s; at this run's best of {per_s} a second it would have been {needed:.2} s"
        ),
    )
}

/// The most answers that any second of the run had.
fn capacity(mut answered_us: Vec<u64>) -> u64 {
    answered_us.sort_unstable();
    let in_its_second = |(n, at): (usize, &u64)| answered_us.partition_point(|other| *other < at + us(SECOND)) - n;
    answered_us.iter().enumerate().map(in_its_second).max().unwrap_or(1) as u64
}

/// How long each would have waited in a line that is served at this rate.
fn needed_us(mut due_us: Vec<u64>, per_s: u64) -> Vec<u64> {
    due_us.sort_unstable();
    let each_us = us(SECOND) / per_s.max(1);
    let mut free_us = 0;
    due_us
        .into_iter()
        .map(|due| {
            free_us = free_us.max(due) + each_us;
            free_us - due
        })
        .collect()
}

pub fn audit(run: &Run, truth: &DatabaseState) -> Found {
    let mut broken: Vec<String> = truth
        .rules
        .iter()
        .filter(|rule| rule.broken != 0)
        .map(|rule| format!("{}: {} rows", rule.says, rule.broken))
        .collect();
    if !truth.report.audit.ok {
        broken.extend(truth.report.audit.mismatches.iter().map(|mismatch| format!("at the end: {mismatch}")));
    }
    broken.extend(
        run.samples
            .iter()
            .filter(|sample| !sample.audit_ok)
            .map(|sample| format!("during the sale: {:?}", sample.skus)),
    );
    (broken, format!("{} samples, and {} rules of the whole database", run.samples.len() + 1, truth.rules.len()))
}
