//! The figures of a rush: what the page shows, and what is written beside it for other programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Rush;
use super::answer::Needed;
use super::clock::us;
use super::tally::{GRANTED, PressResult};
use super::verdict::Check;
use super::watch::{Sample, Sku};
use crate::percentile::{Percentiles, ms};

/// A press that left later than this after its time was not sent in time: the tool's doing, not the shop's.
const LATE_US: u64 = 100_000;
/// A tool that is late with more than this share of the presses has not kept up.
const LATE_SHARE: f64 = 0.01;

#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub sale_id: String,
    pub seed: u64,
    pub buyers: usize,
    pub stock: u32,
    pub skus: usize,
    pub over_s: f64,
    pub pay: f64,
    pub passed: bool,
    pub checks: Vec<Check>,
    pub holds: usize,
    pub given_back: i64,
    pub orders: usize,
    pub held: i64,
    pub available: i64,
    pub refunds: usize,
    /// Answers to `POST /v1/reservations` by code, and silences.
    pub answers: BTreeMap<String, u64>,
    pub requests: u64,
    pub server_errors: u64,
    pub silences: u64,
    pub pressed_again: u64,
    /// How much later than its time a press left, and how many left later than 100 ms after it.
    pub sent_after: Percentiles,
    pub not_sent_in_time: usize,
    /// Otherwise the waits are the tool's doing as well.
    pub tool_kept_up: bool,
    /// From the moment the press was due to its answer.
    pub winners: Percentiles,
    pub losers: Percentiles,
    /// Nothing where Postgres does not count them.
    pub invocations: Option<BTreeMap<String, i64>>,
    pub invocations_a_reservation: Option<f64>,
    pub transactions: i64,
    pub transactions_a_reservation: f64,
    pub counts_complete: bool,
    /// After the first "sold out": the share of answers that needed no function.
    pub from_memory_after_sold_out: Option<f64>,
    /// And the share that needed no Durable Object.
    pub by_worker_after_sold_out: Option<f64>,
    pub tool_cpu_us_a_request: f64,
    /// Processor time of each part of the stack for a press, in microseconds.
    pub cpu_us_a_press: BTreeMap<String, f64>,
    /// The sale as the database showed it, once a second.
    pub samples: Vec<Sample>,
}

impl Figures {
    pub fn of(rush: &Rush) -> Self {
        let Rush { run, truth, checks } = rush;
        let (mut winners, mut losers, mut sent_after) = (vec![], vec![], vec![]);
        for story in &run.book.stories {
            let due_us = us(story.buyer.at);
            for press in &story.presses {
                let wait = press.answered_us.saturating_sub(due_us);
                match press.told {
                    PressResult::Granted { .. } => winners.push(wait),
                    PressResult::Refused { .. } | PressResult::Nothing => losers.push(wait),
                }
                // What never left was not sent in time, however long it was tried.
                sent_after.push(press.sent_us.unwrap_or(press.answered_us).saturating_sub(due_us));
            }
        }
        let late = sent_after.iter().filter(|late_us| **late_us > LATE_US).count();
        let presses: u64 = run.book.stories.iter().map(|story| story.presses.len() as u64).sum();
        let tries: u64 = run.book.stories.iter().flat_map(|s| &s.presses).map(|press| u64::from(press.tries)).sum();
        let sum = |of: fn(&Sku) -> i64| truth.report.skus.iter().map(of).sum();
        let credits = truth.ledger.iter().filter(|entry| entry.event_type.ends_with("_CREDIT"));
        let a_reservation = |n: i64| n as f64 / presses.max(1) as f64;
        let reserving = run.counts.calls.get("reserve").copied();
        Self {
            sale_id: run.sale_id.clone(),
            seed: run.options.seed,
            buyers: run.options.buyers,
            stock: run.options.stock,
            skus: run.options.skus,
            over_s: run.options.over.as_secs_f64(),
            pay: run.options.pay,
            passed: rush.failed().is_empty(),
            checks: checks.clone(),
            holds: truth.holds.len(),
            given_back: credits.map(|entry| entry.qty).sum(),
            orders: truth.orders.len(),
            held: sum(|sku| sku.held),
            available: sum(|sku| sku.available),
            refunds: truth.payments.values().filter(|state| *state != "ORDERED").count(),
            answers: run.book.counts(),
            requests: run.book.requests,
            server_errors: run.book.server_errors.values().sum(),
            silences: run.book.silences.values().sum(),
            pressed_again: tries - presses,
            not_sent_in_time: late,
            tool_kept_up: late as f64 <= LATE_SHARE * sent_after.len() as f64,
            sent_after: Percentiles::of(sent_after),
            winners: Percentiles::of(winners),
            losers: Percentiles::of(losers),
            invocations: reserving.map(|_| run.counts.calls.clone()),
            invocations_a_reservation: reserving.map(a_reservation),
            transactions: run.counts.transactions,
            transactions_a_reservation: a_reservation(run.counts.transactions),
            counts_complete: run.counted,
            from_memory_after_sold_out: after_sold_out(rush, |needed| needed != Needed::Function),
            by_worker_after_sold_out: after_sold_out(rush, |needed| needed == Needed::Worker),
            samples: run.samples.clone(),
            cpu_us_a_press: run
                .cpu
                .iter()
                .map(|(part, spent)| (part, us(spent) as f64 / presses.max(1) as f64))
                .collect(),
            tool_cpu_us_a_request: us(run.tool_cpu) as f64 / run.book.requests.max(1) as f64,
        }
    }
}

fn after_sold_out(rush: &Rush, counts: impl Fn(Needed) -> bool) -> Option<f64> {
    let book = &rush.run.book;
    let first = book.heard.iter().position(|heard| book.codes[heard.code] == "sold_out")?;
    let after = &book.heard[first..];
    Some(after.iter().filter(|heard| counts(heard.needed)).count() as f64 / after.len() as f64)
}

/// How long winners and losers waited, each sorted, in milliseconds.
pub fn waits(rush: &Rush) -> (Vec<f64>, Vec<f64>) {
    let of = |won: bool| {
        let presses = rush.run.book.stories.iter().flat_map(|story| story.presses.iter().map(move |p| (story, p)));
        let mut waits: Vec<f64> = presses
            .filter(|(_, press)| matches!(press.told, PressResult::Granted { .. }) == won)
            .map(|(story, press)| ms(press.answered_us.saturating_sub(us(story.buyer.at))))
            .collect();
        waits.sort_by(f64::total_cmp);
        waits
    };
    (of(true), of(false))
}

/// Codes in the order in which they are shown: what was granted first, then the most frequent.
pub fn codes_in_order(answers: &BTreeMap<String, u64>) -> Vec<String> {
    let mut codes: Vec<&String> = answers.keys().collect();
    codes.sort_by_key(|code| (code.as_str() != GRANTED, std::cmp::Reverse(answers[*code])));
    codes.into_iter().cloned().collect()
}
