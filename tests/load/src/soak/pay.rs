//! Paying: the simulator takes the money and sends webhooks, once or several times, at once or late, the right amount
//! or another.

use fastrand::Rng;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

use super::log::Charged;
use super::visit::Holder;
use super::world::{CURRENCY, JSON, PRICE, World};
use crate::rush::buyer::Who;

/// Shares of payments that are not what they should be.
const WRONG_AMOUNT: f64 = 0.04;
const WRONG_CURRENCY: f64 = 0.02;
const WRONG_USER: f64 = 0.03;
const TWICE: f64 = 0.06;
/// Shares of those whose webhook comes several times, and late.
const REPEATED: f64 = 0.25;
const DELAYED: f64 = 0.3;
/// How late the webhook of the first of two payments is where the second one's comes first.
const OVERTAKEN_MS: std::ops::Range<u64> = 300..1_500;

pub async fn pay(world: &World, rng: &mut Rng, who: &Who, holder: &Holder) {
    if rng.f64() >= TWICE {
        // Some of them come too late.
        let ttl_ms = world.sales[holder.sale].hold_ttl_s * 1_000;
        let delay_ms = if rng.f64() < DELAYED { rng.u64(..=ttl_ms + 1_000) } else { 0 };
        return charge(world, rng, who, holder, delay_ms).await;
    }
    let delay_ms = if rng.bool() { rng.u64(OVERTAKEN_MS) } else { 0 };
    charge(world, rng, who, holder, delay_ms).await;
    charge(world, rng, who, holder, 0).await;
}

async fn charge(world: &World, rng: &mut Rng, who: &Who, holder: &Holder, delay_ms: u64) {
    let drawn = rng.f64();
    let (mut amount, mut user) = (holder.lines.iter().map(|(_, qty)| qty * PRICE).sum::<i64>(), who.user_id.clone());
    let mut currency = CURRENCY;
    match drawn {
        x if x < WRONG_AMOUNT => amount += if rng.bool() { 1 } else { -1 },
        x if x < WRONG_AMOUNT + WRONG_CURRENCY => currency = "USD",
        x if x < WRONG_AMOUNT + WRONG_CURRENCY + WRONG_USER => user.push('x'),
        _ => {}
    }
    let times = if rng.f64() < REPEATED { rng.u32(2..=4) } else { 1 };
    let body = json!({"hold_id": holder.hold, "user_id": user, "amount": amount, "currency": currency,
                      "webhooks": {"times": times, "delay_ms": delay_ms, "fresh_ids": rng.bool()}});
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, JSON);
    // Nothing stands in this way: what the gateway has not answered, it has not taken.
    let reply = world.gateway.send(Method::POST, "/payments", &headers, body.to_string().into()).await.reply;
    let paid = reply.ok().filter(|reply| reply.status == 201);
    let paid: Value = paid.and_then(|reply| serde_json::from_slice(&reply.body).ok()).unwrap_or_default();
    let Some(payment) = paid["payment_id"].as_str() else {
        return world.impossible(format!("the gateway did not take money for hold {}", holder.hold));
    };
    let (payment, currency) = (payment.to_owned(), currency.to_owned());
    world.log().charged.push(Charged { payment, hold: holder.hold, user, amount, currency });
}
