//! Players of histories: beside the crowd each gives commands to the transactions in a database of its own, on the same
//! server, by the functions' logins, through the pooler and the detours that all clients use; and each answer and every
//! row has to be one that the model explains (tests/model/src). `history` is what a player does where an answer is
//! lost.

mod history;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use fastrand::Rng;
use serde::Serialize;
use tokio::sync::oneshot;

use super::faults::Hands;
use super::world::World;
use history::Player;
use model::{generate, runtime};
use stack::{database, migrate};

/// What the players' doors in the detours begin with, and their databases.
pub const DOORS: &str = "player_";

/// What was compared with the model, and what became of commands whose answers were lost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Played {
    pub histories: u64,
    /// Each reservation of a batch is one.
    pub commands: u64,
    /// By what the command is called.
    pub unknown: BTreeMap<&'static str, Outcomes>,
    /// What the model has no explanation for.
    #[serde(skip)]
    pub unexplained: Vec<String>,
}

/// Of commands whose outcome was unknown, each try one: how it turned out when the tables were read.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Outcomes {
    pub done: u64,
    pub not_done: u64,
    /// It changes nothing, so it makes no difference.
    pub either: u64,
}

impl Outcomes {
    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.not_done += other.not_done;
        self.either += other.either;
    }

    pub fn all(self) -> u64 {
        self.done + self.not_done + self.either
    }
}

impl Played {
    pub fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.commands += other.commands;
        for (verb, outcomes) in &other.unknown {
            self.unknown.entry(verb).or_default().add(*outcomes);
        }
    }

    pub fn outcomes(&self) -> Outcomes {
        let mut sum = Outcomes::default();
        self.unknown.values().for_each(|outcomes| sum.add(*outcomes));
        sum
    }
}

/// Where one player plays.
#[derive(Clone)]
pub struct Place {
    /// The database's name, and its URL with its owner's rights.
    pub name: String,
    pub url: String,
    pub early_release: bool,
    /// By function, on the way that the functions take.
    pub logins: HashMap<&'static str, String>,
}

/// A database for each, every other one's with early release.
///
/// # Errors
/// The server does not answer.
pub async fn places(hands: &Hands, players: usize) -> anyhow::Result<Vec<Place>> {
    let server = database::connect(&hands.database_url).await?;
    let (host, _) = hands.database_url.rsplit_once('/').context("a database's URL has a path")?;
    let mut places: Vec<Place> = vec![];
    for n in 0..players {
        let name = format!("{DOORS}{}", n + 1);
        let url = format!("{host}/{name}");
        // The first one is migrated, the others are its copies.
        let like = places.first().map(|first| format!(" template {}", first.name)).unwrap_or_default();
        server.batch_execute(&format!("create database {name}{like}")).await?;
        if places.is_empty() {
            migrate::run(&url).await?;
        }
        hands.detours.database.open(&name).await?;
        let login = |function: &'static str| {
            let url = migrate::url_for_role(&url, &format!("holdfast_{function}"), &hands.functions_password)?;
            anyhow::Ok((function, hands.detours.database_url(&url, &name)?))
        };
        let logins = migrate::FUNCTIONS.into_iter().map(login).collect::<anyhow::Result<_>>()?;
        places.push(Place { name, url, early_release: n % 2 == 0, logins });
    }
    Ok(places)
}

/// One history after the other until the storm ends. On a thread of its own: what a model has to think about is nobody
/// else's to wait for.
pub async fn play(world: Arc<World>, hands: Arc<Hands>, place: Place, seed: u64) {
    let (ended, end) = oneshot::channel();
    let (played, name) = (world.clone(), place.name.clone());
    thread::spawn(move || {
        let outcome = runtime().block_on(histories(&played, &hands, &place, seed));
        // The waiting client may have been dropped with the storm.
        let _ = ended.send(outcome);
    });
    let why = match end.await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "the model contradicts itself".to_owned(),
    };
    world.log().played.unexplained.push(format!("{name} could not go on: {why}"));
}

async fn histories(world: &World, hands: &Hands, place: &Place, seed: u64) -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed);
    let mut player = Player::new(world, hands, place).await?;
    while !world.is_ending() {
        let seed = rng.u64(..);
        let outcome = player.play(&generate::history(seed)).await;
        let mut log = world.log();
        log.played.histories += 1;
        if let Err(why) = outcome {
            let early_release = place.early_release;
            log.played.unexplained.push(format!("history {seed}, early release {early_release}:\n{why}"));
        }
    }
    Ok(())
}
