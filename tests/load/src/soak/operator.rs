//! The operator during a storm: opens its sales, puts stock in and takes some out, pauses and opens again, reads reports.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use uuid::Uuid;

use super::log::{Adjusted, Pause, Us};
use super::world::{CURRENCY, Exchanged, IDEMPOTENCY_KEY, JSON, PRICE, Sale, Sku, Try, World};

/// Between two things that the operator does.
const EVERY: Duration = Duration::from_millis(150);
/// A SKU that many want is filled up to this again; one that is ordered in batches, to this.
const FILLED_TO: i64 = 600;
const FILLED_FOR_BATCHES_TO: i64 = 6_000;
/// Sales, and how many more there are that batches are ordered from, too.
const SALES: u64 = 6;
const WHOLESALES: u64 = 3;

/// The sales of a storm: in each a few SKUs that there is much of, and one that there is little of.
pub fn sales(name: &str, rng: &mut Rng) -> Vec<Sale> {
    let skus = |much: i64, scarce: i64| {
        let stock = [much, much / 2, scarce];
        let sku = |(n, stock): (usize, i64)| Sku { id: format!("sku-{n}"), stock, max_per_user: 2 + n as i64 % 2 };
        stock.into_iter().enumerate().map(sku).collect()
    };
    let sale = |n: u64| {
        let wholesale = n >= SALES;
        let skus = skus(if wholesale { FILLED_FOR_BATCHES_TO } else { FILLED_TO }, rng.i64(3..20));
        Sale { id: format!("{name}-{n}"), wholesale, hold_ttl_s: 2 + n % 4, skus }
    };
    (0..SALES + WHOLESALES).map(sale).collect()
}

impl World {
    fn operator(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, JSON);
        let token = HeaderValue::from_str(&format!("Bearer {}", self.admin_token));
        headers.insert(AUTHORIZATION, token.unwrap_or(JSON));
        headers
    }

    async fn operate(&self, method: Method, path: &str, body: Value) -> (Exchanged, u32, u16, Value) {
        self.operate_with(method, path, body, &self.operator()).await
    }

    async fn operate_with(
        &self,
        method: Method,
        path: &str,
        body: Value,
        headers: &HeaderMap,
    ) -> (Exchanged, u32, u16, Value) {
        let (mut exchanged, unknown) = self.ask_until_known(method, path, headers, body.to_string().into()).await;
        let Try::Answer { reply, body } = std::mem::replace(&mut exchanged.outcome, Try::Unknown) else {
            return (exchanged, unknown, 0, Value::Null);
        };
        (exchanged, unknown, reply.status, body)
    }

    pub async fn open_sales(&self) -> anyhow::Result<()> {
        for sale in &self.sales {
            let skus = sale.skus.iter().map(|sku| {
                json!({"sku_id": sku.id, "name": sku.id, "unit_price": PRICE, "stock": sku.stock, "max_per_user": sku.max_per_user})
            });
            let body = json!({"sale_id": sale.id, "name": sale.id, "currency": CURRENCY, "hold_ttl_s": sale.hold_ttl_s,
                              "skus": skus.collect::<Vec<_>>()});
            let (_, _, status, body) = self.operate(Method::POST, "/v1/admin/sales", body).await;
            anyhow::ensure!(matches!(status, 200 | 201), "making a sale was answered {status} {body}");
        }
        Ok(())
    }
}

/// Until the storm ends; a sale that is paused then is opened again.
pub async fn operate(world: Arc<World>, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    while !world.is_ending() {
        tokio::time::sleep(EVERY).await;
        let sale = rng.usize(..world.sales.len());
        match rng.f64() {
            x if x < 0.06 => pause(&world, sale, Duration::from_millis(rng.u64(50..600))).await,
            x if x < 0.20 => {
                let sku = rng.usize(..world.sales[sale].skus.len());
                let delta = *rng.choice(&[-40_i64, -5, -1, 1, 3, 5]).unwrap_or(&1);
                adjust(&world, sale, sku, delta).await;
            }
            _ => fill_up(&world, sale, &mut rng).await,
        }
    }
}

