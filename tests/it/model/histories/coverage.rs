//! How often each outcome and each pair of racing commands occurred. One that can occur and never did is a failure:
//! what was not asked was not compared.

use std::collections::{BTreeMap, BTreeSet};

use model::{Answered, Command, Model};
use serde_json::{Value, json};

#[derive(Clone, Debug, Default)]
pub struct Coverage {
    pub commands: usize,
    pub histories: usize,
    outcomes: BTreeMap<String, u64>,
    pairs: BTreeMap<String, u64>,
    /// Orders that somebody was told are cancelled.
    cancelled: BTreeSet<String>,
}

/// Every outcome that a command can have, and so must have had.
const OUTCOMES: &[&str] = &[
    "asked led to a payment",
    "asked not paid",
    "asked nothing",
    "asked nothing at all",
    "asked over",
    "attempt CAPTURING",
    "attempt ENDED confirmed",
    "attempt ENDED led to a payment",
    "attempt ENDED nothing said",
    "attempt ENDED over",
    "attempt LETTING_GO",
    "attempt UNDER_WAY",
    "begin refund begun",
    "begin refund nothing",
    "cancel CANCELLED",
    "cancel CANCELLED again",
    "cancel idempotency_key_reused",
    "cancel nothing",
    "cancel own CANCELLED",
    "cancel own CANCELLED again",
    "cancel own not_for_buyers",
    "cancel own not_found",
    "cancel own transition_not_allowed",
    "cancel replayed",
    "cancel transition_not_allowed",
    "lapse done",
    "change already_holding",
    "change changed",
    "change hold_not_active COMMITTED",
    "change hold_not_active EXPIRED",
    "change hold_not_active RELEASED",
    "change limit_reached",
    "change no_such_hold",
    "change not_found",
    "change precondition_failed",
    "change sale_not_open",
    "change sold_out",
    "decide dismissed",
    "decide idempotency_key_reused",
    "decide invalid_request",
    "decide nothing",
    "decide paid_back",
    "decide pending",
    "decide replayed",
    "decide settled",
    "late: another hold in its place",
    "late: bought enough",
    "late: not swept yet",
    "late: not what was to be paid",
    "late: sold to others",
    "late: taken again",
    "late: the sale is not open",
    "changed DISPUTE_LOST",
    "changed DISPUTE_RESOLVED",
    "changed DISPUTE_WON",
    "changed PAYMENT_DISPUTED",
    "changed PAYMENT_REFUNDED_OUTSIDE",
    "changed PAYMENT_RESTORED",
    "changed PAYMENT_REVERSED",
    "refund entry REFUND_COMPLETED",
    "refund entry REFUND_FAILED",
    "refund entry REFUND_REOPENED",
    "ledger CANCEL_CREDIT",
    "ledger CHANGE_CREDIT",
    "ledger CHANGE_DEBIT",
    "ledger EXPIRE_CREDIT",
    "ledger RELEASE_CREDIT",
    "ledger RESERVE_DEBIT",
    "ledger RETAKE_DEBIT",
    "ledger RETURN_CREDIT",
    "ledger STOCK_IN",
    "ledger STOCK_OUT",
    "listed agreed",
    "listed asked",
    "listed asked again",
    "listed nothing",
    "move CANCELLED",
    "move DELIVERED",
    "move PREPARING",
    "move RETURNED",
    "move SHIPPED",
    "move nothing",
    "move precondition_failed",
    "move transition_not_allowed",
    "new sale already_exists",
    "new sale sale",
    "new sale sale again",
    "note confirmed",
    "note ignored",
    "note taken ignored",
    "open page hold_not_active COMMITTED",
    "open page hold_not_active EXPIRED",
    "open page hold_not_active RELEASED",
    "open page not_found",
    "open page opened",
    "park parked",
    "parked DISMISSED",
    "parked GONE",
    "parked PAID_BACK",
    "parked PARKED",
    "parked SETTLED",
    "pay again",
    "pay confirmed",
    "pay free confirmed",
    "pay free costs_something",
    "pay free hold_not_active EXPIRED",
    "pay free hold_not_active RELEASED",
    "pay free insufficient_balance",
    "pay free not_found",
    "pay refund_required already_paid",
    "pay refund_required amount_mismatch",
    "pay refund_required hold_expired",
    "pay refund_required hold_released",
    "pay refund_required hold_unknown",
    "pay refund_required user_mismatch",
    "present nothing",
    "present recorded",
    "read hold COMMITTED",
    "read hold COMMITTED refund",
    "read hold EXPIRED",
    "read hold EXPIRED refund",
    "read hold HOLD",
    "read hold HOLD refund",
    "read hold RELEASED",
    "read hold RELEASED refund",
    "read hold nothing",
    "read order CANCELLED",
    "read order CONFIRMED",
    "read order nothing",
    "read order of hold CANCELLED",
    "read order of hold CONFIRMED",
    "read order of hold nothing",
    "read payments none",
    "read payments some",
    "read sale closed",
    "read sale nothing",
    "read sale open",
    "read sale paused",
    "read sale scheduled",
    "refund COMPLETED",
    "refund FAILED",
    "refund nothing",
    "release hold_not_active COMMITTED",
    "release hold_not_active EXPIRED",
    "release hold_not_active HOLD",
    "release not_found",
    "release released",
    "report report",
    "reserve already_holding",
    "reserve granted",
    "reserve idempotency_key_reused",
    "reserve limit_reached",
    "reserve limit_reached later",
    "reserve not_found",
    "reserve replayed",
    "reserve request_in_progress",
    "reserve sale_not_open",
    "reserve sold_out",
    "retain done",
    "schedule done",
    "secure confirmed",
    "secure hold_unknown",
    "secure secured",
    "secure turned_away already_paid",
    "secure turned_away amount_mismatch",
    "secure turned_away hold_expired",
    "secure turned_away hold_released",
    "secure turned_away hold_unknown",
    "secure turned_away payment_under_way",
    "secure turned_away user_mismatch",
    "settle refund COMPLETED",
    "settle refund FAILED",
    "settle refund REQUIRED",
    "stock idempotency_key_reused",
    "stock not_found",
    "stock sold_out",
];
/// Those with a detail of their own.
const AND: [&str; 6] = ["status not_found", "status sale", "stock replayed", "stock stock", "sweep none", "sweep some"];

