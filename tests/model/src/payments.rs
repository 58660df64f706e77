//! The rules of money: what was captured becomes an order or is paid back, once, whatever is said a second time. What
//! comes too late may still be sold, where the sale wants that.

use serde_json::{Value, json};
use uuid::Uuid;

use super::command::HoldOf;
use super::orders::Order;
use super::refunds::Back;
use super::rules::Model;

/// The gateway, and its id of it.
pub type PaymentId = (String, String);

#[derive(Clone, Debug, PartialEq)]
pub struct Payment {
    /// What it says it is for, whether there is such a hold or not.
    pub of: Option<HoldOf>,
    pub sale: Option<String>,
    pub user: String,
    pub amount: i64,
    pub currency: String,
    /// An order, or why not: the answer, for ever.
    pub became: Result<(), &'static str>,
    /// What its being late came to, where the sale sells to late payments.
    pub late: Option<&'static str>,
    /// Why it is to be paid back, and the how manyth refund of its hold that is.
    pub refund: Option<(&'static str, usize)>,
    /// How far that is.
    pub back: Back,
    /// What its gateway said of it afterwards.
    pub later: Later,
}

/// How a payment was changed by others than the shop, after it was settled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Later {
    pub refunded: i64,
    pub reversed: bool,
    /// `open`, `resolved`, `won` or `lost`, and the amount.
    pub dispute: Option<(&'static str, i64)>,
    /// What the gateway had of it when it was asked last.
    pub left: Option<i64>,
}

impl Later {
    /// What went back to the buyer.
    pub fn moved(&self, amount: i64) -> i64 {
        if self.reversed { amount } else { self.refunded }
    }

    pub fn is_disputed(&self) -> bool {
        self.dispute.is_some_and(|(status, _)| status != "won")
    }
}

/// What a gateway has of a payment now.
pub struct Present<'a> {
    pub gateway: &'a str,
    pub payment: &'a str,
    pub gone: bool,
    pub refunded_percent: i64,
    pub dispute: Option<&'static str>,
}

impl Payment {
    /// Its money on its way back, or back, as its buyer sees it.
    pub fn shown_refund(&self) -> Value {
        // Of the currencies that a history has, the euro has cents.
        let decimals = if self.currency == "EUR" { 2 } else { 0 };
        let status = match self.back.status {
            "REQUIRED" => "pending",
            "COMPLETED" => "completed",
            _ => "failed",
        };
        json!({"status": status, "amount": self.amount, "currency": self.currency, "currency_decimals": decimals})
    }

    /// The hold that it names, in the gateway's words.
    pub fn hold_ref(&self) -> String {
        match (&self.sale, &self.of) {
            (Some(_), Some(of)) => format!("?hold:{of}"),
            (_, Some(_)) => Uuid::nil().to_string(),
            (_, None) => "no-hold".to_owned(),
        }
    }
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

/// Late, and sold all the same: its stock was still its own, or was taken once more.
const SOLD_LATE: [&str; 2] = ["not swept yet", "taken again"];

/// Or of a hold that was bought without one.
pub fn is_of_a_gateway((gateway, _): &PaymentId) -> bool {
    !["free", "wallet"].contains(&gateway.as_str())
}

impl Model {
    /// T2.
    pub fn pay(&mut self, paid: &Captured) -> Value {
        let id = (paid.gateway.to_owned(), paid.payment.to_owned());
        if !self.payments.contains_key(&id) {
            // A gateway's account may serve others too: only the shop's own service tells of nobody else's payments.
            let is_known = paid.of.is_some_and(|of| self.holds.contains_key(of));
            if !is_known && paid.gateway != "standard" {
                return match paid.of {
                    Some(_) => self.park(&id, paid.of, paid.amount, paid.currency),
                    None => json!({"result": "ignored"}),
                };
            }
            self.capture(&id, paid);
        }
        self.stored(&id).expect("a payment that is settled")
    }

    /// What became of a payment, for ever.
    pub fn stored(&self, id: &PaymentId) -> Option<Value> {
        self.payments.get(id).map(|paid| match (paid.became, &paid.of) {
            (Ok(()), Some(of)) => json!({"result": "confirmed", "order_id": format!("?order:{of}")}),
            (became, _) => json!({"result": "refund_required", "reason": became.err()}),
        })
    }