/// Reads the report, and puts in what was sold of the SKUs that many want; of the scarce ones a piece now and then.
async fn fill_up(world: &World, sale: usize, rng: &mut Rng) {
    let path = format!("/v1/admin/sales/{}/report", world.sales[sale].id);
    let (_, _, status, report) = world.operate(Method::GET, &path, Value::Null).await;
    world.log().reports += 1;
    if status != 200 || report["audit"]["ok"] != true {
        return world.impossible(format!("a report in the middle of it: {status} {report}"));
    }
    if report["status"] == "paused" {
        // A pause that was asked for twice, and came the second time after the sale was opened again.
        let path = format!("/v1/admin/sales/{}", world.sales[sale].id);
        world.operate(Method::PATCH, &path, json!({"status": "open"})).await;
    }
    for (sku, told) in report["skus"].as_array().into_iter().flatten().enumerate() {
        let n = |name: &str| told[name].as_i64().unwrap_or(i64::MIN);
        if n("available") < 0 || n("total") != n("available") + n("held") + n("sold") {
            world.impossible(format!("a report's sums in the middle of it: {told}"));
        }
        let wanted = world.sales[sale].skus.get(sku).map_or(0, |sku| sku.stock);
        let missing = wanted - n("available") - n("held");
        if missing > wanted / 10 && rng.f64() < 0.5 {
            adjust(world, sale, sku, missing).await;
        }
    }
}

async fn adjust(world: &World, sale: usize, sku: usize, delta: i64) {
    let Sale { id, skus, .. } = &world.sales[sale];
    let key = Uuid::new_v4().to_string();
    let mut headers = world.operator();
    headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(&key).unwrap_or(JSON));
    let body = json!({"sale_id": id, "delta": delta, "reason": "the soak"});
    let path = format!("/v1/admin/skus/{}/stock", skus[sku].id);
    let (_, unknown, status, body) = world.operate_with(Method::POST, &path, body, &headers).await;
    let done = match (status, body["code"].as_str()) {
        (200 | 201, _) => Some((body["total"].as_i64().unwrap_or(-1), body["available"].as_i64().unwrap_or(-1))),
        (409, Some("sold_out")) if delta < 0 => None,
        _ => return world.impossible(format!("stock {delta:+} was answered {status} {body}")),
    };
    world.log().adjusted.push(Adjusted { key, delta, unknown, done });
}

async fn pause(world: &World, sale: usize, how_long: Duration) {
    let path = format!("/v1/admin/sales/{}", world.sales[sale].id);
    // In the log from the start, open-ended: a refusal meanwhile is right.
    let place = {
        let (asked_us, never) = (world.now_us(), Us::MAX / 2);
        let pauses = &mut world.log().pauses;
        pauses.push(Pause { sale, asked_us, paused_us: never, opening_us: never, open_us: never, sure: false });
        pauses.len() - 1
    };
    let (_, pausing, status, body) = world.operate(Method::PATCH, &path, json!({"status": "paused"})).await;
    if status != 200 {
        return world.impossible(format!("a pause was answered {status} {body}"));
    }
    let paused_us = world.now_us();
    world.log().pauses[place].paused_us = paused_us;
    tokio::time::sleep(how_long).await;
    let opening_us = world.now_us();
    let (_, opening, status, body) = world.operate(Method::PATCH, &path, json!({"status": "open"})).await;
    if status != 200 {
        world.impossible(format!("opening again was answered {status} {body}"));
    }
    let open_us: Us = world.now_us();
    let pause = &mut world.log().pauses[place];
    (pause.opening_us, pause.open_us, pause.sure) = (opening_us, open_us, pausing + opening == 0);
}
