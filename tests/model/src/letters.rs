//! The rules of dead letters about money: a refund that was given up, a payment that names a hold which is none of ours, one
//! that its gateway says nothing of, and what an operator decides of each.

use serde_json::{Value, json};

use super::command::HoldOf;
use super::payments::{Later, Payment, PaymentId};
use super::refunds::Back;
use super::rules::Model;

/// A payment that names a hold in our form which is none of ours, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parked {
    /// What it names; None: something that no command names.
    pub of: Option<HoldOf>,
    pub amount: i64,
    pub currency: String,
    pub state: &'static str,
}

/// The id of a dead letter about a payment.
pub fn letter(kind: &str, gateway: &str, payment: &str) -> String {
    let hex: String = format!("{gateway} {payment}").bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{kind}-{hex}")
}

impl Model {
    /// Told again, it is as it was told last; decided, it stays decided.
    pub fn park(&mut self, id: &PaymentId, of: Option<&HoldOf>, amount: i64, currency: &str) -> Value {
        let told = Parked { of: of.cloned(), amount, currency: currency.to_owned(), state: "PARKED" };
        let parked = self.parked.entry(id.clone()).or_insert_with(|| told.clone());
        if parked.state == "PARKED" {
            *parked = told;
        }
        json!({"result": "parked"})
    }

    /// Nothing of it is left to decide.
    pub fn end_parked(&mut self, id: &PaymentId) {
        if let Some(parked) = self.parked.get_mut(id).filter(|parked| parked.state == "PARKED") {
            parked.state = "GONE";
        }
    }

    /// What the letter says of itself; None: there is none.
    fn letter_status(&self, kind: &str, id: &PaymentId) -> Option<&'static str> {
        match kind {
            "refund" => self.payments.get(id).filter(|paid| paid.refund.is_some()).map(|paid| paid.back.status),
            "parked" => self.parked.get(id).map(|parked| parked.state),
            _ => self.attempts.get(id).map(|attempt| if attempt.dead { "UNANSWERED" } else { attempt.state }),
        }
    }

    /// An operator's decision on a dead letter; what is none any more stays what it is, and is said.
    pub fn decide(&mut self, kind: &str, (gateway, payment): (&str, &str), decision: &str, key: &str) -> Value {
        let id = (gateway.to_owned(), payment.to_owned());
        let letter = letter(kind, gateway, payment);
        let asked = format!("{decision} {letter}");
        if let Some((first, answer)) = self.decide_keys.get(key) {
            let mut again = answer.clone();
            again["replayed"] = json!(true);
            return if *first == asked { again } else { json!({"outcome": "idempotency_key_reused"}) };
        }
        let Some(mut status) = self.letter_status(kind, &id) else { return Value::Null };
        let detail = match (kind, decision) {
            ("refund", "dismiss") => Some("Replay a refund, or settle it once it is paid back by hand."),
            ("asked", "settle") => Some("Replay it, or dismiss it."),
            _ => None,
        };
        if let Some(detail) = detail {
            return json!({"outcome": "invalid_request", "errors": [{"pointer": "", "detail": detail}]});
        }
        if matches!(status, "FAILED" | "PARKED" | "UNANSWERED") {
            let action = match decision {
                "replay" => "replayed",
                "dismiss" => "dismissed",
                _ => "settled",
            };
            self.actions.push(format!("dead_letter_{action}|{letter}|minji|a reason|{key}"));
            status = self.decided(kind, &id, decision);
        }
        let status = if status == "REQUIRED" { "pending".to_owned() } else { status.to_lowercase() };
        let answer = json!({"outcome": "replayed_one", "letter": {"id": letter, "status": status}});
        self.decide_keys.insert(key.to_owned(), (asked, answer.clone()));
        answer
    }

    /// What a letter that waits becomes by a decision.
    fn decided(&mut self, kind: &str, id: &PaymentId, decision: &str) -> &'static str {
        match (kind, decision) {
            ("asked", "replay") => {
                let attempt = self.attempts.get_mut(id).expect("an attempt");
                (attempt.state, attempt.dead, attempt.unanswered, attempt.outcome) = ("UNDER_WAY", false, 0, None);
                "PENDING"
            }
            ("asked", _) => {
                self.attempts.get_mut(id).expect("an attempt").dead = false;
                "DISMISSED"
            }
            ("refund", "replay") => {
                self.dispute_was_won(id);
                let back = &mut self.payments.get_mut(id).expect("a payment").back;
                (back.status, back.attempts) = ("REQUIRED", 0);
                "PENDING"
            }
            ("refund", _) => {
                self.payments.get_mut(id).expect("a payment").back.status = "COMPLETED";
                let amount = self.payments[id].amount;
                self.end_refund(id, "REFUND_COMPLETED", amount, "RefundCompleted", "by hand");
                "SETTLED"
            }
            ("parked", "replay") => {
                let parked = self.parked.get_mut(id).expect("a parked payment");
                parked.state = "PAID_BACK";
                let paid = Payment {
                    of: parked.of.clone(),
                    sale: None,
                    user: String::new(),
                    amount: parked.amount,
                    currency: parked.currency.clone(),
                    became: Err("hold_unknown"),
                    late: None,
                    refund: None,
                    back: Back::default(),
                    later: Later::default(),
                };
                self.payments.insert(id.clone(), paid);
                self.owe(id, "hold_unknown");
                "PENDING"
            }
            (_, decision) => {
                let becomes = if decision == "dismiss" { "DISMISSED" } else { "SETTLED" };
                self.parked.get_mut(id).expect("a parked payment").state = becomes;
                becomes
            }
        }
    }
}
