//! One buyer: comes at the appointed moment, presses, presses again when nothing comes back, and then pays, gives the
//! hold back or goes away.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{Hold, Needed, needed, read, retry_after};
use super::arrivals::{Buyer, Tabs, Then};
use super::clock::{Clock, us};
use super::http::{Exchange, Http, Reply};
use super::tally::{After, NO_ANSWER, Press, PressResult, Story, Tally};

/// After so long a buyer stops pressing, or stops waiting for the order.
const PATIENCE: Duration = Duration::from_secs(60);
/// Before the next try, as the shop's page waits: 0.5 s, 1 s ... 8 s, each between half and whole, so that a crowd does
/// not come back at once; and what `Retry-After` says before that.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// Between two lookups of a hold that was paid for: what the shop's page does.
const LOOKS_EVERY: Duration = Duration::from_millis(1_500);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CF_CONNECTING_IP: HeaderName = HeaderName::from_static("cf-connecting-ip");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What all buyers share.
pub struct World {
    pub edge: Http,
    pub gateway: Http,
    pub clock: Clock,
    pub tally: Tally,
    /// The body of a reservation, one for each SKU.
    pub bodies: Vec<Bytes>,
}

/// Who a buyer is to the shop.
pub struct Who {
    pub user_id: String,
    pub token: HeaderValue,
    pub address: HeaderValue,
}

#[derive(Deserialize)]
struct Seen {
    status: String,
    order_id: Option<String>,
}

pub async fn come(world: Arc<World>, buyer: Buyer, who: Who) {
    world.tally.book().arrived += 1;
    let keys: &[usize] = match buyer.tabs {
        Tabs::One => &[0],
        Tabs::TwoKeys => &[0, 1],
        Tabs::OneKeyTwice => &[0, 0],
    };
    let presses = keys.iter().map(|key| press(&world, &buyer, &who, *key));
    let presses = futures_util::future::join_all(presses).await;
    let granted = presses.iter().find_map(|press| match &press.told {
        PressResult::Granted { body, .. } => Some(body.clone()),
        PressResult::Refused { .. } | PressResult::Nothing => None,
    });
    let after = match granted {
        None => After::NotGranted,
        Some(body) => {
            world.tally.book().holds += 1;
            tokio::time::sleep(buyer.thinks).await;
            then(&world, &buyer, &who, &body).await
        }
    };
    world.tally.book().stories.push(Story { buyer, user_id: who.user_id, presses, after });
}

/// Until there is an answer that is one: 503 and 429 are not, they say when to come again.
async fn press(world: &World, buyer: &Buyer, who: &Who, key: usize) -> Press {
    let mut headers = headers(who);
    headers.insert(CONTENT_TYPE, JSON);
    let name = format!("rush-{}-{key}", buyer.number);
    headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(&name).unwrap_or(JSON));
    let due_us = us(buyer.at);
    let give_up = Instant::now() + PATIENCE;
    let mut press =
        Press { key, told: PressResult::Nothing, sent_us: None, last_sent_us: due_us, answered_us: 0, tries: 0 };
    while Instant::now() < give_up {
        let began_us = world.clock.now_us();
        let body = world.bodies[buyer.sku].clone();
        let Exchange { sent_us, over_us, reply } =
            world.edge.send(Method::POST, "/v1/reservations", &headers, body).await;
        press.tries += 1;
        press.sent_us = press.sent_us.or(sent_us);
        press.last_sent_us = sent_us.unwrap_or(began_us);
        press.answered_us = over_us;
        let waited_us = over_us.saturating_sub(due_us);
        world.tally.account("POST /v1/reservations", reply.as_ref().map(|r| r.status).map_err(String::as_str));
        let pause = match reply {
            Ok(reply) => {
                let (told, name) = read(&reply);
                world.tally.hear(over_us, waited_us, &name, needed(&reply));
                if let Some(told) = told {
                    press.told = told;
                    return press;
                }
                retry_after(&reply)
            }
            Err(_) => {
                world.tally.hear(over_us, waited_us, NO_ANSWER, Needed::Function);
                Duration::ZERO
            }
        };
        tokio::time::sleep(pause + backoff(press.tries)).await;
    }
    press
}

