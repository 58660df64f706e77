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
    lines.extend(told.into_values().map(one_transaction));
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
    for (of, hold) in &model.holds {
        let (sale, user) = (&hold.sale, &of.user);
        let (status, amount, currency, until) = (hold.status, hold.amount, &hold.currency, hold.expires(of));
        lines.push(format!("hold|?hold:{of}|{sale}|{user}|{status}|{amount}|{currency}|{until}"));
        lines.push(format!("key|{user}|{}|?hold:{of}", of.key));
        for line in &hold.lines {
            lines.push(format!("line|?hold:{of}|{}|{}|{}", line.sku, line.qty, line.price));
            if hold.status == "HOLD" {
                lines.push(format!("active|{sale}|{user}|{}|?hold:{of}", line.sku));
            }
        }
    }
    for (sale, sku, kind, qty, hold) in &model.ledger {
        let hold = hold.as_ref().map_or_else(|| "-".to_owned(), |of| format!("?hold:{of}"));
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
        let hold = match (&paid.sale, &paid.of) {
            (Some(_), Some(of)) => format!("?hold:{of}"),
            (_, Some(_)) => Uuid::nil().to_string(),
            (_, None) => "no-hold".to_owned(),
        };
        let (user, amount, currency, sale) = (&paid.user, paid.amount, &paid.currency, paid.sale.as_deref());
        let sale = sale.unwrap_or("-");
        let (Ok(()), Some(of)) = (paid.became, &paid.of) else {
            let reason = paid.became.err().unwrap_or_default();
            let state = "REFUND_REQUIRED";
            lines.push(format!("payment|{gateway}|{id}|{hold}|{sale}|{user}|{amount}|{currency}|{state}|{reason}"));
            lines.push(format!("refund|{gateway}|{id}|{reason}|{amount}|{currency}|REQUIRED"));
            lines.push(format!("money|{gateway}|{id}|{state}|-|{amount}|{currency}"));
            continue;
        };
        let order = format!("?order:{of}");
        lines.push(format!("payment|{gateway}|{id}|{hold}|{sale}|{user}|{amount}|{currency}|ORDERED|{order}"));
        lines.push(format!("money|{gateway}|{id}|ORDER_CONFIRMED|{order}|{amount}|{currency}"));
        lines.push(format!("order|{order}|{hold}|{sale}|{}|{gateway}|{id}|{amount}|{currency}", of.user));
        for line in &model.holds[of].lines {
            lines.push(format!("order line|{order}|{}|{}|{}|{}", of.user, line.sku, line.qty, line.price));
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