    /// T2 without a gateway. What is paid already is told first; then whether it can still be paid; then whether so.
    pub fn pay_free(&mut self, of: &HoldOf, user: &str, method: &'static str) -> Value {
        let Some(hold) = self.hold_for(of, user) else { return json!({"outcome": "not_found"}) };
        let (shown, required) = (hold.shown(), hold.amount);
        let (sale, currency) = (hold.sale.clone(), hold.currency.clone());
        match (shown, method) {
            ("COMMITTED", _) => {}
            ("HOLD", "free") if required > 0 => return json!({"outcome": "costs_something"}),
            // Nobody has a wallet yet.
            ("HOLD", _) if required > 0 => {
                return json!({"outcome": "insufficient_balance", "balance": 0, "required": required});
            }
            ("HOLD", _) => {
                let id = (method.to_owned(), format!("?hold:{of}"));
                let (user, sale) = (user.to_owned(), Some(sale));
                let paid = Payment {
                    of: Some(of.clone()),
                    sale,
                    user,
                    amount: 0,
                    currency,
                    became: Ok(()),
                    late: None,
                    refund: None,
                    back: Back::default(),
                    later: Later::default(),
                };
                self.payments.insert(id.clone(), paid);
                self.sell(of, &id, None);
            }
            (status, _) => return json!({"outcome": "hold_not_active", "hold_status": status}),
        }
        json!({"outcome": "confirmed", "order_id": format!("?order:{of}")})
    }

    fn capture(&mut self, id: &PaymentId, paid: &Captured) {
        let why_not = self.why_not(paid);
        let late = if why_not == Some("hold_expired") { self.late(paid) } else { None };
        let is_sold = why_not.is_none() || late.is_some_and(|late| SOLD_LATE.contains(&late));
        let became = if is_sold { Ok(()) } else { Err(why_not.unwrap_or_default()) };
        let sale = paid.of.and_then(|of| self.holds.get(of)).map(|hold| hold.sale.clone());
        let (of, user, currency) = (paid.of.cloned(), paid.user.to_owned(), paid.currency.to_owned());
        let amount = paid.amount;
        // What pays for a hold of ours after all waits for no operator.
        self.end_parked(id);
        // Nor does one whose gateway said nothing of it for long.
        if let Some(attempt) = self.attempts.get_mut(id).filter(|attempt| attempt.dead || attempt.state != "ENDED") {
            attempt.dead = false;
            attempt.end(became.err().unwrap_or("confirmed"));
        }
        let (back, later) = (Back::default(), Later::default());
        self.payments
            .insert(id.clone(), Payment { of, sale, user, amount, currency, became, late, refund: None, back, later });
        match (became, paid.of) {
            (Err(reason), _) => self.owe(id, reason),
            (Ok(()), of) => self.sell(of.expect("a hold that is sold"), id, late),
        }
    }

    pub fn why_not(&self, paid: &Captured) -> Option<&'static str> {
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

    /// What a payment for a hold that is over finds, where the sale sells to it: all that the hold had, or nothing.
    fn late(&self, paid: &Captured) -> Option<&'static str> {
        let (of, hold) = paid.of.and_then(|of| self.holds.get_key_value(of))?;
        let sale = self.sales.get(&hold.sale).filter(|sale| sale.retakes)?;
        if of.user != paid.user || (hold.amount, hold.currency.as_str()) != (paid.amount, paid.currency) {
            return Some("not what was to be paid");
        }
        if sale.status() != "open" {
            return Some("the sale is not open");
        }
        let sku = |name: &str| sale.skus.iter().find(|sku| sku.sku == name).expect("the hold's SKU");
        let any = |why: &dyn Fn(&str, i64) -> bool| hold.lines.iter().any(|line| why(&line.sku, line.qty));
        let bought = |name: &str| self.bought(&hold.sale, &of.user, name);
        if any(&|name, qty| bought(name) + qty > sku(name).max_per_user) {
            return Some("bought enough");
        }
        let held = |name: &str| match self.active(&hold.sale, &of.user, name) {
            Some((other, active)) if other != of && active.shown() == "HOLD" => active.qty_of(name),
            _ => 0,
        };
        if any(&|name, qty| bought(name) + held(name) + qty > sku(name).max_per_user) {
            return Some("another hold in its place");
        }
        if hold.status == "HOLD" {
            return Some("not swept yet");
        }
        if any(&|name, qty| sku(name).available < qty) {
            return Some("sold to others");
        }
        Some("taken again")
    }

    fn sell(&mut self, of: &HoldOf, payment: &PaymentId, late: Option<&'static str>) {
        if late == Some("taken again") {
            self.take_stock(of, "RETAKE_DEBIT");
        }
        let hold = self.holds.get_mut(of).expect("a hold that is sold");
        (hold.status, hold.retaken) = ("COMMITTED", late.is_some());
        let sale = hold.sale.clone();
        for line in &hold.lines {
            self.lapsed.remove(&(sale.clone(), of.user.clone(), line.sku.clone()));
        }
        self.orders.insert(of.clone(), Order::new(payment.clone()));
        let by = if is_of_a_gateway(payment) { format!("{}|{}|", payment.0, payment.1) } else { String::new() };
        self.tell("OrderConfirmed", Some(&sale), format!("?hold:{of}|{by}?order:{of}"));
    }

