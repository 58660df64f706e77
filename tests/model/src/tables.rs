//! The end of a history: every row of every table is one that the model has too, and none is missing. What each
//! transaction told the world is compared transaction by transaction.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Statement};

use super::attempts::Attempt;
use super::explain::State;
use super::rules::{Event, Model};

/// Prepares the question for [`found`]: to plan it takes longer than to answer it.
///
/// # Errors
/// The database does not answer.
pub async fn question(owner: &Client) -> Result<Statement, Error> {
    owner.prepare_typed(include_str!("tables.sql"), &[Type::TEXT]).await
}

/// The rows that the history with this prefix has left.
///
/// # Errors
/// The database does not answer.
pub async fn found(owner: &Client, question: &Statement, prefix: &str) -> Result<Vec<String>, Error> {
    let rows = owner.query(question, &[&prefix]).await?;
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
    Ok(lines)
}

/// The rows that it should have left.
pub fn expected(state: &State) -> Vec<String> {
    let model = &state.model;
    let mut lines = Vec::new();
    for (id, sale) in &model.sales {
        lines.push(format!("sale|{id}|{}|{}", sale.set, if sale.retakes { "retake" } else { "refund" }));
        lines.extend(sale.skus.iter().map(|sku| format!("counter|{id}|{}|{}|{}", sku.sku, sku.total, sku.available)));
    }
    for (of, hold) in &model.holds {
        let (sale, user) = (&hold.sale, &of.user);
        let (status, amount, currency, until) = (hold.status, hold.amount, &hold.currency, hold.expires(of));
        let retaken = if hold.retaken { "retaken" } else { "-" };
        let version = hold.version;
        lines.push(format!("hold|?hold:{of}|{sale}|{user}|{status}|{version}|{amount}|{currency}|{until}|{retaken}"));
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
    for (key, (of, _)) in &model.cancel_keys {
        lines.push(format!("cancel key|{key}|?order:{of}"));
    }
    for (key, (_, answer)) in &model.decide_keys {
        lines.push(format!("decide key|{key}|{}", answer["letter"]["status"].as_str().unwrap_or_default()));
    }
    for ((gateway, payment), parked) in &model.parked {
        lines.push(format!("parked|{gateway}|{payment}|{}|{}", parked.amount, parked.state));
    }
    for ((gateway, id), attempt) in &model.attempts {
        let hold = attempt.of.as_ref().map_or_else(|| "-".to_owned(), |of| format!("?hold:{of}"));
        let payment = match id.strip_prefix('@') {
            Some(page) if attempt.of.is_some() => format!("@{}", page.rsplit(':').next().unwrap_or_default()),
            // The page of a hold that there never was.
            Some(page) => page.to_owned(),
            None => id.clone(),
        };
        let Attempt { user, amount, currency, number, state, unanswered, outcome, .. } = attempt;
        let has = |is: bool, name: &'static str| if is { name } else { "-" };
        let (opened, dead, token) =
            (has(attempt.opened, "opened"), has(attempt.dead, "dead"), has(attempt.token, "token"));
        lines.push(format!(
            "attempt|{gateway}|{payment}|{hold}|{user}|{amount}|{currency}|{number}|{state}|{opened}|{unanswered}|{dead}|{token}|{}",
            outcome.unwrap_or("-")
        ));
    }
    lines.extend(model.actions.iter().map(|action| format!("operator|{action}")));
    payments(model, &mut lines);
    orders(model, &mut lines);
    let told = model.told.values().map(|events| {
        let line = |(kind, sale, about): &Event| format!("{kind}|{}|{about}", sale.as_deref().unwrap_or("-"));
        one_transaction(events.iter().map(|event| state.names.replaced(&line(event))).collect())
    });
    let mut lines: Vec<String> = lines.iter().map(|line| state.names.replaced(line)).chain(told).collect();
    lines.sort();
    lines
}

fn payments(model: &Model, lines: &mut Vec<String>) {
    for ((gateway, id), paid) in &model.payments {
        let (user, amount, currency, sale) = (&paid.user, paid.amount, &paid.currency, paid.sale.as_deref());
        let (by, hold, sale) = (format!("{gateway}|{id}"), paid.hold_ref(), sale.unwrap_or("-"));
        let became = match (paid.became, &paid.of) {
            (Ok(()), Some(of)) => format!("ORDERED|?order:{of}"),
            (other, _) => format!("REFUND_REQUIRED|{}", other.err().unwrap_or_default()),
        };
        lines.push(format!("payment|{by}|{hold}|{sale}|{user}|{amount}|{currency}|{became}"));
        let order = match (paid.became, &paid.of) {
            (Ok(()), Some(of)) => format!("?order:{of}"),
            _ => "-".to_owned(),
        };
        for (_, kind, amount) in model.changes.iter().filter(|change| change.0 == (gateway.clone(), id.clone())) {
            lines.push(format!("money|{by}|{kind}|{order}|{amount}|{currency}"));
        }
        for (_, kind, amount) in model.refund_ends.iter().filter(|end| end.0 == (gateway.clone(), id.clone())) {
            lines.push(format!("money|{by}|{kind}|-|{amount}|{currency}"));
        }
        if let Some((reason, n)) = paid.refund {
            lines.push(format!("refund|{by}|{reason}|{amount}|{currency}|{}|{n}", paid.back.status));
            lines.push(format!("money|{by}|REFUND_REQUIRED|-|{amount}|{currency}"));
        }
        for (n, request) in paid.back.requests.iter().enumerate() {
            let succeeded = if request.succeeded { "succeeded" } else { "-" };
            let outcome = request.outcome.unwrap_or("-");
            lines.push(format!("request|{by}|{}|{}|{succeeded}|{outcome}", n + 1, request.amount));
        }
    }
}

fn orders(model: &Model, lines: &mut Vec<String>) {
    for (of, order) in &model.orders {
        let (hold, status) = (&model.holds[of], order.status);
        let (by, user) = (format!("{}|{}", order.payment.0, order.payment.1), &of.user);
        let (sale, amount, currency) = (&hold.sale, hold.amount, &hold.currency);
        let (version, tracking) = (order.version(), order.tracking.unwrap_or("-"));
        lines.push(format!(
            "order|?order:{of}|?hold:{of}|{sale}|{user}|{by}|{amount}|{currency}|{status}|{version}|{tracking}"
        ));
        lines.push(format!("money|{by}|ORDER_CONFIRMED|?order:{of}|{amount}|{currency}"));
        for step in &order.steps {
            lines.push(format!("money|{by}|ORDER_{step}|?order:{of}|{amount}|{currency}"));
        }
        if !order.stands() {
            continue;
        }
        for line in &hold.lines {
            lines.push(format!("order line|?order:{of}|{user}|{}|{}|{}", line.sku, line.qty, line.price));
        }
    }
}

fn one_transaction(mut events: Vec<String>) -> String {
    events.sort();
    format!("told|{}", events.join(" & "))
}

/// What is in one and not in the other, or nothing.
pub fn difference(expected: &[String], found: &[String]) -> Option<String> {
    if expected == found {
        return None;
    }
    let (missing, extra) = (without(expected, found), without(found, expected));
    Some(format!("rows that are missing: {missing:#?}\nrows that should not be: {extra:#?}"))
}

/// Whether these can be the same rows, where a name whose meaning nobody knows yet may mean anything.
pub fn can_be(expected: &[String], found: &[String]) -> bool {
    let (missing, mut extra) = (without(expected, found), without(found, expected));
    let words = |line: &str| line.split('|').map(str::to_owned).collect::<Vec<String>>();
    let is_like = |expected: &str, found: &str| {
        let (expected, found) = (words(expected), words(found));
        expected.len() == found.len() && expected.iter().zip(&found).all(|(e, f)| e.starts_with('?') || e == f)
    };
    let paired = missing.iter().all(|line| {
        // Those that can take each other's places are alike in all that is known: any will do.
        let at = extra.iter().position(|other| is_like(line, other));
        at.map(|at| extra.swap_remove(at)).is_some()
    });
    paired && extra.is_empty()
}

fn without(from: &[String], taken: &[String]) -> Vec<String> {
    let mut left = taken.to_vec();
    let missing = from.iter().filter(|line| match left.iter().position(|other| other == *line) {
        Some(at) => {
            left.swap_remove(at);
            false
        }
        None => true,
    });
    missing.cloned().collect()
}
