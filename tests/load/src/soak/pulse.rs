//! Whether the database is up, probed continuously without the detours: when it was away, what a client had just read
//! may have been lost with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::log::Us;
use crate::rush::clock::Clock;
use stack::database;

const EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_millis(1_000);
/// What was committed without waiting for the disk is there within three of `wal_writer_delay`.
const UNSURE_BEFORE_US: Us = 1_000_000;
/// A Gate repeats earlier responses.
const UNSURE_AFTER_US: Us = 1_500_000;

/// Clones are the same pulse.
#[derive(Clone, Default)]
pub struct Pulse(Arc<Mutex<Vec<(Us, Us)>>>);

impl Pulse {
    /// When it was away, and a little around it.
    pub fn away(&self) -> Vec<(Us, Us)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Probes until it is dropped.
    pub async fn beat(self, database_url: String, clock: Clock) {
        let now_us = || clock.opening_unix_us + clock.now_us() as Us;
        let (mut client, mut last_us, mut away) = (None, now_us(), false);
        loop {
            tokio::time::sleep(EVERY).await;
            if client.is_none() {
                client = timeout(PATIENCE, database::connect(&database_url)).await.ok().and_then(Result::ok);
            }
            let asked_us = now_us();
            let well = match &client {
                None => false,
                Some(client) => timeout(PATIENCE, client.simple_query("")).await.is_ok_and(|answer| answer.is_ok()),
            };
            if !well {
                (client, away) = (None, true);
                continue;
            }
            if std::mem::take(&mut away) {
                let unsure = (last_us - UNSURE_BEFORE_US, now_us() + UNSURE_AFTER_US);
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push(unsure);
            }
            last_us = asked_us;
        }
    }
}
