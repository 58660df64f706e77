//! The end of a history: every row of every table is one that the model has too, and none is missing. What each
//! transaction told the world is compared transaction by transaction.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::explain::State;
use super::world::World;

/// The rows that the history with this prefix has left.
pub async fn found(world: &World, prefix: &str) -> Vec<String> {
    let rows = world.database.owner.query_typed(include_str!("tables.sql"), &[(&prefix, Type::TEXT)]).await.unwrap();
    let mut lines = Vec::new();
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let line: String = row.get(0);
        match line.strip_prefix("told|").and_then(|rest| rest.split_once('|')) {
            Some((transaction, event)) => told.entry(transaction.to_owned()).or_default().push(event.to_owned()),
            None => lines.push(line),
        }
    }
    lines.extend(told.into_values().map(|events| one_transaction(events)));
    lines.sort();
    lines
}

/// The rows that it should have left.
pub fn expected(state: &State) -> Vec<String> {
    let model = &state.model;
    let mut lines = Vec::new();
    for (id, sale) in &model.sales {
        lines.push(format!("sale|{id}|{}", sale.set));
        lines.extend(sale.skus.iter().map(|sku| format!("counter|{id}|{}|{}|{}", sku.sku, sku.total, sku.available)));
    }
    for (n, hold) in model.holds.iter().enumerate() {
        let (sale, user) = (&hold.sale, &hold.of.user);
        let (status, amount, currency, until) = (hold.status, hold.amount, &hold.currency, model.expires(n));
        lines.push(format!("hold|?hold:{n}|{sale}|{user}|{status}|{amount}|{currency}|{until}"));
        lines.push(format!("key|{user}|{}|?hold:{n}", hold.of.key));
        for line in &hold.lines {
            lines.push(format!("line|?hold:{n}|{}|{}|{}", line.sku, line.qty, line.price));
            if hold.status == "HOLD" {
                lines.push(format!("active|{sale}|{user}|{}|?hold:{n}", line.sku));
            }
        }
    }
    for (sale, sku, kind, qty, hold) in &model.ledger {
        let hold = hold.map_or_else(|| "-".to_owned(), |hold| format!("?hold:{hold}"));
        lines.push(format!("ledger|{sale}|{sku}|{kind}|{qty}|{hold}"));
    }
    for (key, ((sale, sku, delta), stock)) in &model.stock_keys {
        lines.push(format!("stock key|{key}|{sale}|{sku}|{delta}|{}|{}", stock["total"], stock["available"]));
    }
    money(state, &mut lines);
    let told = model.told.values().map(|events| {
        let events = events.iter().map(|(kind, about)| state.names.replaced(&format!("{kind}|{about}")));
        one_transaction(events.collect())
    });
    let mut lines: Vec<String> = lines.iter().map(|line| state.names.replaced(line)).chain(told).collect();
    lines.sort();
    lines
}

fn money(state: &State, lines: &mut Vec<String>) {
    let model = &state.model;
    for ((gateway, id), paid) in &model.payments {
        let sale = paid.hold.map_or("-", |hold| model.holds[hold].sale.as_str());
        let hold = match (paid.hold, &paid.of) {
            (Some(hold), _) => format!("?hold:{hold}"),
            (None, Some(_)) => Uuid::nil().to_string(),
            (None, None) => "no-hold".to_owned(),
        };
        let (user, amount, currency) = (&paid.user, paid.amount, &paid.currency);
        let (became, what) = match paid.became {
            Ok(order) => ("ORDERED", format!("?order:{order}")),
            Err(reason) => ("REFUND_REQUIRED", reason.to_owned()),
        };
        lines.push(format!("payment|{gateway}|{id}|{hold}|{sale}|{user}|{amount}|{currency}|{became}|{what}"));
        match paid.became {
            Err(reason) => {
                lines.push(format!("refund|{gateway}|{id}|{reason}|{amount}|{currency}|REQUIRED"));
                lines.push(format!("money|{gateway}|{id}|REFUND_REQUIRED|-|{amount}|{currency}"));
            }
            Ok(order) => {
                let (number, hold) = (model.orders[order], &model.holds[model.orders[order]]);
                let (sale, user) = (&hold.sale, &hold.of.user);
                lines.push(format!(
                    "order|?order:{order}|?hold:{number}|{sale}|{user}|{gateway}|{id}|{amount}|{currency}"
                ));
                lines.push(format!("money|{gateway}|{id}|ORDER_CONFIRMED|?order:{order}|{amount}|{currency}"));
                for line in &hold.lines {
                    lines.push(format!("order line|?order:{order}|{user}|{}|{}|{}", line.sku, line.qty, line.price));
                }
            }
        }
    }
}

fn one_transaction(mut events: Vec<String>) -> String {
    events.sort();
    format!("told|{}", events.join(" & "))
}

/// What is in one and not in the other, or nothing.
pub fn difference(expected: &[String], found: &[String]) -> Option<String> {
    let without = |from: &[String], taken: &[String]| {
        let mut left = taken.to_vec();
        let missing = from.iter().filter(|line| match left.iter().position(|other| other == *line) {
            Some(at) => {
                left.swap_remove(at);
                false
            }
            None => true,
        });
        missing.cloned().collect::<Vec<String>>()
    };
    if expected == found {
        return None;
    }
    let (missing, extra) = (without(expected, found), without(found, expected));
    Some(format!("rows that are missing: {missing:#?}\nrows that should not be: {extra:#?}"))
}