/// What races: each with each, itself included.
const RACERS: [&str; 16] = [
    "reserve",
    "pay",
    "pay free",
    "sweep",
    "release",
    "change",
    "stock",
    "status",
    "cancel",
    "cancel own",
    "move",
    "secure",
    "decide",
    "read hold",
    "read order of hold",
    "read sale",
];

impl Coverage {
    pub fn count(&mut self, command: &Command, answered: &[Answered]) {
        self.commands += command.weight();
        for one in answered {
            for value in &one.values {
                let mut name = format!("{} {}", one.said.verb(), name(&one.said, value));
                if let (Command::Cancel { .. } | Command::CancelOwn { .. }, Some(order)) =
                    (&one.said, value["order"]["order_id"].as_str())
                    && !self.cancelled.insert(order.to_owned())
                    && value["replayed"] != true
                {
                    name.push_str(" again");
                }
                self.count_one(name);
            }
        }
        let racers = command.racers();
        for (n, one) in racers.iter().enumerate() {
            for other in &racers[n + 1..] {
                *self.pairs.entry(pair(one.verb(), other.verb())).or_default() += 1;
            }
        }
    }

    /// At the end of a history what no answer tells: what late payments came to, and what moved the stock.
    pub fn count_ended(&mut self, model: &Model) {
        self.histories += 1;
        let late = model.payments.values().filter_map(|paid| paid.late).map(|late| format!("late: {late}"));
        let moved = model.ledger.iter().map(|entry| format!("ledger {}", entry.2));
        let changed = model.changes.iter().map(|change| format!("changed {}", change.1));
        let ended = model.refund_ends.iter().map(|end| format!("refund entry {}", end.1));
        let parked = model.parked.values().map(|parked| format!("parked {}", parked.state));
        let attempts = model.attempts.values().map(|attempt| {
            format!("attempt {} {}", attempt.state, attempt.outcome.unwrap_or_default()).trim_end().to_owned()
        });
        let told = late.chain(moved).chain(changed).chain(ended).chain(parked).chain(attempts);
        told.for_each(|name| self.count_one(name));
    }

