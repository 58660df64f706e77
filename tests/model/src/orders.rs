//! The rules of an order after it was made: the way it goes, by whom, and what goes back when it goes no further.

use serde_json::{Value, json};

use super::command::HoldOf;
use super::payments::PaymentId;
use super::rules::{Line, Model};

/// What may follow what.
const NEXT: [(&str, &str); 6] = [
    ("CONFIRMED", "PREPARING"),
    ("PREPARING", "SHIPPED"),
    ("SHIPPED", "DELIVERED"),
    ("CONFIRMED", "CANCELLED"),
    ("PREPARING", "CANCELLED"),
    ("DELIVERED", "RETURNED"),
];

#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub payment: PaymentId,
    pub status: &'static str,
    /// What it became after it was made, one after the other.
    pub steps: Vec<&'static str>,
    pub tracking: Option<&'static str>,
}

impl Order {
    pub fn new(payment: PaymentId) -> Self {
        Self { payment, status: "CONFIRMED", steps: Vec::new(), tracking: None }
    }

    /// From 1, one more with every step.
    pub fn version(&self) -> i64 {
        1 + i64::try_from(self.steps.len()).expect("a few steps")
    }

    /// Whether what it bought is sold.
    pub fn stands(&self) -> bool {
        !["CANCELLED", "RETURNED"].contains(&self.status)
    }

    fn may_become(&self, status: &str) -> bool {
        NEXT.contains(&(self.status, status))
    }
}

/// What an operator wants an order to be, having seen this version of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Next {
    pub version: i64,
    pub status: &'static str,
    pub tracking: Option<&'static str>,
    /// Of a return: else its pieces are not sold again.
    pub restock: bool,
}

impl Model {
    /// An operator moves an order on, by version.
    pub fn change_order(&mut self, of: &HoldOf, next: &Next, key: &str) -> Value {
        let Some(order) = self.orders.get(of) else { return Value::Null };
        if order.version() != next.version {
            return json!({"outcome": "precondition_failed", "version": order.version()});
        }
        if !order.may_become(next.status) {
            return json!({"outcome": "transition_not_allowed", "order_status": order.status});
        }
        self.move_by_operator(of, next, key);
        json!({"outcome": "order", "order": self.order_of_anybody(of)})
    }

    /// Without a version, by a key. Only what changes something uses its key up.
    pub fn cancel(&mut self, of: &HoldOf, key: &str) -> Value {
        if let Some((first, answer)) = self.cancel_keys.get(key) {
            let mut again = answer.clone();
            again["replayed"] = json!(true);
            return if first == of { again } else { json!({"outcome": "idempotency_key_reused"}) };
        }
        let Some(order) = self.orders.get(of) else { return Value::Null };
        let (status, version) = (order.status, order.version());
        if status == "CANCELLED" {
            return json!({"outcome": "order", "order": self.order_of_anybody(of)});
        }
        if !order.may_become("CANCELLED") {
            return json!({"outcome": "transition_not_allowed", "order_status": status});
        }
        self.move_by_operator(of, &Next { version, status: "CANCELLED", tracking: None, restock: true }, key);
        let answer = json!({"outcome": "order", "order": self.order_of_anybody(of)});
        self.cancel_keys.insert(key.to_owned(), (of.clone(), answer.clone()));
        answer
    }

    /// Its buyer cancels it, where the sale lets them, and while nobody has begun to prepare it.
    pub fn cancel_own(&mut self, of: &HoldOf, user: &str) -> Value {
        let Some(order) = self.orders.get(of).filter(|_| of.user == user) else {
            return json!({"outcome": "not_found"});
        };
        if !self.sales[&self.holds[of].sale].cancels {
            return json!({"outcome": "not_for_buyers"});
        }
        let (status, version) = (order.status, order.version());
        match status {
            "CONFIRMED" => {
                self.take_step(of, &Next { version, status: "CANCELLED", tracking: None, restock: true }, "buyer");
            }
            "CANCELLED" => {}
            status => return json!({"outcome": "transition_not_allowed", "order_status": status}),
        }
        json!({"outcome": "cancelled", "order": self.order_json(of), "moved": status == "CONFIRMED"})
    }

    fn move_by_operator(&mut self, of: &HoldOf, next: &Next, key: &str) {
        self.take_step(of, next, "operator");
        let action = if next.status == "CANCELLED" { "order_cancelled" } else { "order_status_set" };
        self.actions.push(format!("{action}|?order:{of}|minji|a reason|{key}"));
    }

    fn take_step(&mut self, of: &HoldOf, next: &Next, by: &str) {
        let order = self.orders.get_mut(of).expect("an order that moves");
        let before = std::mem::replace(&mut order.status, next.status);
        order.steps.push(next.status);
        order.tracking = next.tracking.or(order.tracking);
        let sale = self.holds[of].sale.clone();
        match next.status {
            "CANCELLED" => self.tell("OrderCancelled", Some(&sale), format!("?hold:{of}|{before}|{by}")),
            status => self.tell("OrderStatusChanged", Some(&sale), format!("?hold:{of}|{before}|{status}")),
        }
        match next.status {
            "CANCELLED" => self.give_back(of, "CANCEL_CREDIT", "order_cancelled", true),
            "RETURNED" => self.give_back(of, "RETURN_CREDIT", "order_returned", next.restock),
            _ => {}
        }
    }

    /// What the order had goes back.
    fn give_back(&mut self, of: &HoldOf, credit: &'static str, reason: &'static str, restock: bool) {
        let payment = self.orders[of].payment.clone();
        // What cost nothing has nothing to pay back.
        if self.payments[&payment].amount > 0 {
            self.owe(&payment, reason);
        }
        self.give_stock_back(of, credit);
        if !restock {
            let (sale, lines) = (self.holds[of].sale.clone(), self.holds[of].lines.clone());
            for Line { sku, qty, .. } in lines {
                self.change_stock(&sale, &sku, -qty);
            }
        }
    }
}
