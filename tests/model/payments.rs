//! The rules of money: what was captured becomes an order or is paid back, once, whatever is said a second time.

use serde_json::{Value, json};

use super::command::HoldOf;
use super::rules::Model;

#[derive(Clone, Debug, PartialEq)]
pub struct Payment {
    pub hold: Option<usize>,
    pub of: Option<HoldOf>,
    pub user: String,
    pub amount: i64,
    pub currency: String,
    /// The order, or why it is to be paid back.
    pub became: Result<usize, &'static str>,
}

/// What a gateway says was captured.
pub struct Captured<'a> {
    pub gateway: &'a str,
    pub payment: &'a str,
    pub of: Option<&'a HoldOf>,
    pub user: &'a str,
    pub amount: i64,
    pub currency: &'a str,
}

impl Model {
    /// T2.
    pub fn pay(&mut self, paid: &Captured) -> Value {
        let id = (paid.gateway.to_owned(), paid.payment.to_owned());
        if !self.payments.contains_key(&id) {
            let hold = paid.of.and_then(|of| self.hold_of(of));
            let became = match self.why_not(hold, paid) {
                Some(reason) => {
                    let about = hold.map_or_else(|| "-".to_owned(), |hold| format!("?hold:{hold}"));
                    self.tell("RefundRequired", format!("{about}|{}|{}|{reason}", paid.gateway, paid.payment));
                    Err(reason)
                }
                None => Ok(self.order(hold.expect("a hold that can be paid"), paid)),
            };
            let (of, user, currency) = (paid.of.cloned(), paid.user.to_owned(), paid.currency.to_owned());
            self.payments.insert(id.clone(), Payment { hold, of, user, amount: paid.amount, currency, became });
        }
        match self.payments[&id].became {
            Ok(order) => json!({"result": "confirmed", "order_id": format!("?order:{order}")}),
            Err(reason) => json!({"result": "refund_required", "reason": reason}),
        }
    }

    fn why_not(&self, hold: Option<usize>, paid: &Captured) -> Option<&'static str> {
        let Some(hold) = hold.map(|hold| &self.holds[hold]) else { return Some("hold_unknown") };
        match hold.shown() {
            "COMMITTED" => Some("already_paid"),
            "RELEASED" => Some("hold_released"),
            "EXPIRED" => Some("hold_expired"),
            _ if hold.of.user != paid.user => Some("user_mismatch"),
            _ if (hold.amount, hold.currency.as_str()) != (paid.amount, paid.currency) => Some("amount_mismatch"),
            _ => None,
        }
    }

    fn order(&mut self, hold: usize, paid: &Captured) -> usize {
        let order = self.orders.len();
        self.orders.push(hold);
        self.holds[hold].status = "COMMITTED";
        self.tell("OrderConfirmed", format!("?hold:{hold}|{}|{}|?order:{order}", paid.gateway, paid.payment));
        order
    }
}
