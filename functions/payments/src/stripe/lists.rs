//! Stripe's lists: intents, the refunds of the last month and the disputes of the last year, whenever their intents were
//! made.

use serde_json::Value;

use super::intent::{payment, unit};
use crate::dispute::{Dispute, DisputeState};
use crate::list::{Entry, EntryDetail, ListPage, Listed, PAGE_MAX, listed_payment};
use crate::reading::{amount, segment, text};

pub const ALL: [&str; 3] = ["payment_intents", "refunds", "disputes"];
/// A refund may fail so long after it was made.
const REFUND_S: i64 = 30 * 86_400;
/// A bank may decide so long after a dispute began. A recorded decision is not looked up again.
const DISPUTE_S: i64 = 400 * 86_400;

pub fn path(page: &ListPage) -> String {
    let (from_s, expand) = match page.list {
        // With the refunds of each: a list within a list.
        "payment_intents" => (page.from_s, "&expand[]=data.latest_charge.refunds"),
        "disputes" => (page.from_s.min(page.until_s - DISPUTE_S), ""),
        _ => (page.from_s.min(page.until_s - REFUND_S), ""),
    };
    let after =
        if page.cursor.is_empty() { String::new() } else { format!("&starting_after={}", segment(page.cursor)) };
    let ListPage { list, until_s, .. } = page;
    format!("/v1/{list}?limit={PAGE_MAX}&created[gte]={from_s}&created[lt]={until_s}{expand}{after}")
}

pub fn read(wanted: &ListPage, page: &Value) -> Result<Listed, String> {
    let data = page["data"].as_array().ok_or("a list without `data`")?;
    let entry = |one: &Value| match wanted.list {
        "payment_intents" => Some(listed_payment(text(&one["id"])?, payment(one)?)),
        // What is about a charge without an intent is none of ours.
        list => Some(Entry {
            payment_id: text(&one["payment_intent"])?,
            hold_ref: String::new(),
            detail: changed(list, one),
        }),
    };
    let next = data.last().filter(|_| page["has_more"] == true).and_then(|last| text(&last["id"]));
    Ok(Listed::of(data.iter().map(entry), next))
}

/// A refund that succeeded is what it was when it was made; one that failed, or waits, may have changed at any time since. A
/// dispute is what it is now.
fn changed(list: &str, one: &Value) -> EntryDetail {
    if list == "disputes"
        && let Some(dispute) = text(&one["currency"]).and_then(|currency| {
            let amount = amount(&one["amount"], unit(&currency.to_ascii_uppercase())?)?;
            Some(Dispute { state: state_of(one), amount, lost_before: 0 })
        })
    {
        return EntryDetail::Disputed(dispute);
    }
    let at_s = if list == "refunds" && one["status"] == "succeeded" { one["created"].as_i64() } else { None };
    EntryDetail::Changed { at_s }
}

fn state_of(dispute: &Value) -> DisputeState {
    match dispute["status"].as_str().unwrap_or_default() {
        "won" | "warning_closed" | "prevented" => DisputeState::Won,
        "lost" => DisputeState::Lost,
        _ => DisputeState::Open,
    }
}

/// The disputes of one intent as one: what is open counts before what was lost, and that before what was won. What was lost
/// is gone while another dispute is open.
pub fn dispute(page: &Value, currency: &str) -> Option<Dispute> {
    let all = page["data"].as_array()?;
    let of = |state: DisputeState| all.iter().filter(move |one| state_of(one) == state);
    let states = [DisputeState::Open, DisputeState::Lost, DisputeState::Won];
    let state = states.into_iter().find(|state| of(*state).next().is_some())?;
    let unit = unit(currency)?;
    let sum =
        |state: DisputeState| of(state).try_fold(0_i64, |sum, one| sum.checked_add(amount(&one["amount"], unit)?));
    let lost_before = if state == DisputeState::Open { sum(DisputeState::Lost)? } else { 0 };
    Some(Dispute { state, amount: sum(state)?, lost_before })
}
