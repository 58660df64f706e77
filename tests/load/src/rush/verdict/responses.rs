//! What is said of the buyers: each has an answer that may be given, each answer is true, and the same question has the
//! same one.

use std::collections::{BTreeSet, HashMap};

use protocol::reserve::Refusal;

use super::{Found, presses, stories};
use crate::rush::Run;
use crate::rush::arrivals::Tabs;
use crate::rush::database_state::DatabaseState;
use crate::rush::sale::sku_id;
use crate::rush::tally::{After, PressResult, Story};
use crate::rush::text::grouped;

/// One that may be given to this buyer: no other refusal has a place in a rush.
pub fn answered(run: &Run, _: &DatabaseState) -> Found {
    let mut broken = vec![];
    let (came, wanted) = (run.book.stories.len(), run.options.buyers);
    if came != wanted {
        broken.push(format!("{came} of {wanted} buyers came to an end"));
    }
    for (story, press) in presses(run) {
        let own = granted(story).next();
        let fits = match &press.told {
            PressResult::Granted { .. } => true,
            PressResult::Refused { status: 409, code, hold_id } => {
                let had_one = story.buyer.tabs == Tabs::TwoKeys && own.is_some();
                match Refusal::ALL.into_iter().find(|refusal| refusal.name() == code) {
                    Some(Refusal::SoldOut) => true,
                    Some(Refusal::AlreadyHolding) => had_one && hold_id.as_deref() == own,
                    Some(Refusal::LimitReached) => had_one,
                    Some(
                        Refusal::IdempotencyKeyReused
                        | Refusal::RequestInProgress
                        | Refusal::NotFound
                        | Refusal::SaleNotOpen,
                    )
                    | None => false,
                }
            }
            PressResult::Refused { .. } | PressResult::Nothing => false,
        };
        if !fits {
            broken.push(format!("{}: {:?} after {} tries", story.user_id, press.told, press.tries));
        }
    }
    for story in stories(run) {
        if let After::Failed(reason) = &story.after {
            broken.push(format!("{}: {reason}", story.user_id));
        }
    }
    (broken, format!("{} buyers, {} presses", grouped(came as u64), grouped(presses(run).count() as u64)))
}

/// The holds in this buyer's responses.
fn granted(story: &Story) -> impl Iterator<Item = &str> {
    story.presses.iter().filter_map(|press| match &press.told {
        PressResult::Granted { hold_id, .. } => Some(hold_id.as_str()),
        PressResult::Refused { .. } | PressResult::Nothing => None,
    })
}

pub fn on_record(run: &Run, truth: &DatabaseState) -> Found {
    let mut broken = vec![];
    let mut told: HashMap<&str, &Story> = HashMap::new();
    for story in stories(run) {
        for hold_id in granted(story) {
            told.insert(hold_id, story);
            let sku_id = sku_id(story.buyer.sku);
            match truth.holds.get(hold_id) {
                Some(hold) if hold.user_id == story.user_id && hold.sku_id == sku_id => {
                    let status = match story.after {
                        After::Ordered { .. } => "COMMITTED",
                        After::Released { .. } => "RELEASED",
                        After::Left => "HOLD",
                        After::NotGranted | After::Unsettled { .. } | After::Failed(_) => &hold.status,
                    };
                    if hold.status != status {
                        broken.push(format!("hold {hold_id} is {}, not {status}", hold.status));
                    }
                }
                Some(hold) => broken.push(format!("hold {hold_id} of {} is {hold:?}", story.user_id)),
                None => broken.push(format!("hold {hold_id} of {} is not there", story.user_id)),
            }
            let ordered = match &story.after {
                After::Ordered { order_id, .. } => Some(order_id),
                _ => None,
            };
            let order = truth.orders.get(hold_id).map(|order| &order.order_id);
            if ordered.is_some() && order != ordered {
                broken.push(format!("order {ordered:?} of hold {hold_id} is {order:?}"));
            }
        }
    }
    let untold =
        truth.holds.iter().filter(|(id, hold)| told.get(id.as_str()).is_none_or(|s| s.user_id != hold.user_id));
    broken.extend(untold.map(|(id, hold)| format!("hold {id} of {} is in no response", hold.user_id)));
    let paid = |story: &&Story| matches!(story.after, After::Ordered { .. } | After::Unsettled { .. });
    for (hold_id, order) in &truth.orders {
        let payer = told.get(hold_id.as_str()).copied().filter(paid);
        if payer.is_none_or(|story| story.user_id != order.user_id) {
            broken.push(format!("order {} of {} was not paid", order.order_id, order.user_id));
        }
    }
    (broken, format!("{} holds, {} orders", truth.holds.len(), truth.orders.len()))
}

pub fn one_hold_each(run: &Run, truth: &DatabaseState) -> Found {
    let mut broken = vec![];
    let mut holds: HashMap<(&str, &str), usize> = HashMap::new();
    for hold in truth.holds.values() {
        *holds.entry((&hold.user_id, &hold.sku_id)).or_default() += 1;
    }
    broken.extend(holds.iter().filter(|(_, n)| **n > 1).map(|((user, sku), n)| format!("{user} has {n} of {sku}")));
    for story in stories(run) {
        let told: BTreeSet<&str> = granted(story).collect();
        if told.len() > 1 {
            broken.push(format!("{} was told of {} holds", story.user_id, told.len()));
        }
    }
    let two_tabs = stories(run).filter(|story| story.buyer.tabs != Tabs::One).count();
    (broken, format!("{two_tabs} tried with two tabs"))
}

/// The same key: the same body, and granted once.
pub fn replays(run: &Run, _: &DatabaseState) -> Found {
    let (mut broken, mut replayed_in_all) = (vec![], 0);
    for story in stories(run) {
        let mut first: HashMap<usize, (&str, usize)> = HashMap::new();
        for press in &story.presses {
            let PressResult::Granted { body, replayed, .. } = &press.told else { continue };
            replayed_in_all += usize::from(*replayed);
            let (said, fresh) = first.entry(press.key).or_insert((body, 0));
            *fresh += usize::from(!replayed);
            if *said != body || *fresh > 1 {
                broken.push(format!("{} was told {said} and {body}", story.user_id));
            }
        }
    }
    (broken, format!("{replayed_in_all} replays, each word for word"))
}
