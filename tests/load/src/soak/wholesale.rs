//! Clients that do without the edge: each sends batches to the function `reserve` as a Gate does, through the same
//! detours and faults, so that many reservations stand behind every crash. The response to each reservation of a batch
//! is written down as a buyer's is, and judged alike.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use protocol::reserve::{BATCH_MAX, Batch, BatchResponse, Reservation, ReserveOutcome};
use protocol::shop::Line;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use super::log::{EntryPoint, ReserveCall, ReserveResult, Us};
use super::visit::{self, Holder};
use super::world::{JSON, PRICE, Sale, World, backoff};
use super::{log, pay};

const RESERVE: &str = "/2015-03-31/functions/reserve/invocations";
const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const FUNCTION_ERROR: &str = "x-amz-function-error";

const BATCH_MIN: usize = 40;
/// Between two batches of one client: they leave the machine to the buyers who come through the edge.
const PAUSE_MS: std::ops::Range<u64> = 150..450;
/// Of a batch: by users with an earlier grant.
const BY_SOMEBODY_KNOWN: f64 = 0.03;
/// Such people that one client remembers, each of whom comes again once.
const KNOWN_MAX: usize = 200;
/// Ways to the shop that one client has under way for what its batches were granted; the rest lapses and is swept.
const ERRANDS_MAX: usize = 6;

/// One reservation to be made, and how often its outcome was unknown.
struct Wanted {
    user: usize,
    key: u32,
    lines: Vec<log::Line>,
    unknown: u32,
}

/// One client: a batch after the other until the storm ends.
pub async fn order_again_and_again(world: Arc<World>, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut known: VecDeque<Holder> = VecDeque::new();
    let mut errands = JoinSet::new();
    while !world.is_ending() {
        tokio::time::sleep(Duration::from_millis(rng.u64(PAUSE_MS))).await;
        let sale = *rng.choice(&world.wholesale()).unwrap_or(&0);
        let wanted = batch(&world, &mut rng, sale, &mut known);
        for holder in until_known(&world, sale, wanted).await {
            while errands.try_join_next().is_some() {}
            if known.len() < KNOWN_MAX {
                known.push_back(holder.clone());
            }
            if let Some(errand) = Errand::draw(&mut rng).filter(|_| errands.len() < ERRANDS_MAX) {
                errands.spawn(errand.run(world.clone(), rng.u64(..), holder));
            }
        }
    }
    while errands.join_next().await.is_some() {}
}

/// Carts of one sale; no user is in it twice, because each is new.
fn batch(world: &World, rng: &mut Rng, sale: usize, known: &mut VecDeque<Holder>) -> Vec<Wanted> {
    let mut wanted = vec![];
    for _ in 0..rng.usize(BATCH_MIN..=BATCH_MAX) {
        let again = known.pop_front_if(|known| known.sale == sale && rng.f64() < BY_SOMEBODY_KNOWN);
        let (user, lines) = match again {
            Some(known) => (known.user, known.lines),
            None => (world.users.fetch_add(1, Ordering::Relaxed), visit::lines(world, rng, sale)),
        };
        wanted.push(Wanted { user, key: rng.u32(..), lines, unknown: 0 });
    }
    wanted
}

/// Sends the batch, and again with the same keys whatever of it has no answer that is one; what was granted.
async fn until_known(world: &World, sale: usize, mut open: Vec<Wanted>) -> Vec<Holder> {
    let mut granted = vec![];
    for tries in 0.. {
        let asked_us = world.now_us();
        let outcomes = world.invoke(sale, &open).await;
        let answered_us = world.now_us();
        let Some(outcomes) = outcomes.filter(|outcomes| outcomes.len() == open.len()) else {
            world.log().answered("a batch: no answer", open.len() as u64);
            open.iter_mut().for_each(|one| one.unknown += 1);
            tokio::time::sleep(backoff(tries)).await;
            continue;
        };
        let mut still_open = vec![];
        for (one, outcome) in open.into_iter().zip(outcomes) {
            match write_down(world, sale, one, (asked_us, answered_us), outcome) {
                Ok(one) => granted.extend(one),
                Err(one) => still_open.push(one),
            }
        }
        if still_open.is_empty() {
            break;
        }
        open = still_open;
        tokio::time::sleep(backoff(tries)).await;
    }
    granted
}

type Granted = Option<Holder>;

