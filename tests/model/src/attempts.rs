//! The rules of a payment that is on its way: its money is taken only while its hold waits for it, for one payment of a
//! hold at a time; and what was begun is asked about until it is known what became of it, or an operator has to find out.
//!
//! The holds of a history last so long that nothing here moves their ends.

use serde_json::{Value, json};

use super::command::HoldOf;
use super::payments::{Captured, PaymentId};
use super::rules::Model;

/// Questions without an answer after which a payment is an operator's.
pub const UNANSWERED_MAX: i64 = 12;

#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// None: it names no hold of ours.
    pub of: Option<HoldOf>,
    pub user: String,
    pub amount: i64,
    pub currency: String,
    /// The how manieth of its hold.
    pub number: i64,
    /// `UNDER_WAY`, `CAPTURING`, `LETTING_GO` or `ENDED`.
    pub state: &'static str,
    /// Only that its page was opened is known.
    pub opened: bool,
    pub unanswered: i64,
    /// A letter that waits for an operator.
    pub dead: bool,
    pub outcome: Option<&'static str>,
    /// What its buyer's browser has it captured with.
    pub token: bool,
}

/// The id of a payment that a page was opened for, by its hold and its number; in a command as `@ann/k1:01`.
pub fn reference(of: &HoldOf, number: i64) -> String {
    format!("@{of}:{number:02}")
}

impl Attempt {
    fn is_live(&self) -> bool {
        self.state != "ENDED"
    }

    pub fn end(&mut self, outcome: &'static str) {
        (self.state, self.outcome, self.token) = ("ENDED", Some(outcome), false);
    }
}

impl Model {
    fn next_attempt(&self, of: Option<&HoldOf>) -> i64 {
        let of_it = self.attempts.values().filter(|attempt| of.is_some() && attempt.of.as_ref() == of);
        1 + of_it.map(|attempt| attempt.number).max().unwrap_or(0)
    }

    /// Whether the money for the hold is being taken, but for this payment.
    fn is_captured_by_another(&self, of: &HoldOf, id: &PaymentId) -> bool {
        let its = |(other, attempt): (&PaymentId, &Attempt)| {
            other != id && attempt.state == "CAPTURING" && attempt.of.as_ref() == Some(of)
        };
        self.attempts.iter().any(its)
    }

    pub fn is_capturing(&self, of: &HoldOf) -> bool {
        self.attempts.values().any(|attempt| attempt.state == "CAPTURING" && attempt.of.as_ref() == Some(of))
    }

    /// The hold waits for the money from here on, or the payment is rejected while nothing has been taken.
    pub fn secure(&mut self, paid: &Captured) -> Value {
        let id = (paid.gateway.to_owned(), paid.payment.to_owned());
        if let Some(stored) = self.stored(&id) {
            return stored;
        }
        let of = paid.of.filter(|of| self.holds.contains_key(of));
        if of.is_none() && paid.gateway != "standard" {
            return json!({"result": "hold_unknown"});
        }
        let mut reason = self.why_not(paid);
        if reason.is_none() && of.is_some_and(|of| self.is_captured_by_another(of, &id)) {
            reason = Some("payment_under_way");
        }
        let state = if reason.is_none() { "CAPTURING" } else { "LETTING_GO" };
        let attempt = self.attempt(&id, paid, state);
        attempt.token = true;
        let number = attempt.number;
        match (reason, of) {
            (None, Some(of)) => json!({"result": "secured", "attempt": number, "hold_id": format!("?hold:{of}")}),
            (reason, _) => json!({"result": "turned_away", "reason": reason}),
        }
    }

    /// It is not ready yet. `taken`: the gateway has done what it was asked to, and the money comes later.
    pub fn note(&mut self, paid: &Captured, taken: bool) -> Value {
        let id = (paid.gateway.to_owned(), paid.payment.to_owned());
        if let Some(of) = paid.of.filter(|of| self.holds.contains_key(of)) {
            if let Some(stored) = self.stored(&id) {
                return stored;
            }
            // A gateway that has our word may be taking the money, for as long as the hold waits for it.
            let is_captured = self.attempts.get(&id).is_some_and(|attempt| {
                attempt.state == "CAPTURING" && attempt.of.as_ref() == Some(of) && self.holds[of].shown() == "HOLD"
            });
            let state = if is_captured && !taken { "CAPTURING" } else { "UNDER_WAY" };
            self.attempt(&id, paid, state);
        }
        json!({"result": "ignored"})
    }

