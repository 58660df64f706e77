//! What the model shows: a hold, an order, a sale, the report, in the words of the contract.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::command::{HoldOf, Phase};
use super::payments::{Later, Payment, PaymentId, is_of_a_gateway};
use super::rules::{Hold, Line, Model, Sale};

impl Phase {
    pub fn opens_at(self) -> &'static str {
        if self == Self::Before { "2100-01-01T00:00:00.000Z" } else { "2020-01-01T00:00:00.000Z" }
    }

    pub fn closes_at(self) -> &'static str {
        if self == Self::After { "2020-06-01T00:00:00.000Z" } else { "2100-06-01T00:00:00.000Z" }
    }
}

/// Where the end of a hold is put when it lapses: in the order in which they do, an hour ago or two. A cool-down of a day
/// goes on for as long as a history lasts.
pub fn lapsed_at(order: u32) -> String {
    static BASE: LazyLock<Timestamp> = LazyLock::new(|| Timestamp::now() - SignedDuration::from_hours(2));
    (*BASE + SignedDuration::from_millis(order.into())).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

impl Sale {
    /// The schedule first: before it opens and after it closes a sale is neither open nor paused.
    pub fn status(&self) -> &'static str {
        match (self.set, self.phase) {
            ("closed", _) | (_, Phase::After) => "closed",
            (_, Phase::Before) => "scheduled",
            (set, Phase::During) => set,
        }
    }

    pub fn opens_at(&self) -> &'static str {
        self.phase.opens_at()
    }
}

impl Hold {
    pub fn expires(&self, of: &HoldOf) -> String {
        self.lapsed.map_or_else(|| format!("?until:{of}:{}", self.ttl_s), lapsed_at)
    }
}

fn items(lines: &[Line]) -> Value {
    lines.iter().map(|line| json!({"sku_id": line.sku, "qty": line.qty, "unit_price": line.price})).collect()
}

impl Model {
    pub fn hold_json(&self, of: &HoldOf, status: &str) -> Value {
        let hold = &self.holds[of];
        let mut shown = json!({
            "hold_id": format!("?hold:{of}"), "sale_id": hold.sale, "status": status, "items": items(&hold.lines),
            "subtotal_amount": hold.amount, "discount_amount": 0, "total_amount": hold.amount, "currency": hold.currency,
            // Of every currency that a history has.
            "currency_decimals": 0, "version": hold.version, "expire_at": hold.expires(of)});
        if status == "COMMITTED" {
            shown["order_id"] = json!(format!("?order:{of}"));
        }
        shown
    }

    /// The hold as it was granted.
    pub fn granted_json(&self, of: &HoldOf) -> Value {
        self.holds[of].granted.clone().unwrap_or_else(|| self.hold_json(of, "HOLD"))
    }

    pub fn read_hold(&self, of: &HoldOf, user: &str) -> Value {
        let Some(hold) = self.hold_for(of, user) else { return Value::Null };
        let mut shown = self.hold_json(of, hold.shown());
        let refunds = self.refunds(of);
        if !refunds.is_empty() {
            (shown["refund"], shown["refunds"]) = (refunds[0].clone(), json!(refunds));
        }
        shown
    }

    pub fn read_order(&self, of: &HoldOf, user: &str) -> Value {
        let theirs = self.hold_for(of, user).filter(|_| self.orders.contains_key(of));
        theirs.map_or(Value::Null, |_| self.order_json(of))
    }

    pub fn order_json(&self, of: &HoldOf) -> Value {
        let (hold, order) = (&self.holds[of], &self.orders[of]);
        let (gateway, payment) = &order.payment;
        let paid_by = match is_of_a_gateway(&order.payment) {
            true => json!({"method": "gateway", "gateway": gateway, "payment_id": payment}),
            false => json!({"method": gateway}),
        };
        let paid = &self.payments[&order.payment];
        let mut shown = json!({
            "order_id": format!("?order:{of}"), "order_number": format!("?number:{of}"),
            "hold_id": format!("?hold:{of}"), "sale_id": hold.sale, "status": order.status, "version": order.version(),
            "items": items(&hold.lines), "subtotal_amount": hold.amount, "discount_amount": 0,
            "total_amount": hold.amount, "currency": hold.currency, "currency_decimals": 0,
            "payment": paid_by,
            "disputed": paid.later.is_disputed(), "refunded_amount": paid.later.moved(paid.amount),
            "created_at": format!("?created:{of}")});
        if paid.refund.is_some() {
            shown["refund"] = paid.shown_refund();
        }
        if let Some(tracking) = order.tracking {
            shown["tracking"] = json!(tracking);
        }
        shown
    }

    /// The same for an operator, who sees whose it is.
    pub fn order_of_anybody(&self, of: &HoldOf) -> Value {
        let mut shown = self.order_json(of);
        shown["user_id"] = json!(of.user);
        shown
    }

    pub fn read_sale(&self, id: &str) -> Value {
        let Some(sale) = self.sales.get(id) else { return Value::Null };
        let skus: Value = sale
            .skus
            .iter()
            .map(|sku| {
                json!({"sku_id": sku.sku, "name": sku.sku, "unit_price": sku.price, "available": sku.available,
                       "max_per_user": sku.max_per_user})
            })
            .collect();
        json!({"sale_id": id, "name": id, "status": sale.status(), "opens_at": sale.opens_at(),
               "closes_at": sale.phase.closes_at(), "hold_ttl_s": sale.ttl_s, "currency": sale.currency,
               "currency_decimals": 0, "buyer_cancel": sale.cancels, "skus": skus})
    }

