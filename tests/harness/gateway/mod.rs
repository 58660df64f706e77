//! The payment gateway's stand-in: an HTTP server of its own, outside the shop, that takes (play) money, keeps books
//! about it and tells the shop by signed webhooks until the shop answers 2xx. `cargo dev up` leaves one running, the
//! tests start their own.
//!
//! Read it in this order: `pay` (what a buyer does) and `payments` (what a test does) both charge through `desk`, which
//! writes to `books` and hands each webhook to `courier`. `standard` is what this gateway's messages look like; a second
//! gateway is a second file like it.

mod books;
mod courier;
mod desk;
mod journal;
mod locale;
mod page;
mod pay;
mod payments;
mod shop;
pub mod sign;
mod standard;
#[cfg(test)]
mod tests;

use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use desk::Desk;

/// The largest body that the stand-in reads. Its forms and its JSON are a few hundred bytes.
const BODY_LIMIT_BYTES: usize = 16 * 1024;

/// What a gateway is started with; fixed for its whole life.
#[derive(Clone)]
pub struct Config {
    /// Where to listen. Port 0 takes a free one: `Gateway::start` tells which.
    pub bind: SocketAddr,
    /// The shop, `http://host:port`. Webhooks go to it, and buyers are sent back nowhere else.
    pub edge_url: String,
    /// `whsec_…`: base64 of 24 to 64 bytes, shared with the shop.
    pub webhook_secret: String,
    /// One JSON line for each capture and each delivery attempt is appended here.
    pub log: PathBuf,
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

/// The server and the courier are one future: whoever drops it ends every delivery that is still going on.
async fn run(listener: TcpListener, config: Config) -> anyhow::Result<()> {
    sign::check(&config.webhook_secret)?;
    let shop = shop::Shop::new(&config.edge_url)?;
    let journal = journal::Journal::open(&config.log)?;
    let (desk, jobs) = Desk::new(shop, journal);
    let deliveries = courier::run(&desk, config.webhook_secret, jobs)?;
    // Dropping a server does not end the connections it has open; losing this sender does.
    let (_alive, ended) = oneshot::channel::<()>();
    let server = axum::serve(listener, router(desk)).with_graceful_shutdown(async move { drop(ended.await) });
    tokio::select! {
        served = server.into_future() => served.context("the gateway's server ended"),
        () = deliveries => anyhow::bail!("the gateway's courier ended"),
    }
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/pay", get(pay::show).post(pay::choose))
        .route("/pay.css", get(page::css))
        .route("/pay.js", get(page::js))
        .route("/payments", get(payments::list).post(payments::create))
        .route("/payments/{payment_id}", get(payments::show))
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .with_state(desk)
}
