//! What one client does, again and again: reserves, and then pays, releases, reads, retries or leaves.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fastrand::Rng;
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderValue};
use protocol::reserve::Refusal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::log::{EntryPoint, HoldCall, HoldResult, Line, ReserveCall, ReserveResult};
use super::pay;
use super::world::{IDEMPOTENCY_KEY, JSON, PRICE, Try, World, headers_of};
use crate::rush::buyer::Who;

/// Of all visits: by users with a hold, and by users who have paid for one.
const BY_A_HOLDER: f64 = 0.06;
const BY_A_BUYER: f64 = 0.06;
/// Carts of two lines, and SKUs of which there are few.
const TWO_LINES: f64 = 0.08;
const SCARCE: f64 = 0.12;

/// A user with a grant.
#[derive(Clone)]
pub struct Holder {
    pub user: usize,
    pub sale: usize,
    pub lines: Vec<Line>,
    pub hold: Uuid,
}

/// A client: one visit after the other until the storm ends.
pub async fn come_again_and_again(world: Arc<World>, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let (mut holds, mut paid) = (None::<Holder>, None::<Holder>);
    while !world.is_ending() {
        let drawn = rng.f64();
        let known = match drawn {
            x if x < BY_A_HOLDER => holds.take(),
            x if x < BY_A_HOLDER + BY_A_BUYER => paid.take(),
            _ => None,
        };
        let (user, sale, lines) = match &known {
            Some(known) => (known.user, known.sale, known.lines.clone()),
            None => cart(&world, &mut rng),
        };
        let Ok(who) = world.member(user) else { return };
        let key = rng.u32(..);
        let (told, body) = reserve(&world, &who, user, key, sale, &lines).await;
        let Some(ReserveResult::Granted { hold }) = told else { continue };
        world.by_shop.fetch_add(1, Ordering::Relaxed);
        let holder = Holder { user, sale, lines, hold };
        match rng.f64() {
            x if x < 0.12 => {
                release(&world, &who, hold).await;
                if rng.f64() < 0.15 {
                    pay::pay(&world, &mut rng, &who, &holder).await;
                }
            }
            x if x < 0.27 => {
                pay::pay(&world, &mut rng, &who, &holder).await;
                paid = Some(holder);
            }
            x if x < 0.31 => look(&world, &who, hold).await,
            x if x < 0.36 => replay(&world, &who, key, &holder, &body).await,
            x if x < 0.38 => reuse(&world, &who, key, &holder).await,
            _ => holds = Some(holder),
        }
    }
}

fn cart(world: &World, rng: &mut Rng) -> (usize, usize, Vec<Line>) {
    let user = world.users.fetch_add(1, Ordering::Relaxed);
    let sale = rng.usize(..world.sales.len());
    let lines = lines(world, rng, sale);
    (user, sale, lines)
}

/// What a user may request of a sale.
pub fn lines(world: &World, rng: &mut Rng, sale: usize) -> Vec<Line> {
    // The last one is the scarce one.
    let last = world.sales[sale].skus.len() - 1;
    let first = if rng.f64() < SCARCE { last } else { rng.usize(..last) };
    let mut lines = vec![(first, rng.i64(1..=2))];
    if rng.f64() < TWO_LINES {
        lines.push(((first + 1 + rng.usize(..last)) % (last + 1), 1));
    }
    lines
}

fn body_of(world: &World, sale: usize, lines: &[Line]) -> Bytes {
    let sale = &world.sales[sale];
    let items: Vec<Value> = lines.iter().map(|(sku, qty)| json!({"sku_id": sale.skus[*sku].id, "qty": qty})).collect();
    Bytes::from(json!({"sale_id": sale.id, "items": items}).to_string())
}

fn reserving(who: &Who, key: u32) -> HeaderMap {
    let mut headers = headers_of(who);
    headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(&key.to_string()).unwrap_or(JSON));
    headers
}

async fn reserve(
    world: &World,
    who: &Who,
    user: usize,
    key: u32,
    sale: usize,
    lines: &[Line],
) -> (Option<ReserveResult>, Bytes) {
    let body = body_of(world, sale, lines);
    let (exchanged, unknown) =
        world.ask_until_known(Method::POST, "/v1/reservations", &reserving(who, key), body).await;
    let Try::Answer { reply, body } = exchanged.outcome else { return (None, Bytes::new()) };
    let Some(told) = read(reply.status, &body) else {
        world.impossible(format!("a reservation was answered {} {body}", reply.status));
        return (None, Bytes::new());
    };
    let amount: i64 = lines.iter().map(|(_, qty)| qty * PRICE).sum();
    if matches!(told, ReserveResult::Granted { .. }) && body["total_amount"] != amount {
        world.impossible(format!("{amount} was to be paid for what was granted as {body}"));
    }
    let (last_us, answered_us) = (exchanged.asked_us, exchanged.answered_us);
    let lines = lines.to_vec();
    let way = EntryPoint::Shop;
    world.log().asked.push(ReserveCall {
        way,
        user,
        key,
        sale,
        lines,
        last_us,
        answered_us,
        unknown,
        told: told.clone(),
    });
    (Some(told), reply.body)
}