/// # Errors
/// It was no answer: it is to be asked again.
fn write_down(
    world: &World,
    sale: usize,
    one: Wanted,
    (last_us, answered_us): (Us, Us),
    outcome: ReserveOutcome,
) -> Result<Granted, Wanted> {
    let mut log = world.log();
    log.answered(&format!("a batch: {}", outcome.name()), 1);
    let told = match &outcome {
        ReserveOutcome::RequestInProgress | ReserveOutcome::TooLate => {
            return Err(Wanted { unknown: one.unknown + 1, ..one });
        }
        ReserveOutcome::Granted { hold, .. } => hold.hold_id.parse().ok().map(|hold| ReserveResult::Granted { hold }),
        ReserveOutcome::AlreadyHolding { hold_id, .. } => {
            hold_id.parse().ok().map(|hold| ReserveResult::AlreadyHolding { hold })
        }
        ReserveOutcome::IdempotencyKeyReused => Some(ReserveResult::Reused),
        ReserveOutcome::SaleNotOpen { .. } => Some(ReserveResult::NotOpen),
        ReserveOutcome::LimitReached { sku_id, .. } => Some(ReserveResult::LimitReached { sku: sku_id.clone() }),
        ReserveOutcome::SoldOut { sku_id, .. } => Some(ReserveResult::SoldOut { sku: sku_id.clone() }),
        ReserveOutcome::NotFound { .. } => None,
    };
    let Some(told) = told else {
        log.impossible.push(format!("a reservation in a batch was answered {outcome:?}"));
        return Ok(None);
    };
    let Wanted { user, key, lines, unknown } = one;
    let (way, of_it) = (EntryPoint::Batch, lines.clone());
    log.asked.push(ReserveCall {
        way,
        user,
        key,
        sale,
        lines: of_it,
        last_us,
        answered_us,
        unknown,
        told: told.clone(),
    });
    let (ReserveResult::Granted { hold: id }, ReserveOutcome::Granted { hold, .. }) = (told, outcome) else {
        return Ok(None);
    };
    let amount: i64 = lines.iter().map(|(_, qty)| qty * PRICE).sum();
    if hold.total_amount != amount {
        log.impossible.push(format!("{amount} was to be paid for what was granted as {hold:?}"));
    }
    drop(log);
    world.by_batches.fetch_add(1, Ordering::Relaxed);
    Ok(Some(Holder { user, sale, lines, hold: id }))
}

impl World {
    /// One call of `reserve`; none: its outcome is unknown.
    async fn invoke(&self, sale: usize, wanted: &[Wanted]) -> Option<Vec<ReserveOutcome>> {
        let batch = Batch {
            reservations: wanted.iter().map(|one| self.reservation(sale, one)).collect(),
            sent_ms: None,
            within_ms: None,
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(INVOCATION_TYPE, HeaderValue::from_static("RequestResponse"));
        let body = serde_json::to_vec(&batch).ok()?.into();
        let reply = self.lambda.send(Method::POST, RESERVE, &headers, body).await.reply.ok()?;
        let answered = reply.status == 200 && !reply.headers.contains_key(FUNCTION_ERROR);
        let answers: BatchResponse = serde_json::from_slice(&reply.body).ok().filter(|_| answered)?;
        Some(answers.outcomes)
    }

    /// As the edge makes it of the same cart: its buyer may come again by either way.
    fn reservation(&self, sale: usize, one: &Wanted) -> Reservation {
        #[derive(serde::Serialize)]
        struct Cart<'a> {
            sale_id: &'a str,
            items: &'a [Line],
        }
        let Sale { id, skus, .. } = &self.sales[sale];
        let items: Vec<Line> =
            one.lines.iter().map(|(sku, qty)| Line { sku_id: skus[*sku].id.clone(), qty: *qty }).collect();
        let cart = serde_json::to_vec(&Cart { sale_id: id, items: &items }).unwrap_or_default();
        Reservation {
            request_id: format!("{}-{}", self.name, one.user),
            traceparent: None,
            user_id: self.user_id(one.user),
            idem_key: one.key.to_string(),
            fingerprint: hex::encode(Sha256::digest(cart)),
            sale_id: id.clone(),
            items,
            json: String::new(),
        }
    }
}

/// What becomes of a hold that is not left to lapse: all of it by way of the shop. Its reservation is not sent there again:
/// a Gate knows the reservations of its users because all of them pass it, and these did not.
#[derive(Clone, Copy)]
enum Errand {
    Pay,
    Release,
    Lookup,
}

impl Errand {
    fn draw(rng: &mut Rng) -> Option<Self> {
        Some(match rng.f64() {
            x if x < 0.012 => Self::Pay,
            x if x < 0.020 => Self::Release,
            x if x < 0.024 => Self::Lookup,
            _ => return None,
        })
    }

    async fn run(self, world: Arc<World>, seed: u64, holder: Holder) {
        let mut rng = Rng::with_seed(seed);
        let Ok(who) = world.member(holder.user) else { return };
        match self {
            Self::Pay => pay::pay(&world, &mut rng, &who, &holder).await,
            Self::Release => visit::release(&world, &who, holder.hold).await,
            Self::Lookup => visit::look(&world, &who, holder.hold).await,
        }
    }
}
