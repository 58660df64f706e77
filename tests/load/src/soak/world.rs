//! What the clients of one storm share: the shop, the gateway, the sales, and the book that all of them write in.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::Value;

use super::log::{Log, Us};
use crate::rush::buyer::Who;
use crate::rush::clock::Clock;
use crate::rush::http::{Http, Reply};
use crate::rush::who::Crowd;

pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CF_CONNECTING_IP: HeaderName = HeaderName::from_static("cf-connecting-ip");

/// What a piece costs.
pub const PRICE: i64 = 1_000;
pub const CURRENCY: &str = "KRW";

/// A sale of a storm, and what its SKUs begin with.
#[derive(Clone, Debug)]
pub struct Sale {
    pub id: String,
    /// Batches are ordered from it, too.
    pub wholesale: bool,
    pub hold_ttl_s: u64,
    pub skus: Vec<Sku>,
}

#[derive(Clone, Debug)]
pub struct Sku {
    pub id: String,
    pub stock: i64,
    pub max_per_user: i64,
}

pub struct World {
    pub shop: Http,
    /// Where the functions are called.
    pub lambda: Http,
    pub gateway: Http,
    pub clock: Clock,
    pub admin_token: String,
    session_secret: String,
    /// Sets the users of this storm apart from all others.
    pub name: String,
    pub sales: Vec<Sale>,
    pub log: Mutex<Log>,
    pub users: AtomicUsize,
    /// Acknowledged reservations, through the shop and by batches.
    pub by_shop: AtomicU64,
    pub by_batches: AtomicU64,
    /// Nothing new is begun any more.
    pub ending: AtomicBool,
}

/// How a try ended: an answer, or nothing that says what was done.
pub enum Try {
    Answer { reply: Reply, body: Value },
    Unknown,
}

/// One question and its answer.
pub struct Exchanged {
    pub asked_us: Us,
    pub answered_us: Us,
    pub outcome: Try,
}

impl World {
    pub fn new(
        stack: &stack::Report,
        (shop_url, lambda_url): (&str, &str),
        clock: Clock,
        name: &str,
        sales: Vec<Sale>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            shop: Http::to(shop_url, clock)?,
            lambda: Http::to(lambda_url, clock)?,
            gateway: Http::to(&stack.gateway_url, clock)?,
            clock,
            admin_token: stack.admin_token.clone(),
            session_secret: stack.session_secret.clone(),
            name: name.to_owned(),
            sales,
            log: Mutex::default(),
            users: AtomicUsize::default(),
            by_shop: AtomicU64::default(),
            by_batches: AtomicU64::default(),
            ending: AtomicBool::default(),
        })
    }

    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    pub fn impossible(&self, what: String) {
        self.log().impossible.push(what);
    }

    pub fn now_us(&self) -> Us {
        self.clock.opening_unix_us + self.clock.now_us() as Us
    }

    pub fn user_id(&self, user: usize) -> String {
        format!("{}-{user}", self.name)
    }

    /// The numbers of the sales that batches are ordered from.
    pub fn wholesale(&self) -> Vec<usize> {
        (0..self.sales.len()).filter(|sale| self.sales[*sale].wholesale).collect()
    }

    pub fn member(&self, user: usize) -> anyhow::Result<Who> {
        Crowd::new(&self.name, &self.session_secret, 1).member(user)
    }

    /// Asks the shop once. 503, 429 and a key that is in progress are no answers; nor is what is not the shop's own.
    pub async fn ask(&self, method: Method, path: &str, headers: &HeaderMap, body: Bytes) -> Exchanged {
        let asked_us = self.now_us();
        let exchange = self.shop.send(method, path, headers, body).await;
        let answered_us = self.now_us();
        let (name, outcome) = match exchange.reply {
            Err(_) => ("no answer".to_owned(), Try::Unknown),
            Ok(reply) => {
                let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                let code = body["code"].as_str();
                let name = code.map_or_else(|| reply.status.to_string(), |code| format!("{} {code}", reply.status));
                let waits = reply.status == StatusCode::TOO_MANY_REQUESTS || code == Some("request_in_progress");
                let unknown = reply.status >= 500 || waits || body.is_null();
                (name, if unknown { Try::Unknown } else { Try::Answer { reply, body } })
            }
        };
        self.log().answered(&name, 1);
        Exchanged { asked_us, answered_us, outcome }
    }

    /// Retries until there is a response; how many tries before it have an unknown outcome.
    pub async fn ask_until_known(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> (Exchanged, u32) {
        for unknown in 0.. {
            let exchanged = self.ask(method.clone(), path, headers, body.clone()).await;
            if matches!(exchanged.outcome, Try::Answer { .. }) {
                return (exchanged, unknown);
            }
            tokio::time::sleep(backoff(unknown)).await;
        }
        unreachable!("it retries for ever; its caller has a deadline")
    }
}

/// Between a half and all of 0.1 s, doubled with each try, to a second.
pub fn backoff(tries: u32) -> Duration {
    let whole = Duration::from_millis(100 << tries.min(4)).min(Duration::from_secs(1));
    whole.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// A buyer's headers.
pub fn headers_of(who: &Who) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(AUTHORIZATION, who.token.clone());
    headers.insert(CF_CONNECTING_IP, who.address.clone());
    headers.insert(CONTENT_TYPE, JSON);
    headers
}
