//! Why a reservation is refused: a rule a name, in order of precedence. Each rule looks at all lines of a reservation
//! before the next one is asked, and names the first line that breaks it.

use serde_json::{Value, json};

use super::command::{Ask, HoldOf};
use super::rules::{Hold, Model, Sale, Sku};

/// A reservation as the rules look at it.
struct Checked<'a> {
    /// The world when its batch began: what keys had been used by then.
    before: &'a Model,
    id: &'a str,
    /// None: there is no such sale.
    sale: Option<&'a Sale>,
    ask: &'a Ask,
    /// Whether its user has another request in the batch, before this one.
    again: bool,
}

/// What the answer says beside the refusal's name; none: the rule is kept. `Err`: another rule was broken before it
/// could be asked.
type RuleResult = Result<Option<Value>, String>;

/// A refusal's name, and when it applies.
type Rule = (&'static str, fn(&Model, &Checked) -> RuleResult);

const RULES: [Rule; 7] = [
    ("idempotency_key_reused", |_, asked| {
        let of = HoldOf { user: asked.ask.user.clone(), key: asked.ask.key.clone() };
        Ok(asked.before.keys.contains_key(&of).then(|| json!({})))
    }),
    ("request_in_progress", |_, asked| Ok(asked.again.then(|| json!({})))),
    ("not_found", |_, asked| {
        let Some(sale) = asked.sale else { return Ok(Some(json!({}))) };
        let unknown = asked.ask.lines.iter().find(|(name, _)| sale.skus.iter().all(|sku| sku.sku != *name));
        Ok(unknown.map(|(sku, _)| json!({"sku_id": sku})))
    }),
    ("sale_not_open", |_, asked| {
        let closed = asked.sale.filter(|sale| sale.status() != "open");
        Ok(closed.map(|sale| json!({"opens_at": sale.opens_at(), "status": sale.status(), "for_ms": "?for"})))
    }),
    ("already_holding", |model, asked| {
        for (sku, _) in &asked.ask.lines {
            let Some((hold, active)) = model.active(asked.id, &asked.ask.user, sku) else { continue };
            if active.lapsed.is_some() {
                return Err(format!("{} has a lapsed hold on {sku} in the way", asked.ask.user));
            }
            return Ok(Some(json!({"hold_id": format!("?hold:{hold}"), "sku_id": sku})));
        }
        Ok(None)
    }),
    ("limit_reached", |model, asked| {
        let told = |sku: &Sku| json!({"sku_id": sku.sku, "max_per_user": sku.max_per_user});
        let bought = |sku: &Sku| model.bought(asked.id, &asked.ask.user, &sku.sku);
        if let Some((sku, _)) = asked.lines().find(|(sku, qty)| bought(sku) + qty > sku.max_per_user) {
            return Ok(Some(told(sku)));
        }
        // Whoever let a hold lapse has to wait: after all that no waiting helps.
        let of = |sku: &Sku| (asked.id.to_owned(), asked.ask.user.clone(), sku.sku.clone());
        let waits = asked.lines().find(|(sku, _)| model.lapsed.contains(&of(sku)));
        Ok(waits.map(|(sku, _)| with(told(sku), "retry_at", json!("?time"))))
    }),
    ("sold_out", |model, asked| {
        let Some((short, _)) = asked.lines().find(|(sku, qty)| sku.available < *qty) else { return Ok(None) };
        let waits = |hold: &Hold| hold.is_due() && hold.sale == asked.id && hold.has(&short.sku);
        if model.holds.values().any(waits) {
            return Err(format!("sold out of {} is a lie while a lapsed hold has some", short.sku));
        }
        Ok(Some(json!({"sku_id": short.sku, "available": short.available, "max_per_user": short.max_per_user,
                       "for_ms": "?for"})))
    }),
];

/// The names of the refusals, in order of precedence.
pub fn refusals() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(name, _)| *name)
}

impl Model {
    /// The answer to a reservation that cannot be granted: the first rule that it breaks. `before`: the world when its
    /// batch began; `again`: its user has an earlier request in the batch.
    pub fn refusal(&self, before: &Self, id: &str, ask: &Ask, again: bool) -> Result<Option<Value>, String> {
        let asked = Checked { before, id, sale: self.sales.get(id), ask, again };
        for (name, rule) in RULES {
            if let Some(told) = rule(self, &asked)? {
                return Ok(Some(with(told, "outcome", json!(name))));
            }
        }
        Ok(None)
    }
}

impl<'a> Checked<'a> {
    /// Its SKUs, and how many of each.
    fn lines(&self) -> impl Iterator<Item = (&'a Sku, i64)> {
        let skus = self.sale.map_or(&[][..], |sale| &sale.skus);
        let known = |name: &str| skus.iter().find(|sku| sku.sku == name);
        self.ask.lines.iter().filter_map(move |(name, qty)| Some((known(name)?, i64::from(*qty))))
    }
}

fn with(mut told: Value, name: &str, value: Value) -> Value {
    told[name] = value;
    told
}
