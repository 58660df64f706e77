//! What the model shows: a hold, an order, a sale, the report, in the words of the contract.

use serde_json::{Value, json};

use super::command::{HoldOf, Phase};
use super::rules::{Hold, Line, Model, Sale};

impl Phase {
    pub fn opens_at(self) -> &'static str {
        if self == Self::Before { "2100-01-01T00:00:00.000Z" } else { "2020-01-01T00:00:00.000Z" }
    }

    pub fn closes_at(self) -> &'static str {
        if self == Self::After { "2020-06-01T00:00:00.000Z" } else { "2100-06-01T00:00:00.000Z" }
    }
}

/// Where the end of a hold is put when it lapses: in the order in which they do.
pub fn lapsed_at(order: u32) -> String {
    format!("2020-01-01T00:{:02}:{:02}.{:03}Z", order / 60_000, order / 1000 % 60, order % 1000)
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
            "total_amount": hold.amount, "currency": hold.currency, "expire_at": hold.expires(of)});
        if status == "COMMITTED" {
            shown["order_id"] = json!(format!("?order:{of}"));
        }
        shown
    }

    pub fn read_hold(&self, of: &HoldOf, user: &str) -> Value {
        self.hold_for(of, user).map_or(Value::Null, |hold| self.hold_json(of, hold.shown()))
    }

    pub fn read_order(&self, of: &HoldOf, user: &str) -> Value {
        let Some(hold) = self.hold_for(of, user).filter(|_| self.orders.contains(of)) else { return Value::Null };
        json!({"order_id": format!("?order:{of}"), "hold_id": format!("?hold:{of}"), "sale_id": hold.sale,
               "status": "CONFIRMED", "items": items(&hold.lines), "total_amount": hold.amount,
               "currency": hold.currency, "created_at": format!("?created:{of}")})
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
               "closes_at": sale.phase.closes_at(), "hold_ttl_s": sale.ttl_s, "currency": sale.currency, "skus": skus})
    }

    pub fn sale_answer(&self, id: &str, created: bool) -> Value {
        json!({"outcome": "sale", "sale": self.read_sale(id), "created": created})
    }

    pub fn report(&self, id: &str) -> Value {
        let Some(sale) = self.sales.get(id) else { return Value::Null };
        let holds: Vec<&Hold> = self.holds.values().filter(|hold| hold.sale == id).collect();
        let count = |status: &str| holds.iter().filter(|hold| hold.status == status).count();
        let pieces = |status: &str, sku: &str| -> i64 {
            let lines = holds.iter().filter(|hold| hold.status == status).flat_map(|hold| &hold.lines);
            lines.filter(|line| line.sku == sku).map(|line| line.qty).sum()
        };
        let skus: Value = sale
            .skus
            .iter()
            .map(|sku| {
                json!({"sku_id": sku.sku, "total": sku.total, "available": sku.available,
                       "held": pieces("HOLD", &sku.sku), "sold": pieces("COMMITTED", &sku.sku)})
            })
            .collect();
        json!({"outcome": "report", "report": {
            "sale_id": id, "status": sale.status(), "skus": skus,
            "holds": {"HOLD": count("HOLD"), "COMMITTED": count("COMMITTED"), "EXPIRED": count("EXPIRED"),
                      "RELEASED": count("RELEASED")},
            "orders": {"CONFIRMED": count("COMMITTED")},
            "audit": {"ok": true, "mismatches": []}}})
    }
}
