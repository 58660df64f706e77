//! Compares every response with the database, rule by rule. `stock` judges responses about stock by what there was over
//! time, `holds` what was said of holds, `money` what became of payments.

mod holds;
mod money;
mod stock;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::database_state::DatabaseState;
use super::log::{Log, Us};
use super::world::Sale;

/// Violations of one rule that are described: what is lost at once must not hide what else is wrong. All of them are
/// counted.
const WORDS_MAX: u64 = 5;

const EXPLAINED: &str = "every answer and every row is one that the model explains";

/// How often each rule was looked at, and where it did not hold.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    pub checked: BTreeMap<Cow<'static, str>, u64>,
    pub broken: BTreeMap<Cow<'static, str>, u64>,
    pub violations: u64,
    pub words: Vec<String>,
    /// Refusals that cannot be judged: the database crashed so close to them that what they saw may have been lost.
    pub unprovable: u64,
    /// Reservations that were granted after a retry had been refused: the question was still on its way.
    pub late: u64,
}

impl Verdict {
    pub fn check(&mut self, rule: impl Into<Cow<'static, str>>, holds: bool, words: impl FnOnce() -> String) {
        let rule = rule.into();
        *self.checked.entry(rule.clone()).or_default() += 1;
        if !holds {
            self.violations += 1;
            let broken = self.broken.entry(rule.clone()).or_default();
            *broken += 1;
            if *broken <= WORDS_MAX {
                self.words.push(format!("{rule}: {}", words()));
            }
        }
    }

    pub fn checks(&self) -> u64 {
        self.checked.values().sum()
    }
}

/// A storm that is over.
pub struct Storm<'a> {
    /// Its users' names begin so.
    pub name: &'a str,
    pub sales: &'a [Sale],
    pub log: &'a Log,
    pub truth: &'a DatabaseState,
    pub payments: &'a [super::books::Payment],
    /// When the database was away, and a little around it.
    pub away: &'a [(Us, Us)],
}

impl Storm<'_> {
    /// Whether the database may have lost what a client read then without an acknowledgement.
    fn unprovable(&self, from: Us, to: Us) -> bool {
        self.away.iter().any(|(begin, end)| from <= *end && to >= *begin)
    }

    fn user_id(&self, user: usize) -> String {
        format!("{}-{user}", self.name)
    }
}

pub fn judge(storm: &Storm<'_>, verdict: &mut Verdict) {
    for words in &storm.log.impossible {
        verdict.check("no answer is impossible", false, || words.clone());
    }
    *verdict.checked.entry("no answer is impossible".into()).or_default() += storm.log.tries;
    *verdict.checked.entry("the sums of a report agree, in the middle of it".into()).or_default() += storm.log.reports;
    for words in &storm.log.played.unexplained {
        verdict.check(EXPLAINED, false, || words.clone());
    }
    *verdict.checked.entry(EXPLAINED.into()).or_default() += storm.log.played.commands;
    holds::judge(storm, verdict);
    stock::judge(storm, verdict);
    money::judge(storm, verdict);
}
