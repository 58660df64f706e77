//! One history on a server that may be killed at any moment, over connections that may be cut. A command whose answer
//! was lost is done or is not. As a client would, the player connects again and asks the same again until there is an
//! answer; the model goes on from both, and the answer and the tables have to leave one of them.

use std::time::Duration;

use anyhow::ensure;
use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_postgres::Error;

use super::super::faults::Hands;
use super::super::world::World;
use super::Place;
use model::check::{self, STATES_MAX};
use model::{self, Answered, Command, Crash, Seen, Session, State, Window, tables};
use stack::ready;

/// The most commands of one race.
const RACERS: usize = 3;
/// Everything that is broken is whole again well within this time.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// A client with a connection has a response by then, or has lost the connection.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Whatever needs more does not end.
const TRIES_MAX: usize = 100;
/// What the names in a history begin with; its database has no other.
const PREFIX: &str = "h-";

pub struct Player<'a> {
    storm: &'a World,
    hands: &'a Hands,
    place: &'a Place,
    world: model::World,
    /// Of all commands: a command that is asked again is another transaction.
    tries: usize,
}

impl<'a> Player<'a> {
    pub async fn new(storm: &'a World, hands: &'a Hands, place: &'a Place) -> anyhow::Result<Self> {
        let world = ready::within(BACK_WITHIN, "Postgres", || {
            let sessions = (0..RACERS).map(|_| Session::of_each(place.logins.clone())).collect();
            model::World::new(&place.url, place.early_release, sessions)
        });
        Ok(Self { storm, hands, place, world: world.await?, tries: 0 })
    }

    /// To its end, or to where the storm ends.
    pub async fn play(&mut self, history: &[Command]) -> Result<(), String> {
        // What an earlier one has left cannot be swept any more, and is gone on disk.
        self.of_owner(async |world| world.empty().await).await?;
        self.world.forget();
        self.world.has_crashed();
        let mut states = vec![State::default()];
        let mut asked = vec![];
        for command in history {
            if self.storm.is_ending() {
                break;
            }
            asked.push(format!("  {command}"));
            let command = command.prefixed(PREFIX);
            let so_far = |why: String| format!("{}\n{why}", asked.join("\n"));
            states = self.until_answered(states, &command).await.map_err(so_far)?;
            if states.len() > STATES_MAX {
                states = self.borne_out(states).await.map_err(so_far)?;
            }
            self.storm.log().played.commands += command.weight() as u64;
        }
        self.borne_out(states).await.map(drop).map_err(|why| format!("{}\nat the end of it:\n{why}", asked.join("\n")))
    }

    /// The states that explain what the command, asked until it was answered, has come to.
    async fn until_answered(&mut self, mut states: Vec<State>, command: &Command) -> Result<Vec<State>, String> {
        let mut open: Vec<Command> = command.racers().iter().map(|racer| self.world.said(racer)).collect();
        for tries in 0.. {
            self.tries += 1;
            let tried = self.ask(&open).await?;
            states = self.explained(states, &tried).await?;
            let unseen: Vec<(usize, &Command)> =
                tried.iter().enumerate().filter(|(_, one)| one.is_unseen()).map(|(at, one)| (at, &one.said)).collect();
            if !unseen.is_empty() {
                states = self.told_apart(states, &unseen).await?;
            } else if tries == 0 {
                break;
            } else {
                // By now every name in it has been shown.
                states = self.borne_out(states).await?;
                break;
            }
            if tries == TRIES_MAX {
                return Err(format!("{command} has no answer after {TRIES_MAX} tries"));
            }
            open = unseen.into_iter().map(|(_, said)| said.clone()).collect();
        }
        Ok(states)
    }

    /// Those of the states that can be what the tables say, now that nothing is under way: what was done has left its
    /// rows, though no client has seen their ids. Where none can, the whole comparison that follows says why.
    async fn told_apart(&self, states: Vec<State>, unseen: &[(usize, &Command)]) -> Result<Vec<State>, String> {
        let (states, found) = self.with_tables(states).await?;
        let can_be: Vec<State> =
            states.iter().filter(|state| tables::can_be(&tables::expected(state), &found)).cloned().collect();
        let left = if can_be.is_empty() { states } else { can_be };
        let mut log = self.storm.log();
        for (at, command) in unseen {
            let done = left.iter().filter(|state| state.done.contains(&(self.tries, *at))).count();
            let outcomes = log.played.unknown.entry(command.verb()).or_default();
            *(match done {
                0 => &mut outcomes.not_done,
                done if done == left.len() => &mut outcomes.done,
                _ => &mut outcomes.either,
            }) += 1;
        }
        let mut states: Vec<State> = vec![];
        for mut state in left {
            state.done.clear();
            if !states.contains(&state) {
                states.push(state);
            }
        }
        Ok(states)
    }

