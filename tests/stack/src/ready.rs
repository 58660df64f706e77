//! Waiting for something to answer, against a deadline.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Between attempts: short, since a start is the sum of such waits.
const EVERY: Duration = Duration::from_millis(25);

/// The first success of `attempt`; after `limit` an error that holds the last failure.
pub async fn within<T>(
    limit: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    let mut last = anyhow!("it was not asked yet");
    loop {
        match tokio::time::timeout_at(deadline, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if Instant::now() < deadline => last = error,
            Ok(Err(error)) => last = error,
            Err(_) => last = anyhow!("no answer (before that: {last:#})"),
        }
        if Instant::now() >= deadline {
            return Err(last).with_context(|| format!("{what} does not answer after {} s", limit.as_secs()));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Until something listens on this port of loopback.
pub async fn listening(port: u16, limit: Duration, what: &str) -> anyhow::Result<()> {
    listening_at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), limit, what).await
}

/// Until something listens at this address.
pub async fn listening_at(address: SocketAddr, limit: Duration, what: &str) -> anyhow::Result<()> {
    within(limit, what, async || Ok(TcpStream::connect(address).await.map(drop)?)).await
}