    /// The payment is to be paid back: the newest refund of its hold.
    pub fn owe(&mut self, id: &PaymentId, reason: &'static str) {
        let Payment { of, sale, .. } = self.payments[id].clone();
        let of = of.filter(|_| sale.is_some());
        // What is for no hold of ours comes after nothing and before nothing.
        let earlier = of.as_ref().map_or(0, |of| 1 + self.refunds_of(of).count());
        self.payments.get_mut(id).expect("a payment").refund = Some((reason, earlier));
        let about = of.map_or_else(|| "-".to_owned(), |of| format!("?hold:{of}"));
        self.tell("RefundRequired", sale.as_deref(), format!("{about}|{}|{}|{reason}", id.0, id.1));
    }

    fn refunds_of<'a>(&'a self, of: &'a HoldOf) -> impl Iterator<Item = &'a Payment> {
        self.payments.values().filter(move |paid| paid.of.as_ref() == Some(of) && paid.refund.is_some())
    }

    /// What its own buyer is told of the money that is on its way back, the newest first; and nobody else's.
    pub fn refunds(&self, of: &HoldOf) -> Vec<Value> {
        let mut own: Vec<&Payment> = self.refunds_of(of).filter(|paid| paid.user == of.user).collect();
        own.sort_by_key(|paid| std::cmp::Reverse(paid.refund.map(|(_, n)| n)));
        let told = |paid: &&Payment| {
            let mut shown = paid.shown_refund();
            shown["reason"] = json!(paid.refund.map(|(reason, _)| reason));
            shown
        };
        own.iter().map(told).collect()
    }

    /// What changed at the gateway is written down once, each with its entry and its event.
    pub fn present(&mut self, now: &Present) -> Value {
        let id = (now.gateway.to_owned(), now.payment.to_owned());
        let Some(Payment { amount, mut later, .. }) = self.payments.get(&id).cloned() else { return Value::Null };
        let at_gateway = if now.gone { 0 } else { amount - amount * now.refunded_percent / 100 };
        let moved = amount - at_gateway;
        later.dispute = match (now.dispute, later.dispute) {
            // One that is gone while it was open was taken back.
            (Some("none"), Some(("open", about))) => Some(("won", about)),
            (None | Some("none"), known) => known,
            // Only a message says so, which may come after the message that it is over, and is then as good as that.
            (Some("opened"), None) => Some(("open", amount / 2)),
            (Some("opened"), Some((status, about))) if status != "resolved" => Some((status, about)),
            // A message that it is over, and nobody says how: where nothing is left the bank has it.
            (Some("resolved"), Some((status @ ("won" | "lost"), about))) => Some((status, about)),
            (Some("resolved" | "opened"), known) => {
                let about = known.map_or(amount / 2, |(_, about)| about);
                Some((if at_gateway == 0 { "lost" } else { "resolved" }, about))
            }
            (Some(status), _) => Some((status, amount / 2)),
        };
        if later.dispute != self.payments[&id].later.dispute {
            self.dispute(&id, later.dispute);
        }
        // What the gateway has again of what it had paid back for us is due again; what a lost dispute took is not.
        let lost = later.dispute.filter(|(status, _)| *status == "lost").map_or(0, |(_, about)| about);
        let mut back = self.payments[&id].back.clone();
        let is_again_there = back.paid() > moved || later.left.is_some_and(|left| left < at_gateway);
        let is_refunded = self.payments[&id].refund.is_some() && back.status == "COMPLETED";
        if !now.gone && is_refunded && moved + lost < amount && is_again_there {
            back.reopen(moved);
            self.payments.get_mut(&id).expect("a payment").back = back.clone();
            self.end_refund(&id, "REFUND_REOPENED", amount - moved, "RefundFailed", "reopened");
        }
        later.left = Some(at_gateway);
        if std::mem::replace(&mut later.reversed, now.gone) != now.gone {
            let (kind, event, sign) = match now.gone {
                true => ("PAYMENT_REVERSED", "deposit_reversed", 1),
                false => ("PAYMENT_RESTORED", "deposit_restored", -1),
            };
            self.change(&id, (kind, amount), "PaymentRefundedOutside", format!("{event}|{}", sign * amount));
        }
        if !now.gone {
            // While a request of ours is open, what it did is not known.
            let open = back.open();
            let known = if open.is_some() { later.refunded } else { 0 };
            let refunded = (moved - back.paid() - open.unwrap_or(0)).max(known);
            let more = refunded - std::mem::replace(&mut later.refunded, refunded);
            if more != 0 {
                let event = if more > 0 { "refunded" } else { "refund_failed" };
                let kind = ("PAYMENT_REFUNDED_OUTSIDE", more);
                self.change(&id, kind, "PaymentRefundedOutside", format!("{event}|{more}"));
            }
        }
        self.payments.get_mut(&id).expect("a payment").later = later;
        json!({"result": "recorded"})
    }

