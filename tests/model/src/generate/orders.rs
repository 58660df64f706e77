//! What operators and buyers do with orders.

use super::Generator;
use crate::command::Command;
use crate::orders::Next;
use crate::rules::Model;

impl Generator {
    pub fn cancel_or_move(&mut self) -> Command {
        match self.rng.u8(..4) {
            0 => self.cancel(),
            1 => self.cancel_own(),
            _ => self.move_order(),
        }
    }

    /// Mostly of an order that there is.
    pub fn cancel(&mut self) -> Command {
        if !self.cancellations.is_empty() && self.rng.u8(..) < 60 {
            let at = self.recent(self.cancellations.len());
            let mut again = self.cancellations[at].clone();
            if let (Command::Cancel { of, .. }, true) = (&mut again, self.rng.u8(..) < 60) {
                *of = self.hold_of();
            }
            return again;
        }
        let about = self.about.as_ref().is_some_and(|(.., of)| self.imagined.orders.contains_key(of));
        let order = if !about && self.rng.u8(..) < 180 { self.one_of(Model::stands) } else { None };
        let of = order.unwrap_or_else(|| self.hold_of());
        let cancelled = Command::Cancel { of, key: format!("c{}", self.cancellations.len()) };
        self.cancellations.push(cancelled.clone());
        cancelled
    }

    fn cancel_own(&mut self) -> Command {
        let about = self.about.is_some();
        let order = if about { None } else { self.one_of(Model::stands) };
        match order {
            Some(of) if self.often() => Command::CancelOwn { user: of.user.clone(), of },
            _ => {
                let (of, user) = self.hold_and_user();
                Command::CancelOwn { of, user }
            }
        }
    }

    /// Mostly on along its way, as an operator does who has just looked at it.
    pub fn move_order(&mut self) -> Command {
        if self.about.is_none() && self.rng.u8(..) < 40 {
            return self.cancel_own();
        }
        let about = self.about.as_ref().is_some_and(|(.., of)| self.imagined.orders.contains_key(of));
        let order = if about { None } else { self.one_of(Model::stands) };
        let of = order.unwrap_or_else(|| self.hold_of());
        let (version, seen) = self.imagined.orders.get(&of).map_or((1, "CONFIRMED"), |one| (one.version(), one.status));
        let next = match seen {
            "CONFIRMED" => "PREPARING",
            "PREPARING" => "SHIPPED",
            "SHIPPED" => "DELIVERED",
            _ => "RETURNED",
        };
        let all = ["CONFIRMED", "PREPARING", "SHIPPED", "DELIVERED", "CANCELLED", "RETURNED"];
        let status = if self.often() { next } else { self.one_status(&all) };
        let version = if self.rng.u8(..) < 230 { version } else { version + 1 };
        let tracking = (status == "SHIPPED" && self.rng.bool()).then_some("CJ 1");
        let restock = status != "RETURNED" || self.rng.bool();
        self.moves += 1;
        Command::Move { of, next: Next { version, status, tracking, restock }, key: format!("m{}", self.moves) }
    }

    fn one_status(&mut self, of: &[&'static str]) -> &'static str {
        of[self.rng.usize(..of.len())]
    }
}