    /// All at once, on a connection each. When it returns nothing of it is under way any more.
    async fn ask(&self, open: &[Command]) -> Result<Vec<Answered>, String> {
        self.of_owner(async |_| Ok(())).await?;
        for (command, session) in open.iter().zip(&self.world.sessions).filter(|(command, _)| command.role() != "") {
            session.ready(command.role()).await.map_err(|error| format!("{error:#}"))?;
        }
        let asked_ms = jiff::Timestamp::now().as_millisecond();
        let all = open
            .iter()
            .zip(&self.world.sessions)
            .map(async |(command, session)| timeout(ANSWERED_WITHIN, self.world.one(session, command.clone())).await);
        let mut outcomes = vec![];
        for (outcome, command) in join_all(all).await.into_iter().zip(open) {
            outcomes.push(match outcome {
                Ok(Ok(answered)) => Ok(answered),
                Ok(Err(error)) if leaves_unknown(&error) => Err(command.clone()),
                Ok(Err(error)) => return Err(format!("{command}\nthe database answered {error:?}")),
                Err(_) => return Err(format!("{command}\nno answer within {ANSWERED_WITHIN:?}")),
            });
        }
        if outcomes.iter().any(Result::is_err) {
            self.settle().await?;
        }
        let window = Window { asked_ms, answered_ms: jiff::Timestamp::now().as_millisecond() };
        Ok(outcomes.into_iter().map(|one| one.unwrap_or_else(|said| Answered::unseen(said, window))).collect())
    }

    /// A request whose response is lost may still be in flight, or running: it is executed later, or never. With a
    /// retry of it the result would be undefined; so its connection is cut, and the session that runs it is terminated
    /// first.
    async fn settle(&self) -> Result<(), String> {
        self.world.sessions.iter().for_each(Session::hang_up);
        let cut = ready::within(BACK_WITHIN, "the pooler", async || self.hands.hang_up_on(&self.place.name).await);
        cut.await.map_err(|error| format!("{error:#}"))?;
        let ended = ready::within(BACK_WITHIN, "the end of what was under way", async || {
            let left = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'";
            let left: i64 = self.world.owner_again().await?.query_one(left, &[]).await?.get(0);
            ensure!(left == 0, "{left} connections are not ended");
            Ok(())
        });
        ended.await.map_err(|error| format!("{error:#}"))
    }

    async fn explained(&self, states: Vec<State>, tried: &[Answered]) -> Result<Vec<State>, String> {
        let watched = check::watched(&states, tried);
        let expired = self.of_owner(async |world| world.expired_among(&watched).await).await?;
        let crash = Crash { early_release: self.place.early_release, happened: self.world.has_crashed() };
        let seen = Seen { number: self.tries, answered: tried, expired: &expired, crash: Some(crash) };
        check::states_after(&self.world, states, &seen)
    }

    /// Those of the states that are what the tables say.
    async fn borne_out(&self, states: Vec<State>) -> Result<Vec<State>, String> {
        let (states, found) = self.with_tables(states).await?;
        check::borne_out(states, &found)
    }

    /// What the tables say, and the states that there may be then: after a crash also those that it brought back.
    async fn with_tables(&self, mut states: Vec<State>) -> Result<(Vec<State>, Vec<String>), String> {
        let found = self.of_owner(async |world| world.found(PREFIX).await).await?;
        if self.world.has_crashed() {
            states.extend(states.iter().flat_map(State::brought_back).collect::<Vec<_>>());
        }
        Ok((states, found))
    }

    /// The database's answer to its owner, with new connections until there is one.
    async fn of_owner<T>(&self, ask: impl AsyncFn(&model::World) -> Result<T, Error>) -> Result<T, String> {
        let told = ready::within(BACK_WITHIN, "Postgres", async || {
            self.world.owner_again().await?;
            Ok(ask(&self.world).await?)
        });
        told.await.map_err(|error| format!("{error:#}"))
    }
}

/// Whether the outcome is unknown after this error: the connection is lost, or an intermediary has ended it, or the
/// server could not go on. Some of these errors mean that nothing was done; they are not trusted.
fn leaves_unknown(error: &Error) -> bool {
    let Some(said) = error.as_db_error() else { return true };
    let (code, severity) = (said.code().code(), said.severity());
    // Connection, resources, an operator or a time-out, the system; a lock that was not to be had; "again".
    ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class))
        || ["55P03", "40001"].contains(&code)
        || ["FATAL", "PANIC"].contains(&severity)
}
