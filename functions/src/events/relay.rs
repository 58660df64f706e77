//! One invocation of `relay`: fans events out and sends each subscription its due deliveries, independently of the
//! others.

use std::collections::HashSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use protocol::relay::Relayed;
use tracing::{info, warn};
use uuid::Uuid;

use super::queue::{self, AttemptRecord, DeliveryStatus};
use super::settings::Settings;
use super::targets::Targets;
use crate::runtime::config::ConfigError;
use crate::runtime::database::{Database, InfraError};
use crate::runtime::limits::{RELAY_LOOK_MS, REMOVE_PIECES};

pub struct Relay {
    database: Database,
    settings: Settings,
    targets: Targets,
}

impl Relay {
    /// # Errors
    /// A variable is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        let database = Database::from_env()?;
        let settings = Settings::from_env()?;
        Ok(Self { database, targets: Targets::new(&settings)?, settings })
    }

    /// Sends until nothing is due, repeatedly until `window` is over. No attempt begins after `stop`.
    ///
    /// # Errors
    /// The database is broken. Attempts in flight finish first; results that could not be recorded are sent again.
    pub async fn run(&self, window: Duration, stop: Instant) -> Result<Relayed, InfraError> {
        let until = stop.min(Instant::now() + window);
        let mut relayed = Relayed::default();
        loop {
            self.send_due(stop, &mut relayed).await?;
            let next = Instant::now() + self.settings.every;
            if next >= until {
                return Ok(relayed);
            }
            tokio::time::sleep_until(next.into()).await;
        }
    }

    /// Each receiver is its own task, so that a slow one does not delay the others.
    async fn send_due(&self, stop: Instant, relayed: &mut Relayed) -> Result<(), InfraError> {
        let mut working = FuturesUnordered::new();
        let mut round = Round::default();
        loop {
            if round.broken.is_none() && Instant::now() < stop {
                let mut finding = pin!(self.find_due(stop));
                // All tasks share one database connection, so the look for due subscriptions must poll the tasks that
                // hold it.
                let found = loop {
                    tokio::select! {
                        found = &mut finding => break found,
                        Some((id, sent)) = working.next() => {
                            round.note(id, sent);
                        }
                    }
                };
                match found {
                    Ok((events, due)) => {
                        round.relayed.fanned_out += events;
                        for id in due.into_iter().filter(|id| round.busy.insert(*id)) {
                            working.push(self.send_to(id, stop).map(move |sent| (id, sent)));
                        }
                    }
                    Err(error) => round.broken = Some(error),
                }
            }
            if working.is_empty() {
                add(relayed, &round.relayed);
                return round.broken.map_or(Ok(()), Err);
            }
            let mut look_again = pin!(tokio::time::sleep(Duration::from_millis(RELAY_LOOK_MS)));
            loop {
                tokio::select! {
                    Some((id, sent)) = working.next() => {
                        if round.note(id, sent) {
                            break;
                        }
                    }
                    () = &mut look_again => break,
                }
            }
        }
    }

    async fn find_due(&self, stop: Instant) -> Result<(u64, Vec<Uuid>), InfraError> {
        let mut fanned_out = 0;
        loop {
            let events = queue::fan_out(&self.database).await?;
            fanned_out += events;
            if events == 0 || Instant::now() >= stop {
                queue::rank(&self.database).await?;
                return Ok((fanned_out, queue::due(&self.database, &self.settings).await?));
            }
        }
    }

    /// Sends to one receiver until nothing is due for it.
    async fn send_to(&self, subscription: Uuid, stop: Instant) -> Result<Relayed, InfraError> {
        let mut sent = Relayed::default();
        let mut in_flight = FuturesUnordered::new();
        loop {
            if Instant::now() < stop
                && let Some(claimed) = queue::claim(&self.database, &self.settings, subscription).await?
            {
                let (claim, target) = (claimed.claim, self.targets.of(claimed.kind, claimed.endpoint, claimed.secrets));
                for delivery in claimed.deliveries {
                    let (delivery_id, attempts) = (delivery.delivery_id, delivery.attempts);
                    let attempt = target.send(delivery);
                    in_flight.push(attempt.map(move |attempt| AttemptRecord { claim, delivery_id, attempts, attempt }));
                }
            }
            let Some(first) = in_flight.next().await else { return Ok(sent) };
            let mut settled = vec![first];
            while let Some(Some(another)) = in_flight.next().now_or_never() {
                settled.push(another);
            }
            let standings = queue::settle(&self.database, &self.settings, subscription, &settled).await?;
            for (one, standing) in settled.iter().zip(standings) {
                self.log_result(subscription, one, standing, &mut sent);
            }
        }
    }

    fn log_result(&self, subscription: Uuid, one: &AttemptRecord, standing: DeliveryStatus, sent: &mut Relayed) {
        let (delivery_id, status, error) = (one.delivery_id, one.attempt.status, one.attempt.error.as_deref());
        match standing {
            DeliveryStatus::Delivered => sent.delivered += 1,
            DeliveryStatus::Retry => sent.failed += 1,
            DeliveryStatus::Dead | DeliveryStatus::Gone => sent.dead += 1,
        }
        match standing {
            DeliveryStatus::Delivered => {
                info!(verb = "relay", outcome = "delivered", %subscription, delivery_id, status)
            }
            DeliveryStatus::Retry => {
                info!(verb = "relay", outcome = "failed", %subscription, delivery_id, status, error)
            }
            DeliveryStatus::Dead | DeliveryStatus::Gone => {
                warn!(verb = "relay", outcome = "dead", %subscription, delivery_id, status, error);
            }
        }
    }

    /// Removes some of the data whose retention is over.
    ///
    /// # Errors
    /// The database is broken, or rows are locked: the next pass removes them.
    pub async fn remove(&self, stop: Instant) -> Result<u64, InfraError> {
        let mut removed = 0;
        for _ in 0..REMOVE_PIECES {
            let piece = queue::remove_sent(&self.database, &self.settings).await?
                + queue::remove_keys(&self.database, &self.settings).await?
                + queue::remove_holds(&self.database, &self.settings).await?
                + queue::remove_sold(&self.database).await?
                + queue::forget(&self.database, &self.settings).await?;
            removed += piece;
            if piece == 0 || Instant::now() >= stop {
                break;
            }
        }
        Ok(removed)
    }
}

/// Totals so far, and the subscriptions being sent to.
#[derive(Default)]
struct Round {
    busy: HashSet<Uuid>,
    relayed: Relayed,
    broken: Option<InfraError>,
}

impl Round {
    /// Whether to look for due subscriptions at once. If nothing was sent, another invocation has the claim or the
    /// receiver is at its limit.
    fn note(&mut self, id: Uuid, sent: Result<Relayed, InfraError>) -> bool {
        self.busy.remove(&id);
        match sent {
            Ok(sent) => {
                add(&mut self.relayed, &sent);
                sent != Relayed::default()
            }
            Err(error) => {
                self.broken.get_or_insert(error);
                true
            }
        }
    }
}

fn add(to: &mut Relayed, more: &Relayed) {
    to.fanned_out += more.fanned_out;
    to.delivered += more.delivered;
    to.failed += more.failed;
    to.dead += more.dead;
}