fn backoff(tries: u32) -> Duration {
    let whole = BACKOFF_MAX.min(BACKOFF_FIRST * 2_u32.pow(tries.clamp(1, 10) - 1));
    whole.mul_f64(0.5 + fastrand::f64() / 2.0)
}

async fn then(world: &World, buyer: &Buyer, who: &Who, body: &str) -> After {
    let Ok(hold) = serde_json::from_str::<Hold>(body) else { return After::Failed("an unreadable hold".to_owned()) };
    match buyer.then {
        Then::Leaves => After::Left,
        Then::Releases => release(world, who, &hold).await,
        Then::Pays => pay(world, who, &hold).await,
    }
}

async fn release(world: &World, who: &Who, hold: &Hold) -> After {
    let path = format!("/v1/reservations/{}", hold.hold_id);
    let asked_us = world.clock.now_us();
    match until(world, Method::DELETE, &path, who).await {
        Some(reply) if reply.status == 200 => After::Released { asked_us, answered_us: world.clock.now_us() },
        Some(reply) => After::Failed(format!("giving it back was answered {}", reply.status)),
        None => After::Failed("giving it back was never answered".to_owned()),
    }
}

/// As the tests pay: the simulator takes the money and sends the webhook; the buyer looks the hold up until it is an
/// order.
async fn pay(world: &World, who: &Who, hold: &Hold) -> After {
    let Hold { hold_id, total_amount, currency } = hold;
    let charge =
        json!({"hold_id": hold_id, "user_id": who.user_id, "amount": total_amount, "currency": currency}).to_string();
    let mut headers_to_gateway = HeaderMap::new();
    headers_to_gateway.insert(CONTENT_TYPE, JSON);
    let gateway = &world.gateway;
    // Once: a charge sent twice is two charges, here as anywhere.
    let Exchange { reply, .. } = gateway.send(Method::POST, "/payments", &headers_to_gateway, charge.into()).await;
    let payment: Value = match reply {
        Ok(reply) if reply.status == 201 => serde_json::from_slice(&reply.body).unwrap_or_default(),
        Ok(reply) => return After::Failed(format!("the gateway answered {}", reply.status)),
        Err(reason) => return After::Failed(format!("the gateway: {reason}")),
    };
    let payment_id = payment["payment_id"].as_str().unwrap_or_default().to_owned();
    let give_up = Instant::now() + PATIENCE;
    let path = format!("/v1/reservations/{hold_id}");
    while Instant::now() < give_up {
        tokio::time::sleep(LOOKS_EVERY).await;
        let look = until(world, Method::GET, &path, who).await;
        let seen = look.and_then(|reply| serde_json::from_slice::<Seen>(&reply.body).ok());
        if let Some(Seen { status, order_id: Some(order_id) }) = seen
            && status == "COMMITTED"
        {
            world.tally.book().orders += 1;
            return After::Ordered { payment_id, order_id };
        }
    }
    After::Unsettled { payment_id }
}

/// The first answer that is neither 429 nor 5xx; for what may be asked as often as one likes.
async fn until(world: &World, method: Method, path: &str, who: &Who) -> Option<Reply> {
    let what = format!("{method} /v1/reservations/{{hold_id}}");
    let give_up = Instant::now() + PATIENCE;
    let mut tries = 0;
    while Instant::now() < give_up {
        tries += 1;
        let Exchange { reply, .. } = world.edge.send(method.clone(), path, &headers(who), Bytes::new()).await;
        world.tally.account(&what, reply.as_ref().map(|r| r.status).map_err(String::as_str));
        let pause = match reply {
            Ok(reply) if reply.status < 500 && reply.status != 429 => return Some(reply),
            Ok(reply) => retry_after(&reply),
            Err(_) => Duration::ZERO,
        };
        tokio::time::sleep(pause + backoff(tries)).await;
    }
    None
}

fn headers(who: &Who) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(AUTHORIZATION, who.token.clone());
    headers.insert(CF_CONNECTING_IP, who.address.clone());
    headers
}