    pub fn sale_answer(&self, id: &str, created: bool) -> Value {
        json!({"outcome": "sale", "sale": self.read_sale(id), "created": created})
    }

    pub fn report(&self, id: &str) -> Value {
        let Some(sale) = self.sales.get(id) else { return Value::Null };
        let holds: Vec<(&HoldOf, &Hold)> = self.holds.iter().filter(|(_, hold)| hold.sale == id).collect();
        let count = |status: &str| holds.iter().filter(|(_, hold)| hold.status == status).count();
        let orders = |status: &str| {
            let are = |of: &HoldOf| self.orders.get(of).is_some_and(|order| order.status == status);
            holds.iter().filter(|(of, _)| are(of)).count()
        };
        let held = |sku: &str| -> i64 {
            let held = holds.iter().filter(|(_, hold)| hold.status == "HOLD");
            held.map(|(of, _)| self.pieces(of, id, sku)).sum()
        };
        let sold = |sku: &str| -> i64 {
            let sold = holds.iter().filter(|(of, _)| self.stands(of));
            sold.map(|(of, _)| self.pieces(of, id, sku)).sum()
        };
        let paid = || self.payments.values().filter(|paid| paid.sale.as_deref() == Some(id));
        let changed = |so: &dyn Fn(&Later) -> bool| paid().filter(|paid| so(&paid.later)).count();
        let refunds = |status: &str| paid().filter(|paid| paid.refund.is_some() && paid.back.status == status).count();
        let told = self.told.values().flatten().filter(|event| event.1.as_deref() == Some(id));
        let skus: Value = sale
            .skus
            .iter()
            .map(|sku| {
                json!({"sku_id": sku.sku, "total": sku.total, "available": sku.available,
                       "held": held(&sku.sku), "sold": sold(&sku.sku)})
            })
            .collect();
        json!({"outcome": "report", "report": {
            "sale_id": id, "status": sale.status(), "skus": skus,
            "holds": {"HOLD": count("HOLD"), "COMMITTED": count("COMMITTED"), "EXPIRED": count("EXPIRED"),
                      "RELEASED": count("RELEASED")},
            "orders": {"CONFIRMED": orders("CONFIRMED"), "PREPARING": orders("PREPARING"), "SHIPPED": orders("SHIPPED"),
                       "DELIVERED": orders("DELIVERED"), "CANCELLED": orders("CANCELLED"), "RETURNED": orders("RETURNED")},
            "refunds": {"REQUIRED": refunds("REQUIRED"), "COMPLETED": refunds("COMPLETED"), "FAILED": refunds("FAILED")},
            "payments": {"disputed": changed(&Later::is_disputed),
                         "refunded_outside": changed(&|later| later.refunded > 0),
                         "reversed": changed(&|later| later.reversed)},
            "outbox": {"pending": told.count(), "dead": 0, "receivers": []}, "gateways": [],
            "audit": {"ok": true, "mismatches": []}}})
    }

    /// The operator's list, by its ids: in which of two payments at once came first is nobody's promise.
    pub fn read_payments(&self, state: Option<&str>) -> Value {
        // What no gateway was asked for is looked at in the tables: its id does not say which history it is of.
        let all = self.payments.iter().filter(|(id, _)| is_of_a_gateway(id));
        let all = all.filter(|(_, paid)| state.is_none_or(|state| state == self.state_of(paid)));
        let payments: Value = all.map(|(id, paid)| self.payment_json(id, paid)).collect();
        json!({"outcome": "payments", "payments": payments})
    }

    fn payment_json(&self, (gateway, payment): &PaymentId, paid: &Payment) -> Value {
        let mut shown = json!({"gateway": gateway, "payment_id": payment, "state": self.state_of(paid),
            "hold_ref": paid.hold_ref(), "amount": paid.amount, "currency": paid.currency,
            "disputed": paid.later.is_disputed(), "refunded_amount": paid.later.moved(paid.amount)});
        // Who pays for what is none of ours is not written down.
        if !paid.user.is_empty() {
            shown["user_id"] = json!(paid.user);
        }
        if let Some((status, amount)) = paid.later.dispute {
            (shown["dispute"], shown["disputed_amount"]) = (json!(status), json!(amount));
        }
        if paid.later.reversed {
            shown["reversed_at"] = json!("?time");
        }
        if let Some(sale) = &paid.sale {
            (shown["sale_id"], shown["hold_id"]) = (json!(sale), json!(paid.hold_ref()));
        }
        if let (Ok(()), Some(of)) = (paid.became, &paid.of) {
            shown["order_id"] = json!(format!("?order:{of}"));
        }
        if let Some((reason, _)) = paid.refund {
            (shown["refund_reason"], shown["refund_attempts"]) = (json!(reason), json!(paid.back.attempts));
            if let Some(failure) = paid.back.failure {
                shown["refund_failure"] = json!(failure);
            }
        }
        shown
    }
}