    /// A line of the gateway's list, which says the same. What does not agree is asked about and recorded; and what does not
    /// agree then either is asked about with every list.
    pub fn listed(&mut self, now: &Present) -> Value {
        let id = (now.gateway.to_owned(), now.payment.to_owned());
        if !self.payments.contains_key(&id) {
            return Value::Null;
        }
        let asked = !self.agrees(&id, now);
        if asked {
            self.present(now);
        }
        json!({"asked": asked, "again": !self.agrees(&id, now)})
    }

    fn agrees(&self, id: &PaymentId, now: &Present) -> bool {
        let Payment { amount, back, refund, later, .. } = &self.payments[id];
        if now.gone {
            return later.reversed;
        }
        let moved = amount * now.refunded_percent / 100;
        // What was to go back, and is said to be back, is not there any more; unless it was lost meanwhile.
        let is_lost = later.dispute.is_some_and(|(status, _)| status == "lost");
        let is_back = refund.is_some() && back.status == "COMPLETED" && !is_lost;
        let same_dispute = match now.dispute {
            None => true,
            Some("none") => later.dispute.is_none_or(|(status, _)| status != "open"),
            Some(status) => later.dispute == Some((status, amount / 2)),
        };
        !later.reversed && moved == later.refunded + back.paid() && !(is_back && moved < *amount) && same_dispute
    }

    fn dispute(&mut self, id: &PaymentId, now: Option<(&'static str, i64)>) {
        self.payments.get_mut(id).expect("a payment").later.dispute = now;
        let Some((status, about)) = now else { return };
        let kind = match status {
            "open" => "PAYMENT_DISPUTED",
            "resolved" => "DISPUTE_RESOLVED",
            "won" => "DISPUTE_WON",
            _ => "DISPUTE_LOST",
        };
        self.change(id, (kind, about), "PaymentDisputed", format!("{status}|{about}"));
    }

    /// Whoever has its refund sent again knows that the money is still the shop's to pay back.
    pub fn dispute_was_won(&mut self, id: &PaymentId) {
        if let Some(("resolved", about)) = self.payments[id].later.dispute {
            self.dispute(id, Some(("won", about)));
        }
    }

    fn change(&mut self, id: &PaymentId, (kind, amount): (&'static str, i64), event: &'static str, what: String) {
        self.changes.push((id.clone(), kind, amount));
        let paid = &self.payments[id];
        let (sale, of) = (paid.sale.clone(), paid.of.as_ref().filter(|_| paid.sale.is_some()));
        let hold = of.map_or_else(|| "-".to_owned(), |of| format!("?hold:{of}"));
        self.tell(event, sale.as_deref(), format!("{hold}|{}|{}|{what}", id.0, id.1));
    }

    /// Whether a payment for it would be late, and may yet be sold what it had.
    pub fn may_be_late(&self, of: &HoldOf) -> bool {
        let hold = &self.holds[of];
        hold.shown() == "EXPIRED" && self.sales[&hold.sale].retakes
    }

    /// Such a one, whose buyer has an order by now.
    pub fn has_bought_since(&self, of: &HoldOf) -> bool {
        self.may_be_late(of) && self.orders.keys().any(|order| order.user == of.user && self.stands(order))
    }

    /// Whether the hold is an order that was neither cancelled nor returned.
    pub fn stands(&self, of: &HoldOf) -> bool {
        self.orders.get(of).is_some_and(Order::stands)
    }

    /// Where the money of a payment is, in the operator's words.
    pub fn state_of(&self, paid: &Payment) -> &'static str {
        let stands = paid.of.as_ref().is_some_and(|of| self.stands(of));
        match paid.refund {
            Some(_) if paid.back.status == "REQUIRED" => "refund_pending",
            Some(_) if paid.back.status == "FAILED" => "refund_failed",
            Some(_) => "refunded",
            // Its order is over, and it was nothing.
            None if !stands => "refunded",
            None => "ordered",
        }
    }

    /// A payment is an order that stands, or is to be paid back; never both, never neither.
    pub fn money_is_an_order_or_a_refund(&self) {
        for (id, paid) in &self.payments {
            let its = |(of, order): (&HoldOf, &Order)| order.payment == *id && self.stands(of);
            let is_nothing_of_a_cancelled_order = paid.amount == 0 && paid.became.is_ok() && paid.refund.is_none();
            let stands = self.orders.iter().any(its);
            assert!(stands != paid.refund.is_some() || is_nothing_of_a_cancelled_order, "{id:?}");
        }
    }
}
