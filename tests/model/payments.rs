//! The rules of money: what was captured becomes an order or is paid back, once, whatever is said a second time.

use serde_json::{Value, json};

use super::command::HoldOf;
use super::rules::Model;

#[derive(Clone, Debug, PartialEq)]
pub struct Payment {
    /// What it says it is for, whether there is such a hold or not.
    pub of: Option<HoldOf>,
    pub sale: Option<String>,
    pub user: String,
    pub amount: i64,
    pub currency: String,
    /// An order, or why it is to be paid back.
    pub became: Result<(), &'static str>,
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
            let hold = paid.of.and_then(|of| self.holds.get_key_value(of));
            let sale = hold.map(|(_, hold)| hold.sale.clone());
            let about = hold.map_or_else(|| "-".to_owned(), |(of, _)| format!("?hold:{of}"));
            let by = format!("{}|{}", paid.gateway, paid.payment);
            let became = match (self.why_not(paid), paid.of) {
                (None, Some(of)) => {
                    self.holds.get_mut(of).expect("a hold that can be paid").status = "COMMITTED";
                    self.orders.insert(of.clone());
                    self.tell("OrderConfirmed", format!("{about}|{by}|?order:{of}"));
                    Ok(())
                }
                (reason, _) => {
                    let reason = reason.unwrap_or("hold_unknown");
                    self.tell("RefundRequired", format!("{about}|{by}|{reason}"));
                    Err(reason)
                }
            };
            let (of, user, currency) = (paid.of.cloned(), paid.user.to_owned(), paid.currency.to_owned());
            self.payments.insert(id.clone(), Payment { of, sale, user, amount: paid.amount, currency, became });
        }
        match &self.payments[&id] {
            Payment { became: Ok(()), of: Some(of), .. } => {
                json!({"result": "confirmed", "order_id": format!("?order:{of}")})
            }
            other => json!({"result": "refund_required", "reason": other.became.err()}),
        }
    }

    fn why_not(&self, paid: &Captured) -> Option<&'static str> {
        let Some((of, hold)) = paid.of.and_then(|of| self.holds.get_key_value(of)) else { return Some("hold_unknown") };
        match hold.shown() {
            "COMMITTED" => Some("already_paid"),
            "RELEASED" => Some("hold_released"),
            "EXPIRED" => Some("hold_expired"),
            _ if of.user != paid.user => Some("user_mismatch"),
            _ if (hold.amount, hold.currency.as_str()) != (paid.amount, paid.currency) => Some("amount_mismatch"),
            _ => None,
        }
    }
}
