//! What becomes of money after it was taken: refunds, disputes, what an operator decides.

use super::Generator;
use crate::command::{Amount, Command, HoldOf};
use crate::payments::PaymentId;

impl Generator {
    /// Mostly of a payment that there is.
    pub fn present(&mut self) -> Command {
        let many = self.payments.len();
        let recent = if many == 0 { 0 } else { self.recent(many) };
        let (gateway, payment) = match self.payments.get(recent) {
            Some(Command::Pay { gateway, payment, .. }) => (gateway.clone(), payment.clone()),
            _ => ("standard".to_owned(), "p0".to_owned()),
        };
        // Or of one that was paid back, and may not have been after all.
        let paid_back = if self.rng.bool() { self.refund_that_is("COMPLETED") } else { None };
        let (gateway, payment) = paid_back.unwrap_or((gateway, payment));
        let (gone, refunded_percent) = (self.rng.u8(..) < 50, [0, 0, 50, 100][self.rng.usize(..4)]);
        if self.rng.u8(..) < 80 {
            let dispute = [None, None, Some("none"), Some("open"), Some("won"), Some("lost")][self.rng.usize(..6)];
            return Command::Listed { gateway, payment, gone, refunded_percent, dispute };
        }
        Command::Present {
            gateway,
            payment,
            gone,
            refunded_percent,
            dispute: {
                let said = ["none", "open", "won", "lost", "opened", "resolved", "none"];
                [None].into_iter().chain(said.map(Some)).nth(self.rng.usize(..8)).flatten()
            },
        }
    }

    /// A payment of a gateway whose refund is so.
    fn refund_that_is(&mut self, status: &str) -> Option<PaymentId> {
        let all = self.imagined.payments.iter().filter(|(_, paid)| paid.refund.is_some() && paid.back.status == status);
        let all: Vec<PaymentId> = all.map(|(id, _)| id.clone()).collect();
        (!all.is_empty()).then(|| all[self.rng.usize(..all.len())].clone())
    }

    pub fn refund(&mut self) -> Command {
        let due = self.refund_that_is("REQUIRED");
        let (gateway, payment) = due.unwrap_or_else(|| ("standard".to_owned(), "p0".to_owned()));
        Command::Refund { gateway, payment, done: self.rng.bool() }
    }

    /// Mostly of a request that is open, or a new one.
    pub fn part_of_a_refund(&mut self) -> Command {
        let due = self.imagined.payments.iter().filter(|(_, paid)| paid.refund.is_some() && paid.amount > 1);
        let due: Vec<(PaymentId, i64, bool)> =
            due.map(|(id, paid)| (id.clone(), paid.amount, paid.back.open().is_some())).collect();
        let open: Vec<_> = due.iter().filter(|(.., open)| *open).cloned().collect();
        let of = if self.often() && !open.is_empty() { open } else { due };
        if of.is_empty() {
            let (gateway, payment) = ("standard".to_owned(), "p0".to_owned());
            return Command::BeginRefund { gateway, payment, amount: 1 };
        }
        let ((gateway, payment), amount, open) = of[self.rng.usize(..of.len())].clone();
        if !open || self.rng.u8(..) < 50 {
            let amount = if self.rng.u8(..) < 180 { amount } else { amount / 2 };
            return Command::BeginRefund { gateway, payment, amount };
        }
        let outcomes = ["done", "done", "partly", "partly_waits", "requested", "waits", "refused", "unknown"];
        let outcome = outcomes[self.rng.usize(..8)];
        // What waits, or is on its way, is not given up.
        let again = !matches!(outcome, "done" | "refused" | "unknown") || (outcome != "done" && self.rng.bool());
        Command::SettleRefund { gateway, payment, outcome, again }
    }

    /// At a gateway that others share: of a hold that is none of ours, and then of one that is.
    pub fn pay_parked(&mut self) -> Command {
        let waits = self.imagined.parked.iter().filter(|(_, parked)| parked.state == "PARKED" && parked.of.is_some());
        let waits: Vec<PaymentId> = waits.map(|(id, _)| id.clone()).collect();
        let (payment, of) = match waits.first() {
            Some((_, payment)) if self.rng.bool() => (payment.clone(), self.hold_of()),
            _ => {
                (format!("q{}", self.imagined.parked.len()), HoldOf { user: "ann".to_owned(), key: "never".to_owned() })
            }
        };
        let user = of.user.clone();
        let (gateway, amount) = ("another".to_owned(), Amount::More(0));
        Command::Pay { gateway, payment, of: Some(of), user, amount, currency: None }
    }

    /// While an operator decides on it.
    pub fn parked_and_decided(&mut self) -> Option<Command> {
        let waits =
            self.imagined.parked.iter().find(|((gateway, _), parked)| gateway == "another" && parked.state == "PARKED");
        let (gateway, payment) = waits.map(|(id, _)| id.clone())?;
        let of = self.hold_of();
        let user = of.user.clone();
        let key = format!("d{}", self.decisions.len());
        let decision = ["replay", "dismiss", "settle"][self.rng.usize(..3)];
        let decided =
            Command::Decide { kind: "parked", gateway: gateway.clone(), payment: payment.clone(), decision, key };
        self.decisions.push(decided.clone());
        let paid = Command::Pay { gateway, payment, of: Some(of), user, amount: Amount::More(0), currency: None };
        Some(Command::Race(vec![decided, paid]))
    }

    pub fn park_or_retain(&mut self) -> Command {
        if self.rng.u8(..) < 60 {
            return Command::Retain;
        }
        // Now and then one that is told of again.
        let number = self.imagined.parked.len() + usize::from(self.often());
        Command::Park {
            gateway: "stripe".to_owned(),
            payment: format!("u{}", number.saturating_sub(1)),
            amount: self.rng.i64(1..=3) * 100,
        }
    }

    /// Mostly of a letter that waits.
    pub fn decide(&mut self) -> Command {
        if !self.decisions.is_empty() && self.rng.u8(..) < 60 {
            let at = self.recent(self.decisions.len());
            let mut again = self.decisions[at].clone();
            if let (Command::Decide { decision, .. }, true) = (&mut again, self.rng.bool()) {
                *decision = if *decision == "settle" { "replay" } else { "settle" };
            }
            return again;
        }
        let decision = ["replay", "dismiss", "settle"][self.rng.usize(..3)];
        let waits =
            self.imagined.parked.iter().filter(|(_, parked)| parked.state == "PARKED").map(|(id, _)| id.clone());
        let parked: Vec<PaymentId> =
            if self.rng.bool() { waits.collect() } else { self.imagined.parked.keys().cloned().collect() };
        let failed = self.refund_that_is("FAILED");
        // What a page was opened with has no name before it was.
        let unanswered =
            self.attempt_that(|attempt| attempt.dead && !attempt.opened).filter(|(id, _)| !id.1.starts_with('@'));
        let (kind, (gateway, payment)) = match failed {
            _ if unanswered.is_some() => ("asked", unanswered.map(|(id, _)| id).unwrap_or_default()),
            Some(id) if self.rng.bool() || parked.is_empty() => ("refund", id),
            _ if !parked.is_empty() => ("parked", parked[self.rng.usize(..parked.len())].clone()),
            _ => ("refund", self.refund_that_is("COMPLETED").unwrap_or(("standard".to_owned(), "p0".to_owned()))),
        };
        let key = format!("d{}", self.decisions.len());
        let decided = Command::Decide { kind, gateway, payment, decision, key };
        self.decisions.push(decided.clone());
        decided
    }
}
