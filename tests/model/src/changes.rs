//! The rules of a hold whose lines become others: what is added is asked for like a reservation, what is given up is there
//! again, and all of it or nothing.

use serde_json::{Value, json};

use super::command::HoldOf;
use super::rules::{Hold, Line, Model, Sale, Sku};

/// Lines as they are asked for.
pub type Lines = [(String, i32)];

impl Hold {
    /// How many more of each SKU these lines are; of which it is none, that is left out.
    fn more(&self, lines: &Lines) -> Vec<(String, i64)> {
        let asked = |sku: &str| lines.iter().filter(|(one, _)| one == sku).map(|(_, qty)| i64::from(*qty)).sum::<i64>();
        let kept = self.lines.iter().map(|line| line.sku.clone());
        let added = lines.iter().map(|(sku, _)| sku.clone()).filter(|sku| !self.has(sku));
        let more = kept.chain(added).map(|sku| (asked(&sku) - self.qty_of(&sku), sku));
        more.filter(|(more, _)| *more != 0).map(|(more, sku)| (sku, more)).collect()
    }
}

impl Model {
    /// `Err`: the rule that was broken before it came to an answer.
    pub fn change_hold(&mut self, of: &HoldOf, user: &str, version: i64, lines: &Lines) -> Result<Value, String> {
        let Some(hold) = self.hold_for(of, user) else { return Ok(json!({"outcome": "no_such_hold"})) };
        let shown = hold.shown();
        // While the money for it is being taken it stays as it is.
        if shown != "HOLD" || self.is_capturing(of) {
            return Ok(json!({"outcome": "hold_not_active", "hold_status": shown}));
        }
        let more = hold.more(lines);
        if more.is_empty() {
            return Ok(json!({"outcome": "changed", "hold": self.hold_json(of, "HOLD"), "returned": false}));
        }
        if hold.version != version {
            return Ok(json!({"outcome": "precondition_failed", "version": hold.version}));
        }
        if let Some(refusal) = self.refuses_change(of, lines, &more)? {
            return Ok(refusal);
        }
        self.become_lines(of, lines, &more);
        let returned = more.iter().any(|(_, more)| *more < 0);
        Ok(json!({"outcome": "changed", "hold": self.hold_json(of, "HOLD"), "returned": returned}))
    }

    /// T1's rules in their order, of what is asked for more.
    fn refuses_change(&self, of: &HoldOf, lines: &Lines, more: &[(String, i64)]) -> Result<Option<Value>, String> {
        let id = self.holds[of].sale.clone();
        let sale: &Sale = &self.sales[&id];
        let known = |name: &str| sale.skus.iter().find(|sku| sku.sku == name);
        if let Some((sku, _)) = lines.iter().find(|(name, _)| known(name).is_none()) {
            return Ok(Some(json!({"outcome": "not_found", "sku_id": sku})));
        }
        if sale.status() != "open" {
            return Ok(Some(json!({"outcome": "sale_not_open", "opens_at": sale.opens_at(), "status": sale.status(),
                                  "for_ms": "?for"})));
        }
        for (sku, _) in lines {
            let Some((other, active)) = self.active(&id, &of.user, sku).filter(|(other, _)| *other != of) else {
                continue;
            };
            if active.lapsed.is_some() {
                return Err(format!("{} has a lapsed hold on {sku} in the way", of.user));
            }
            return Ok(Some(json!({"outcome": "already_holding", "hold_id": format!("?hold:{other}"), "sku_id": sku})));
        }
        let wanted: Vec<(&Sku, i64, i64)> = lines
            .iter()
            .filter_map(|(name, qty)| {
                let more = more.iter().find(|(sku, more)| sku == name && *more > 0)?.1;
                Some((known(name)?, i64::from(*qty), more))
            })
            .collect();
        let limit =
            |sku: &Sku| json!({"outcome": "limit_reached", "sku_id": sku.sku, "max_per_user": sku.max_per_user});
        let bought = |sku: &Sku| self.bought(&id, &of.user, &sku.sku);
        if let Some((sku, ..)) = wanted.iter().find(|(sku, qty, _)| bought(sku) + qty > sku.max_per_user) {
            return Ok(Some(limit(sku)));
        }
        let waits = |sku: &Sku| {
            !self.holds[of].has(&sku.sku) && self.lapsed.contains(&(id.clone(), of.user.clone(), sku.sku.clone()))
        };
        if let Some((sku, ..)) = wanted.iter().find(|(sku, ..)| waits(sku)) {
            let mut told = limit(sku);
            told["retry_at"] = json!("?time");
            return Ok(Some(told));
        }
        let Some((short, ..)) = wanted.iter().find(|(sku, _, more)| sku.available < *more) else { return Ok(None) };
        if self.holds.values().any(|hold| hold.is_due() && hold.sale == id && hold.has(&short.sku)) {
            return Err(format!("sold out of {} is a lie while a lapsed hold has some", short.sku));
        }
        Ok(Some(json!({"outcome": "sold_out", "sku_id": short.sku, "available": short.available,
                       "max_per_user": short.max_per_user, "for_ms": "?for"})))
    }

    fn become_lines(&mut self, of: &HoldOf, lines: &Lines, more: &[(String, i64)]) {
        let granted = self.granted_json(of);
        let hold = self.holds.get_mut(of).expect("a hold that changes");
        let sale = self.sales.get_mut(&hold.sale).expect("the hold's sale");
        let price = |name: &str| {
            let kept = hold.lines.iter().find(|line| line.sku == name).map(|line| line.price);
            kept.or_else(|| sale.skus.iter().find(|sku| sku.sku == name).map(|sku| sku.price)).expect("a SKU's price")
        };
        let line = |(sku, qty): &(String, i32)| Line { sku: sku.clone(), qty: i64::from(*qty), price: price(sku) };
        let lines: Vec<Line> = lines.iter().map(line).collect();
        hold.amount = lines.iter().map(|line| line.qty * line.price).sum();
        (hold.lines, hold.granted, hold.version) = (lines, Some(granted), hold.version + 1);
        let (id, version) = (hold.sale.clone(), hold.version);
        for (name, more) in more {
            let sku = sale.skus.iter_mut().find(|sku| sku.sku == *name).expect("the hold's SKU");
            sku.available -= more;
        }
        for (name, more) in more {
            let kind = if *more > 0 { "CHANGE_DEBIT" } else { "CHANGE_CREDIT" };
            self.enter((id.clone(), name.clone(), kind, -more, Some(of.clone())));
        }
        self.tell("HoldChanged", Some(&id), format!("?hold:{of}|{version}"));
    }
}
