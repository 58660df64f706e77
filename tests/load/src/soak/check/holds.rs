//! What was said of holds and keys: what was acknowledged is there, what was refused for a hold was refused for one
//! that there was, and a hold ended as every response said.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{Storm, Verdict};
use crate::soak::database_state::{Hold, Order};
use crate::soak::log::{HoldResult, ReserveCall, ReserveResult, Us};

/// From a decision written into a row to its visibility: its statement's end and its commit's.
const COMMIT_WITHIN_US: Us = 3_000_000;
/// A request that its client gave up may still be executed so long.
const ON_ITS_WAY_US: Us = 15_000_000;

pub fn judge(storm: &Storm<'_>, verdict: &mut Verdict) {
    let keys: HashMap<(&str, &str), Uuid> =
        storm.truth.holds.iter().map(|(id, hold)| ((hold.user_id.as_str(), hold.key.as_str()), *id)).collect();
    let mut bought: HashMap<&str, Vec<(&Order, &Hold)>> = HashMap::new();
    for (id, order) in &storm.truth.orders {
        let Some(hold) = storm.truth.holds.get(id) else { continue };
        bought.entry(hold.user_id.as_str()).or_default().push((order, hold));
    }
    let mut asked_for = HashSet::new();
    for asked in &storm.log.asked {
        let (user, key) = (storm.user_id(asked.user), asked.key.to_string());
        let granted = keys.get(&(user.as_str(), key.as_str())).copied();
        key_tells_what_there_is(storm, verdict, asked, &user, granted);
        refusals_were_true(storm, verdict, asked, &user, bought.get(user.as_str()).map_or(&[], Vec::as_slice));
        asked_for.insert((user, key));
    }
    for (id, hold) in &storm.truth.holds {
        let ours = asked_for.contains(&(hold.user_id.clone(), hold.key.clone()));
        verdict.check("every hold was asked for", ours, || format!("no client requested {id}: {hold:?}"));
        verdict.check("every hold has ended once", hold.status != "HOLD" && hold.finalized_us.is_some(), || {
            format!("{id}: {hold:?}")
        });
    }
    for said in &storm.log.said {
        let Some(hold) = storm.truth.holds.get(&said.hold) else {
            verdict.check("what was acknowledged is there", false, || format!("{} is gone", said.hold));
            continue;
        };
        let lived = said.asked_us <= hold.expire_us && said.asked_us <= gone_us(hold);
        let true_then = match &said.answer {
            HoldResult::Released => hold.status == "RELEASED",
            HoldResult::Seen { status, .. } if status == "HOLD" => lived,
            HoldResult::Seen { status, order } if status == "COMMITTED" => {
                hold.status == "COMMITTED" && storm.truth.orders.get(&said.hold).map(|order| order.order_id) == *order
            }
            HoldResult::Seen { status, .. } | HoldResult::NotActive(status) => hold.status == *status,
        };
        verdict.check("a hold is what its buyer was told", true_then, || format!("{said:?} of {hold:?}"));
    }
}

/// When the last could have seen it.
fn gone_us(hold: &Hold) -> Us {
    hold.finalized_us.map_or(Us::MAX, |finalized_us| finalized_us + COMMIT_WITHIN_US)
}

/// A key is used up by a grant and by nothing else; and an acknowledged grant exists.
fn key_tells_what_there_is(
    storm: &Storm<'_>,
    verdict: &mut Verdict,
    asked: &ReserveCall,
    user: &str,
    granted: Option<Uuid>,
) {
    match (&asked.told, granted) {
        (ReserveResult::Granted { hold }, found) => {
            let sale = &storm.sales[asked.sale];
            let there = storm.truth.holds.get(hold).is_some_and(|row| {
                let lines = asked.lines.iter().map(|(sku, qty)| (sale.skus[*sku].id.clone(), *qty));
                row.user_id == user && row.sale_id == sale.id && lines.eq(row.lines.iter().cloned())
            });
            verdict.check("what was acknowledged is there", there && found == Some(*hold), || {
                format!("{asked:?} of {user}; its key has {found:?}")
            });
        }
        (ReserveResult::Reused, found) => {
            verdict.check("a key is refused as used only if it was", found.is_some(), || format!("{asked:?}"));
        }
        (_, None) => verdict.check("a refusal leaves no trace", true, String::new),
        (_, Some(hold)) => {
            // The question before the one that was refused may have been on its way still.
            let row = &storm.truth.holds[&hold];
            let late = asked.unknown > 0 && row.created_us <= asked.answered_us + ON_ITS_WAY_US;
            verdict.late += u64::from(late);
            verdict.check("a refusal leaves no trace", late, || format!("{asked:?} has {hold}: {row:?}"));
        }
    }
}

/// `bought`: what the user has bought in the end.
fn refusals_were_true(
    storm: &Storm<'_>,
    verdict: &mut Verdict,
    asked: &ReserveCall,
    user: &str,
    bought: &[(&Order, &Hold)],
) {
    let sale = &storm.sales[asked.sale];
    match &asked.told {
        ReserveResult::AlreadyHolding { hold } => {
            // The barrier stands before this answer: the hold it names survives every crash.
            let true_then = storm.truth.holds.get(hold).is_some_and(|row| {
                let same = row.lines.iter().any(|(id, _)| asked.lines.iter().any(|(sku, _)| sale.skus[*sku].id == *id));
                let lived = row.created_us <= asked.answered_us && asked.last_us <= row.expire_us + 1_000;
                row.user_id == user && same && lived && asked.last_us <= gone_us(row)
            });
            verdict.check("already holding is told only to who did", true_then, || {
                format!("{asked:?} of {user}, {:?}", storm.truth.holds.get(hold))
            });
        }
        ReserveResult::LimitReached { sku } => {
            let line = asked.lines.iter().find(|(line, _)| sale.skus[*line].id == *sku);
            let true_then = line.is_some_and(|(line, qty)| {
                let bought = bought.iter().filter(|(order, _)| order.created_us <= asked.answered_us);
                let lines = bought.flat_map(|(_, row)| &row.lines).filter(|(id, _)| id == sku);
                lines.map(|(_, qty)| qty).sum::<i64>() + qty > sale.skus[*line].max_per_user
            });
            verdict.check("limit reached is told only where it was", true_then, || format!("{asked:?} of {user}"));
        }
        ReserveResult::NotOpen => {
            let paused = storm.log.pauses.iter().any(|pause| {
                let until_us = pause.open_us + if pause.sure { 0 } else { ON_ITS_WAY_US };
                pause.sale == asked.sale && asked.answered_us >= pause.asked_us && asked.last_us <= until_us
            });
            verdict.check("not open is told only while it was not", paused, || format!("{asked:?}"));
        }
        ReserveResult::Granted { .. } | ReserveResult::SoldOut { .. } | ReserveResult::Reused => {}
    }
}
