//! The payment gateway simulator: an HTTP server of its own, outside the shop, that takes (play) money, keeps books
//! about it and sends signed webhooks until the shop answers 2xx. `cargo dev up` leaves one running, the tests start
//! their own.
//!
//! Read it in this order: `pay` (what a buyer does) and `payments` (what a test does) both charge through `gateways`, which
//! writes to `books` and hands each webhook to `sender`. It plays four gateways: `standard`, `portone`, `toss` and
//! `stripe` are what each says and answers, written from what each publishes and not from the shop's code; `keys` are
//! their idempotency keys, `faults` what a test has go wrong.

mod books;
mod console;
pub mod dialect;
mod faults;
mod gateways;
pub mod guard;
pub mod http;
mod journal;
mod keys;
mod lists;
mod locale;
mod page;
mod pay;
mod payments;
mod portone;
mod sender;
mod shop;
pub mod sign;
mod standard;
mod stripe;
#[cfg(test)]
mod tests;
mod toss;

use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use dialect::Dialect;
use gateways::Gateways;

/// The largest body that the simulator reads. Its forms and its JSON are a few hundred bytes.
const BODY_LIMIT_BYTES: usize = 16 * 1024;

/// What a gateway is started with; fixed for its whole life.
#[derive(Clone)]
pub struct Config {
    /// Where to listen. Port 0 takes a free one: `Gateway::start` returns it.
    pub bind: SocketAddr,
    /// The shop, `http://host:port`. Webhooks go to it, and buyers are sent back nowhere else.
    pub edge_url: String,
    /// `whsec_…`: base64 of 24 to 64 bytes, shared with the shop.
    pub webhook_secret: String,
    /// One JSON line for each capture and each delivery attempt is appended here.
    pub log: PathBuf,
}

impl Config {
    /// For its secrets alone.
    pub fn keys(webhook_secret: &str) -> Self {
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { bind, edge_url: String::new(), webhook_secret: webhook_secret.to_owned(), log: PathBuf::new() }
    }

    /// What a gateway signs its webhooks with. Of the one secret that is configured, each has its own.
    pub fn secret_of(&self, gateway: Dialect) -> String {
        match gateway {
            Dialect::Standard => self.webhook_secret.clone(),
            other => format!("whsec_{}", STANDARD.encode(self.derived("webhook", other))),
        }
    }

    /// What the shop proves itself with to a gateway.
    pub fn api_secret(&self, gateway: Dialect) -> String {
        let prefix = match gateway {
            Dialect::Toss | Dialect::Stripe => "live_sk_",
            Dialect::Standard | Dialect::PortOne => "",
        };
        format!("{prefix}{}", hex::encode(self.derived("api", gateway)))
    }

    /// What the functions are configured with to reach these gateways at `url`.
    pub fn functions_env(&self, url: &str) -> Vec<(String, String)> {
        let of = |gateway: Dialect| {
            let name = gateway.name().to_uppercase();
            let address = (format!("{name}_API_URL"), format!("{url}/{}", gateway.name()));
            [address, (format!("{name}_API_SECRET"), self.api_secret(gateway))]
        };
        Dialect::ALL.into_iter().flat_map(of).collect()
    }

    /// What the Worker and `confirm` are configured with to prove what these gateways send.
    pub fn webhook_env(&self) -> Vec<(&'static str, String)> {
        let of = |gateway: Dialect| {
            let known = ::payments::gateway(gateway.name()).filter(|known| known.webhook.signs())?;
            Some((known.webhook_secret_variable, self.secret_of(gateway)))
        };
        Dialect::ALL.into_iter().filter_map(of).collect()
    }

    fn derived(&self, purpose: &str, gateway: Dialect) -> [u8; 32] {
        Sha256::digest(format!("{purpose} {} {}", gateway.name(), self.webhook_secret)).into()
    }
}

/// Serves until the future is dropped. Nothing is kept on disk but the log: a restart begins with empty books.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let listener = listen(&config).await?;
    run(listener, config).await
}

/// A gateway that runs in the background until it is dropped: for tests.
pub struct Gateway {
    /// `http://127.0.0.1:PORT`, without a slash at its end.
    pub url: String,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Gateway {
    /// Returns once the address is bound, so that the first request cannot come too early.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let listener = listen(&config).await?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok(Self { url, task: tokio::spawn(run(listener, config)) })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    TcpListener::bind(config.bind).await.with_context(|| format!("the gateway cannot listen on {}", config.bind))
}

/// The server and the sender are one future: dropping it ends every delivery that is still going on.
async fn run(listener: TcpListener, config: Config) -> anyhow::Result<()> {
    sign::check(&config.webhook_secret)?;
    let shop = shop::Shop::new(&config.edge_url)?;
    let journal = journal::Journal::open(&config.log)?;
    let secrets = config.clone();
    let (gateways, jobs) = Gateways::new(shop, journal, move |gateway| secrets.api_secret(gateway));
    let deliveries = sender::run(&gateways, std::sync::Arc::new(move |gateway| config.secret_of(gateway)), jobs)?;
    // Dropping a server does not end the connections it has open; losing this sender does.
    let (_alive, ended) = oneshot::channel::<()>();
    let server = axum::serve(listener, router(gateways)).with_graceful_shutdown(async move { drop(ended.await) });
    tokio::select! {
        served = server.into_future() => served.context("the gateway's server ended"),
        () = deliveries => anyhow::bail!("the gateway's sender ended"),
    }
}

/// What the four answer to the shop. A request that has begun comes to its end, whether its client waits or not.
fn apis() -> Router<Gateways> {
    Router::new()
        .nest("/standard", standard::routes())
        .nest("/portone", portone::routes())
        .nest("/toss", toss::routes())
        .nest("/stripe", stripe::routes())
        .layer(from_fn(async |request: Request, next: Next| match tokio::spawn(next.run(request)).await {
            Ok(answer) => answer,
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }))
}

fn router(gateways: Gateways) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/pay", get(pay::show).post(pay::choose))
        .route("/pay.css", get(page::css))
        .route("/pay.js", get(page::js))
        .route("/payments", get(payments::list).post(payments::create))
        .route("/payments/{payment_id}", get(payments::show))
        .route("/payments/{payment_id}/refund-by-hand", post(console::refund))
        .route("/payments/{payment_id}/fail-a-refund", post(console::fail_refund))
        .route("/payments/{payment_id}/dispute", post(console::dispute))
        .route("/payments/{payment_id}/resolve-dispute", post(console::resolve))
        .route("/payments/{payment_id}/reverse", post(console::reverse))
        .route("/payments/{payment_id}/finish-refunds", post(payments::finish_refunds))
        .route("/payments/{payment_id}/fail-refunds", post(payments::fail_refunds))
        .route("/payments/{payment_id}/lapse", post(payments::lapse))
        .route("/payments/{payment_id}/deposit/{told}", post(payments::deposit))
        .route("/payments/{payment_id}/reverse/{told}", post(payments::reverse))
        .route("/later/{on}", post(payments::later))
        .route("/faults", post(faults::order).delete(faults::clear))
        .merge(apis())
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .layer(from_fn_with_state(gateways.clone(), guard::turn_away))
        .with_state(gateways)
}
