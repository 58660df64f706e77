//! A soak that is over, in figures and in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::Options;
use super::check::Verdict;
use super::log::Log;
use super::players::{Outcomes, Played};
use crate::rush::text;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Soak {
    pub seed: u64,
    pub clients: usize,
    pub wholesalers: usize,
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
    pub storms: usize,
    /// Questions to the shop, each try one.
    pub commands: u64,
    pub answers: BTreeMap<String, u64>,
    /// Acknowledged reservations, through the shop and by batches; each was looked for.
    pub by_shop: u64,
    pub by_batches: u64,
    pub payments: u64,
    pub players: usize,
    pub played: Played,
    pub faults: BTreeMap<String, u64>,
    pub crashes: u64,
    /// Of the storm where it took longest: until everything was back, and to judge it.
    #[serde(serialize_with = "seconds")]
    pub back_within: Duration,
    #[serde(serialize_with = "seconds")]
    pub judged_within: Duration,
    pub verdict: Verdict,
    /// Faults that this machine does not allow.
    pub left_out: Vec<String>,
    #[serde(skip)]
    pub last_payment: Option<String>,
}

fn seconds<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(took.as_secs_f64())
}

impl Soak {
    pub(super) fn new(options: &Options) -> Self {
        let Options { seed, clients, wholesalers, players, .. } = *options;
        Self { seed, clients, wholesalers, players, ..Self::default() }
    }

    pub(super) fn add(&mut self, log: &Log) {
        self.commands += log.tries;
        self.payments += log.charged.len() as u64;
        self.played.add(&log.played);
        for (name, times) in &log.answers {
            *self.answers.entry(name.clone()).or_default() += times;
        }
    }

    /// What is reported at the end.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |what: &str, value: String| {
            // A string takes whatever is written.
            let _ = writeln!(text, "  {what:32} {value}");
        };
        let Self { storms, clients, wholesalers, .. } = self;
        let took = self.took.as_secs_f64();
        line("took", format!("{took:.0} s, {storms} storms, {clients} clients, {wholesalers} that order batches"));
        line("commands", format!("{}, and {} payments", count(self.commands), count(self.payments)));
        for (name, times) in &self.answers {
            line(&format!("  {name}"), count(*times));
        }
        let (by_shop, by_batches) = (count(self.by_shop), count(self.by_batches));
        line("acknowledged", format!("{by_shop} through the shop, {by_batches} by batches; each was looked for"));
        let Played { commands, histories, unknown, .. } = &self.played;
        let (commands, histories) = (count(*commands), count(*histories));
        line(
            "held against the model",
            format!("{commands} commands in {histories} histories, by {} players", self.players),
        );
        let of = |outcomes: Outcomes| {
            let [all, done, not, either] =
                [outcomes.all(), outcomes.done, outcomes.not_done, outcomes.either].map(count);
            format!("{all}: {done} were done, {not} were not, of {either} it is unknown")
        };
        line("  tries of unknown outcome", of(self.played.outcomes()));
        for (verb, outcomes) in unknown {
            line(&format!("    {verb}"), of(*outcomes));
        }
        line("faults", count(self.faults.values().sum::<u64>()));
        for (kind, times) in &self.faults {
            line(&format!("  {kind}"), count(*times));
        }
        line("crashes of a process", count(self.crashes));
        let (back, judged) = (self.back_within.as_secs_f64(), self.judged_within.as_secs_f64());
        line("after a storm", format!("everything was back within {back:.1} s, and judged within {judged:.1} s"));
        line("invariants checked", format!("{} of {} rules", count(self.verdict.checks()), self.verdict.checked.len()));
        for (rule, times) in &self.verdict.checked {
            line(&format!("  {}", count(*times)), rule.to_string());
        }
        line("granted after a retry's refusal", count(self.verdict.late));
        line("refusals beside a crash", format!("{}, which cannot be judged", count(self.verdict.unprovable)));
        for left_out in &self.left_out {
            line("left out", left_out.clone());
        }
        line("violations", count(self.verdict.violations));
        for (rule, times) in &self.verdict.broken {
            line(&format!("  {}", count(*times)), rule.to_string());
        }
        for words in &self.verdict.words {
            line("", words.clone());
        }
        line("seed", self.seed.to_string());
        text
    }
}

fn count(number: u64) -> String {
    text::count(i64::try_from(number).unwrap_or(i64::MAX))
}