    /// The attempt as it is told of now: what had ended, or was for another hold, is another attempt.
    fn attempt(&mut self, id: &PaymentId, paid: &Captured, state: &'static str) -> &mut Attempt {
        let of = paid.of.filter(|of| self.holds.contains_key(of)).cloned();
        let known = self.attempts.get(id);
        let same = known.filter(|known| known.is_live() && known.of == of);
        let attempt = Attempt {
            number: same.map_or_else(|| self.next_attempt(of.as_ref()), |known| known.number),
            token: known.is_some_and(|known| known.token),
            of,
            user: paid.user.to_owned(),
            amount: paid.amount,
            currency: paid.currency.to_owned(),
            state,
            opened: false,
            unanswered: 0,
            dead: false,
            outcome: None,
        };
        self.attempts.insert(id.clone(), attempt);
        self.attempts.get_mut(id).expect("an attempt")
    }

    /// What came of a question about it.
    pub fn asked(&mut self, gateway: &str, payment: &str, says: &str) -> Value {
        match says {
            "nothing" => self.unanswered(gateway, payment, 1),
            "nothing at all" => self.unanswered(gateway, payment, UNANSWERED_MAX),
            "over" => self.end_payment(gateway, payment),
            says => self.opened(gateway, payment, says == "led to a payment"),
        }
    }

    /// The gateway is at work, and so often in a row says nothing of it.
    fn unanswered(&mut self, gateway: &str, payment: &str, times: i64) -> Value {
        let id = (gateway.to_owned(), payment.to_owned());
        if let Some(attempt) = self.attempts.get_mut(&id).filter(|attempt| attempt.is_live()) {
            attempt.unanswered = (attempt.unanswered + times).min(attempt.unanswered.max(UNANSWERED_MAX));
            if attempt.unanswered >= UNANSWERED_MAX {
                attempt.dead = true;
                attempt.end("nothing said");
            }
        }
        json!({"result": "unreachable"})
    }

    /// It is over without money. A page that was opened is not.
    fn end_payment(&mut self, gateway: &str, payment: &str) -> Value {
        let id = (gateway.to_owned(), payment.to_owned());
        if let Some(attempt) = self.attempts.get_mut(&id).filter(|attempt| attempt.is_live() && !attempt.opened) {
            attempt.end("over");
        }
        self.end_parked(&id);
        json!({"result": "ignored"})
    }

    /// A page is noted once a hold and gateway, until it is known what it led to.
    pub fn open_payment(&mut self, of: &HoldOf, user: &str, gateway: &str) -> Value {
        let Some(hold) = self.hold_for(of, user) else { return json!({"outcome": "not_found"}) };
        let (shown, amount, currency) = (hold.shown(), hold.amount, hold.currency.clone());
        if shown != "HOLD" {
            return json!({"outcome": "hold_not_active", "hold_status": shown});
        }
        let its = |(id, attempt): &(&PaymentId, &Attempt)| {
            id.0 == gateway && attempt.of.as_ref() == Some(of) && attempt.opened && attempt.is_live()
        };
        if !self.attempts.iter().any(|attempt| its(&attempt)) {
            let number = self.next_attempt(Some(of));
            let attempt = Attempt {
                of: Some(of.clone()),
                user: user.to_owned(),
                amount,
                currency,
                number,
                state: "UNDER_WAY",
                opened: true,
                unanswered: 0,
                dead: false,
                outcome: None,
                token: false,
            };
            self.attempts.insert((gateway.to_owned(), reference(of, number)), attempt);
        }
        json!({"outcome": "opened", "payment_id": "@"})
    }

    /// What is known of a page that was opened: that it led to nothing yet, or to a payment that has come to rest.
    fn opened(&mut self, gateway: &str, payment: &str, led: bool) -> Value {
        let id = (gateway.to_owned(), payment.to_owned());
        if let Some(attempt) = self.attempts.get_mut(&id).filter(|attempt| attempt.is_live() && attempt.opened) {
            match led {
                true => attempt.end("led to a payment"),
                false => attempt.unanswered = 0,
            }
        }
        json!({"result": "noted"})
    }
}
