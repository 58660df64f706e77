//! A TCP proxy that cuts, stalls, delays and loses answers on request, as a network may.
//!
//! `connection` passes on one connection; `frames` finds where a message of Postgres's protocol begins.

mod connection;
mod frames;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::ports;

/// What is spoken on the way: it says where an answer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// The first bytes back after something was asked.
    Http,
    /// A command's completion, which comes after its commit.
    Postgres,
}

/// When a trigger fires: before or after a request through a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The question is not passed on.
    Before,
    /// It is under way.
    During,
    /// It was answered, and the answer goes no further.
    After,
}

struct Trigger {
    /// Doors whose names begin so.
    door: String,
    moment: Moment,
    strike: Box<dyn FnOnce(&str) + Send>,
}

/// Clones are the same proxy.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    speech: Speech,
    target: watch::Sender<Option<SocketAddr>>,
    doors: Mutex<HashMap<String, u16>>,
    weather: Mutex<Weather>,
    /// One a door.
    triggers: Mutex<Vec<Trigger>>,
    /// The share of connections to cut, by a number that each cut raises.
    cut: watch::Sender<(u64, f64)>,
}

#[derive(Default)]
struct Weather {
    /// Everything waits until then.
    stalled_until: Option<Instant>,
    /// Every piece waits so long, ...
    delay: Duration,
    /// ... and always so long: the way itself.
    kept: Duration,
    /// So many answers are still to be lost, and were.
    lose: u32,
    lost: u64,
}

impl Proxy {
    pub fn new(speech: Speech) -> Self {
        Self(Arc::new(Inner {
            speech,
            target: watch::channel(None).0,
            doors: Mutex::default(),
            weather: Mutex::default(),
            triggers: Mutex::default(),
            cut: watch::channel((0, 0.0)).0,
        }))
    }

    /// Listens at one more port, for clients under this name.
    ///
    /// # Errors
    /// No port is free.
    pub async fn open(&self, door: &str) -> anyhow::Result<()> {
        let port = ports::free()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("a proxy cannot listen")?;
        held(&self.0.doors).insert(door.to_owned(), port);
        let (inner, door) = (Arc::downgrade(&self.0), door.to_owned());
        tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                let Some(inner) = inner.upgrade() else { return };
                tokio::spawn(connection::pass_on(inner, client, door.clone()));
            }
        });
        Ok(())
    }

    /// # Errors
    /// There is no such door.
    pub fn port(&self, door: &str) -> anyhow::Result<u16> {
        held(&self.0.doors).get(door).copied().with_context(|| format!("there is no door {door:?}"))
    }

    /// Of the one door that has no name.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port("").unwrap_or_default())
    }

    pub fn lead_to(&self, target: SocketAddr) {
        self.0.target.send_replace(Some(target));
    }

    /// Where it leads.
    pub fn target(&self) -> Option<SocketAddr> {
        *self.0.target.borrow()
    }

    /// Ends this share of the connections, as a network does: without a word.
    pub fn cut(&self, share: f64) {
        self.0.cut.send_modify(|(number, of)| (*number, *of) = (*number + 1, share));
    }

    pub fn stall(&self, how_long: Duration) {
        held(&self.0.weather).stalled_until = Some(Instant::now() + how_long);
    }

    pub fn delay(&self, each: Duration) {
        held(&self.0.weather).delay = each;
    }

    /// What the way takes, whatever the weather.
    pub fn keep_delay(&self, each: Duration) {
        held(&self.0.weather).kept = each;
    }

    /// Loses the next so many answers, each with its connection.
    pub fn lose(&self, answers: u32) {
        held(&self.0.weather).lose = answers;
    }

    /// Answers that were lost.
    pub fn lost(&self) -> u64 {
        held(&self.0.weather).lost
    }

    /// Strikes once, at the next request by a door whose name begins so; replaces an earlier trigger there.
    pub fn trigger(&self, door: &str, moment: Moment, strike: impl FnOnce(&str) + Send + 'static) {
        let mut triggers = held(&self.0.triggers);
        triggers.retain(|other| other.door != door);
        triggers.push(Trigger { door: door.to_owned(), moment, strike: Box::new(strike) });
    }

    /// Whether triggers were left; removes them.
    pub fn call_off(&self) -> bool {
        !std::mem::take(&mut *held(&self.0.triggers)).is_empty()
    }

    /// From now on it only passes on.
    pub fn clear(&self) {
        let mut weather = held(&self.0.weather);
        *weather = Weather { lost: weather.lost, kept: weather.kept, ..Weather::default() };
        drop(weather);
        self.call_off();
    }
}

impl Inner {
    /// Waits as long as the weather wants.
    async fn wait(&self) {
        let delay = {
            let weather = held(&self.weather);
            weather.delay.max(weather.kept)
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        loop {
            let stalled = held(&self.weather).stalled_until;
            match stalled {
                Some(until) if Instant::now() < until => tokio::time::sleep_until(until).await,
                Some(_) | None => return,
            }
        }
    }

    fn loses(&self) -> bool {
        let mut weather = held(&self.weather);
        let loses = weather.lose > 0;
        if loses {
            weather.lose -= 1;
            weather.lost += 1;
        }
        loses
    }

    /// Strikes if it is the moment of a trigger.
    fn strikes(&self, door: &str, moment: Moment) -> bool {
        let mut waiting = held(&self.triggers);
        let at = waiting.iter().position(|trigger| trigger.moment == moment && door.starts_with(&trigger.door));
        let trigger = at.map(|at| waiting.swap_remove(at));
        drop(waiting);
        trigger.map(|trigger| (trigger.strike)(door)).is_some()
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
