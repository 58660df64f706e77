//! Carries webhooks to the shop: each is sent again, with growing pauses, until the shop answers 2xx. This is what makes
//! "503, so that the gateway sends it again" true.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::books::Attempt;
use super::dialect::Event;
use super::gateways::{Gateways, Job, written};

/// Requests to the shop in flight at once, over all payments.
const IN_FLIGHT_MAX: usize = 500;
/// From connecting to the end of the answer. Standard Webhooks advises 15 to 30 s.
const TIMEOUT: Duration = Duration::from_secs(15);
const BACKOFF_FIRST_MS: u64 = 200;
const BACKOFF_MAX_MS: u64 = 30_000;
/// Of an answer's body this much is kept; Holdfast's answers are shorter.
const ANSWER_MAX_BYTES: usize = 1024;

/// A valid secret that is not in use.
const SOMEBODYS_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What each gateway signs its webhooks with.
type Secrets = Arc<dyn Fn(super::dialect::Dialect) -> String + Send + Sync>;

struct Sender {
    client: reqwest::Client,
    secrets: Secrets,
    in_flight: Semaphore,
    gateways: Gateways,
}

/// The sender's work as one future, which owns every delivery: dropped, it ends them all.
pub fn run(
    gateways: &Gateways,
    secrets: Secrets,
    mut jobs: UnboundedReceiver<Job>,
) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    // A redirect is a failed delivery, says the specification.
    let client = crate::http::client().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
    let sender = Arc::new(Sender {
        client: client.build().context("the gateway's HTTP client")?,
        secrets,
        in_flight: Semaphore::new(IN_FLIGHT_MAX),
        gateways: gateways.clone(),
    });
    Ok(async move {
        let mut deliveries = JoinSet::new();
        loop {
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => drop(deliveries.spawn(deliver(sender.clone(), job))),
                    None => return,
                },
                Some(_ended) = deliveries.join_next() => {}
            }
        }
    })
}

async fn deliver(sender: Arc<Sender>, job: Job) {
    // Asked for the rest again after each sleep: a timer may be early by the wall clock, which is what expiry goes by.
    while let Ok(rest) = Duration::try_from(job.not_before.duration_since(Timestamp::now())) {
        if rest.is_zero() {
            break;
        }
        tokio::time::sleep(rest).await;
    }
    for attempt in 1.. {
        let taken = sender.attempt(&job, attempt <= job.forged).await;
        if job.event == Event::ApprovalRequested {
            return sender.answered(&job, taken);
        }
        if taken {
            return;
        }
        let pause = if job.gateway == super::dialect::Dialect::Standard {
            Some(backoff(attempt))
        } else {
            job.gateway.pause(attempt)
        };
        let Some(pause) = pause else {
            return sender.gateways.books.give_up(&job.payment_id, job.delivery);
        };
        tokio::time::sleep(pause).await;
    }
}

impl Sender {
    /// The buyer waits for the money to be taken: one question, one answer.
    fn answered(&self, job: &Job, yes: bool) {
        if !yes {
            self.gateways.books.give_up(&job.payment_id, job.delivery);
        }
        let done =
            if yes { self.gateways.capture_authorised(&job.payment_id) } else { self.gateways.void(&job.payment_id) };
        if let Err(why) = done {
            self.gateways.journal.line(&json!({"error": format!("{why:?}"), "payment_id": job.payment_id}));
        }
    }

    /// One attempt, written into the books; true when the shop took it.
    async fn attempt(&self, job: &Job, forged: bool) -> bool {
        // The semaphore is never closed. Waiting comes before the clock is read, so that no signature ages in the queue.
        let _permit = self.in_flight.acquire().await.ok();
        let (now, begun) = (Timestamp::now(), Instant::now());
        let outcome = self.post(job, now, forged).await;
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (status, body, error) = match outcome {
            Ok((status, body)) => (Some(status), body, None),
            Err(error) => (None, String::new(), Some(format!("{:#}", anyhow::Error::new(error)))),
        };
        // Toss asks for 200 and nothing else.
        let taken = if job.gateway == super::dialect::Dialect::Toss { 200..201 } else { 200..300 };
        let delivered = status.is_some_and(|s| taken.contains(&s));
        let attempt = Attempt { sent_at: written(now), duration_ms, status, body, error };
        self.gateways.journal.line(&json!({
            "at": attempt.sent_at, "event": "webhook", "payment_id": job.payment_id, "webhook_id": job.webhook_id,
            "status": status, "error": attempt.error, "duration_ms": duration_ms,
        }));
        self.gateways.books.record(&job.payment_id, job.delivery, attempt, delivered);
        delivered
    }

    async fn post(&self, job: &Job, now: Timestamp, forged: bool) -> reqwest::Result<(u16, String)> {
        let mut request = self.client.post(self.gateways.shop.webhook_url(&job.gateway.path())).body(job.body.clone());
        let secret = if forged { SOMEBODYS_SECRET.to_owned() } else { (self.secrets)(job.gateway) };
        for (name, value) in job.gateway.headers(&secret, &job.webhook_id, now, &job.body) {
            request = request.header(name, value);
        }
        let mut answer = request.send().await?;
        let mut body = Vec::new();
        while body.len() < ANSWER_MAX_BYTES
            && let Some(chunk) = answer.chunk().await?
        {
            body.extend_from_slice(&chunk);
        }
        body.truncate(ANSWER_MAX_BYTES);
        Ok((answer.status().as_u16(), String::from_utf8_lossy(&body).into_owned()))
    }
}

/// The pause after the attempt of this number, counted from 1: 0.2 s doubling to 30 s, of which between a half and all is
/// waited, so that a thousand webhooks refused together do not come back together.
fn backoff(attempt: u32) -> Duration {
    let full_ms = BACKOFF_FIRST_MS.saturating_mul(1 << (attempt - 1).min(20)).min(BACKOFF_MAX_MS);
    let (random, _) = Uuid::new_v4().as_u64_pair();
    Duration::from_millis(full_ms / 2 + (random >> 16) % (full_ms / 2 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_half_a_minute_and_are_spread() {
        for (attempt, full_ms) in
            [(1, 200), (2, 400), (3, 800), (8, 25_600), (9, 30_000), (100, 30_000), (u32::MAX, 30_000)]
        {
            let pauses: Vec<u128> = (0..200).map(|_| backoff(attempt).as_millis()).collect();
            assert!(pauses.iter().all(|ms| (full_ms / 2..=full_ms).contains(ms)), "attempt {attempt}: {pauses:?}");
            assert!(pauses.iter().any(|ms| *ms != pauses[0]), "attempt {attempt} has no jitter");
        }
    }
}