    fn count_one(&mut self, name: String) {
        *self.outcomes.entry(name).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        self.histories += other.histories;
        other.outcomes.iter().for_each(|(name, n)| *self.outcomes.entry(name.clone()).or_default() += n);
        other.pairs.iter().for_each(|(name, n)| *self.pairs.entry(name.clone()).or_default() += n);
    }

    /// What can occur and did not.
    pub fn missing(&self) -> Vec<String> {
        let outcomes = OUTCOMES.iter().chain(&AND).map(|name| (*name).to_owned());
        let outcomes = outcomes.filter(|name| !self.outcomes.contains_key(name));
        let pairs = RACERS.iter().enumerate().flat_map(|(n, one)| RACERS[n..].iter().map(|other| pair(one, other)));
        outcomes.chain(pairs.filter(|name| !self.pairs.contains_key(name))).collect()
    }

    /// In lines that `cargo dev test` shows.
    pub fn print(&self) {
        println!("| {} commands in {} histories", self.commands, self.histories);
        for counts in [&self.outcomes, &self.pairs] {
            let said: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
            said.chunks(5).for_each(|some| println!("| {}", some.join(", ")));
        }
    }
}

fn pair(one: &str, other: &str) -> String {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    format!("{first} || {second}")
}

fn name(command: &Command, value: &Value) -> String {
    let word = |name: &str| value[name].as_str().unwrap_or_default();
    match command {
        Command::Lapse { .. } | Command::Schedule { .. } | Command::Retain => "done".to_owned(),
        Command::Sweep { .. } => if *value == 0 { "none" } else { "some" }.to_owned(),
        _ if value.is_null() => "nothing".to_owned(),
        _ if value["replayed"] == true => "replayed".to_owned(),
        Command::Reserve { .. } if !value["retry_at"].is_null() => format!("{} later", word("outcome")),
        Command::NewSale { .. } if value["created"] == false => "sale again".to_owned(),
        Command::ReadHold { .. } if !value["refund"].is_null() => format!("{} refund", word("status")),
        Command::ReadHold { .. } | Command::ReadOrder { .. } | Command::ReadOrderOfHold { .. } => {
            word("status").to_owned()
        }
        Command::ReadPayments { .. } => if value["payments"] == json!([]) { "none" } else { "some" }.to_owned(),
        Command::Cancel { .. } | Command::CancelOwn { .. } | Command::Move { .. } if !value["order"].is_null() => {
            value["order"]["status"].as_str().unwrap_or_default().to_owned()
        }
        Command::Asked { says, .. } => (*says).to_owned(),
        Command::BeginRefund { .. } => "begun".to_owned(),
        Command::Listed { .. } => match (value["asked"] == true, value["again"] == true) {
            (false, _) => "agreed",
            (true, false) => "asked",
            (true, true) => "asked again",
        }
        .to_owned(),
        Command::ReadSale { .. } | Command::Refund { .. } | Command::SettleRefund { .. } => word("status").to_owned(),
        Command::Decide { .. } if !value["letter"].is_null() => {
            value["letter"]["status"].as_str().unwrap_or_default().to_owned()
        }
        Command::Pay { .. } | Command::Attempt { .. } | Command::Present { .. } | Command::Park { .. } => {
            format!("{} {}", word("result"), word("reason")).trim().to_owned()
        }
        _ => format!("{} {}", word("outcome"), word("hold_status")).trim().to_owned(),
    }
}
