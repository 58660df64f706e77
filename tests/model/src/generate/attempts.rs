//! Payments that are told of before their money is taken, and what is heard of them.

use super::Generator;
use crate::attempts::Attempt;
use crate::command::{Amount, Command, HoldOf};
use crate::payments::PaymentId;

impl Generator {
    pub fn attempt(&mut self) -> Command {
        match self.rng.u8(..9) {
            0 | 1 => {
                let (of, user) = self.hold_and_user();
                let gateway = if self.often() { "standard" } else { "another" }.to_owned();
                Command::OpenPage { of, user, gateway }
            }
            2 | 3 => self.asked(),
            _ => self.told_of(),
        }
    }

    /// Told of, as one that has been told of before, or a new one.
    pub fn told_of(&mut self) -> Command {
        let how = ["secure", "secure", "secure", "note", "note taken"][self.rng.usize(..5)];
        let mut pay = self.pay_by_gateway();
        let opened = if self.rng.u8(..) < 40 { self.attempt_that(|attempt| attempt.opened) } else { None };
        if let (Command::Pay { gateway, payment, of, user, .. }, Some((id, attempt))) = (&mut pay, opened) {
            (*gateway, *payment) = id;
            *user = attempt.user;
            *of = attempt.of;
        }
        Command::Attempt { how, pay: Box::new(pay) }
    }

    /// Two payments of one hold, of which its buyer may give it back, or be sold it by another.
    pub fn two_attempts(&mut self) -> Option<Command> {
        let of = self.one_of(|model, of| model.holds[of].shown() == "HOLD")?;
        let mut racers: Vec<Command> = (0..2).map(|_| self.secure(&of)).collect();
        self.payments.extend(racers.iter().filter_map(|racer| match racer {
            Command::Attempt { pay, .. } => Some((**pay).clone()),
            _ => None,
        }));
        match self.rng.u8(..3) {
            0 => racers.push(Command::Release { user: of.user.clone(), of }),
            1 => racers[1] = Command::Release { user: of.user.clone(), of },
            _ => {}
        }
        Some(Command::Race(racers))
    }

    pub fn secure(&mut self, of: &HoldOf) -> Command {
        self.secured += 1;
        let pay = Command::Pay {
            gateway: "standard".to_owned(),
            payment: format!("t{}", self.secured),
            of: Some(of.clone()),
            user: of.user.clone(),
            amount: Amount::More(0),
            currency: None,
        };
        Command::Attempt { how: "secure", pay: Box::new(pay) }
    }

    fn pay_by_gateway(&mut self) -> Command {
        loop {
            let pay = self.pay();
            if matches!(pay, Command::Pay { .. }) {
                return pay;
            }
        }
    }

    fn asked(&mut self) -> Command {
        let of_a_page = self.rng.bool();
        let live = self.attempt_that(|attempt| attempt.state != "ENDED" && (attempt.opened || !of_a_page));
        let ((gateway, payment), opened) = match live {
            Some((id, attempt)) => (id, attempt.opened),
            None => (("standard".to_owned(), "p0".to_owned()), false),
        };
        let says = match (opened, self.rng.u8(..6)) {
            (true, 0 | 1) | (false, 0) => "not paid",
            (true, 2 | 3) => "led to a payment",
            (true, 4) | (false, 1 | 2) => "over",
            (false, 3) => "nothing",
            _ => "nothing at all",
        };
        Command::Asked { gateway, payment, says }
    }

    pub fn attempt_that(&mut self, so: impl Fn(&Attempt) -> bool) -> Option<(PaymentId, Attempt)> {
        let all = self.imagined.attempts.iter().filter(|(_, attempt)| so(attempt));
        let all: Vec<(PaymentId, Attempt)> = all.map(|(id, attempt)| (id.clone(), attempt.clone())).collect();
        (!all.is_empty()).then(|| all[self.rng.usize(..all.len())].clone())
    }
}