/// The content of a response, if it is an allowed one.
fn read(status: u16, body: &Value) -> Option<ReserveResult> {
    let hold = || body["hold_id"].as_str()?.parse().ok();
    let sku = || body["sku_id"].as_str().map(str::to_owned);
    if status == 201 {
        return Some(ReserveResult::Granted { hold: hold()? });
    }
    let refusal = Refusal::ALL.into_iter().find(|refusal| body["code"] == refusal.name())?;
    let (expected, result) = match refusal {
        Refusal::SoldOut => (409, ReserveResult::SoldOut { sku: sku()? }),
        Refusal::AlreadyHolding => (409, ReserveResult::AlreadyHolding { hold: hold()? }),
        Refusal::LimitReached => (409, ReserveResult::LimitReached { sku: sku().unwrap_or_default() }),
        Refusal::SaleNotOpen => (403, ReserveResult::NotOpen),
        Refusal::IdempotencyKeyReused => (422, ReserveResult::Reused),
        Refusal::RequestInProgress | Refusal::NotFound => return None,
    };
    (status == expected).then_some(result)
}

/// The same again has to be answered the same.
async fn replay(world: &World, who: &Who, key: u32, holder: &Holder, first: &Bytes) {
    let body = body_of(world, holder.sale, &holder.lines);
    let (exchanged, _) = world.ask_until_known(Method::POST, "/v1/reservations", &reserving(who, key), body).await;
    let Try::Answer { reply, body } = exchanged.outcome else { return };
    let marked = reply.headers.get("idempotent-replayed").is_some_and(|value| value == "true");
    if reply.status != 201 || reply.body != *first || !marked {
        world.impossible(format!(
            "hold {}: a replay was answered {} {body}, marked: {marked}",
            holder.hold, reply.status
        ));
    }
}

/// Something else under a key that was used has to be refused, whatever it is.
async fn reuse(world: &World, who: &Who, key: u32, holder: &Holder) {
    let lines = [(holder.lines[0].0, holder.lines[0].1 + 1)];
    let (told, _) = reserve(world, who, holder.user, key, holder.sale, &lines).await;
    if told.is_some_and(|told| told != ReserveResult::Reused) {
        world.impossible(format!("hold {}: another request under its key was not refused for that", holder.hold));
    }
}

pub async fn release(world: &World, who: &Who, hold: Uuid) {
    said(world, who, hold, Method::DELETE, |status, body| match (status, body["code"].as_str()) {
        (200, _) if body["status"] == "RELEASED" => Some(HoldResult::Released),
        (409, Some("hold_not_active")) => Some(HoldResult::NotActive(body["hold_status"].as_str()?.to_owned())),
        _ => None,
    })
    .await;
}

pub async fn look(world: &World, who: &Who, hold: Uuid) {
    said(world, who, hold, Method::GET, |status, body| {
        let order = body["order_id"].as_str().and_then(|order| order.parse().ok());
        let seen = body["status"].as_str().filter(|_| status == 200)?;
        Some(HoldResult::Seen { status: seen.to_owned(), order })
    })
    .await;
}

/// Reads a hold that certainly exists: "not found" is a violation.
async fn said(world: &World, who: &Who, hold: Uuid, method: Method, read: impl Fn(u16, &Value) -> Option<HoldResult>) {
    let path = format!("/v1/reservations/{hold}");
    let (exchanged, _) = world.ask_until_known(method.clone(), &path, &headers_of(who), Bytes::new()).await;
    let Try::Answer { reply, body } = exchanged.outcome else { return };
    match read(reply.status, &body) {
        None => {
            world.impossible(format!("{method} of hold {hold}, which is there, was answered {} {body}", reply.status))
        }
        Some(answer) => {
            let (asked_us, answered_us) = (exchanged.asked_us, exchanged.answered_us);
            world.log().said.push(HoldCall { hold, asked_us, answered_us, answer });
        }
    }
}
