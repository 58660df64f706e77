//! Whether the sale was correct: the buyers' responses compared with the database, one rule at a time.

mod responses;
mod service;
mod stock;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::Run;
use super::database_state::DatabaseState;
use super::tally::{Press, Story};

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
type Rule = fn(&Run, &DatabaseState) -> Found;

const RULES: [(&str, Rule); 11] = [
    ("Sold exactly", stock::sold_exactly),
    ("Oversold 0", stock::oversold),
    ("Nobody was refused while there was stock", stock::refused_with_stock),
    ("Every buyer has an answer", responses::answered),
    ("Every hold and order that was told is in the database, and no other", responses::on_record),
    ("Every payment is an order or a refund", service::settled),
    ("Nobody has two holds of one SKU", responses::one_hold_each),
    ("Replays agree", responses::replays),
    ("No 5xx", service::no_server_error),
    ("No wait was longer than the run's own capacity explains", service::in_time),
    ("The audit finds nothing", service::audit),
];

pub fn judge(run: &Run, truth: &DatabaseState) -> Vec<Check> {
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
