//! One history, on the model and on the real transactions at once.

use super::command::{Command, HoldOf};
use super::explain::{Seen, State};
use super::rules::Model;
use super::tables;
use super::world::{Answered, World};

/// With more than this many ways to explain the answers, the tables are asked which it was.
pub const STATES_MAX: usize = 16;

/// Runs the history to its end, or to where the two differ; `watching` sees every answer.
///
/// # Errors
/// They differ: where and how.
pub async fn run(
    world: &World,
    prefix: &str,
    history: &[Command],
    mut watching: impl FnMut(&Command, &[Answered]),
) -> Result<Model, String> {
    world.forget();
    let mut states = vec![State::default()];
    for (number, command) in history.iter().enumerate() {
        let prefixed = command.prefixed(prefix);
        states = step(world, states, number, &prefixed, &mut watching)
            .await
            .map_err(|why| format!("command {}: {command}\n{why}", number + 1))?;
        if states.len() > STATES_MAX {
            states = compare_tables(world, prefix, states).await.map_err(|why| format!("after {command}:\n{why}"))?;
        }
    }
    let ended = compare_tables(world, prefix, states).await.map_err(|why| format!("at the end of it:\n{why}"))?;
    // The model does not know every row; the rules do. Those of the histories before it held when it began.
    let broken = world.broken().await.map_err(|error| error.to_string())?;
    if let Some(rule) = broken.first() {
        return Err(format!("at the end of it, {} rows break {}", rule.broken, rule.says));
    }
    Ok(ended.into_iter().map(|state| state.model).next().unwrap_or_default())
}

/// The states that explain what is answered now, of those that explained everything before.
async fn step(
    world: &World,
    states: Vec<State>,
    number: usize,
    command: &Command,
    watching: &mut impl FnMut(&Command, &[Answered]),
) -> Result<Vec<State>, String> {
    let answered = world.perform(command).await.map_err(|error| match error.as_db_error() {
        Some(error) => format!("the database answered {}: {}", error.code().code(), error.message()),
        None => format!("{error:?}"),
    })?;
    watching(command, &answered);
    explained(world, states, number, &answered).await
}

/// What `answered` leaves of `states`, where nothing crashes.
///
/// # Errors
/// Nothing is left.
pub async fn explained(
    world: &World,
    states: Vec<State>,
    number: usize,
    answered: &[Answered],
) -> Result<Vec<State>, String> {
    let watched = watched(&states, answered);
    let expired = world.expired_among(&watched).await.map_err(|error| error.to_string())?;
    let seen = Seen { number, answered, expired: &expired, crash: None };
    states_after(world, states, &seen)
}

/// The ids of the holds of which it has to be known whether they were swept by the way.
pub fn watched(states: &[State], answered: &[Answered]) -> Vec<String> {
    let many = answered.len() > 1;
    if !many
        && !answered[0].is_unseen()
        && !matches!(answered[0].said, Command::Reserve { .. } | Command::Change { .. })
    {
        return vec![];
    }
    let mut watched: Vec<String> = states.iter().flat_map(State::watched).collect();
    watched.sort_unstable();
    watched.dedup();
    watched
}

/// What is left of `states` by what was seen.
///
/// # Errors
/// Nothing is left.
pub fn states_after(world: &World, states: Vec<State>, seen: &Seen) -> Result<Vec<State>, String> {
    let mut after: Vec<State> = Vec::new();
    let mut why = String::new();
    for state in states {
        match state.after(seen) {
            Ok(found) => after.extend(found.into_iter().filter(|one| !after.contains(one)).collect::<Vec<_>>()),
            Err(reason) => why = reason,
        }
    }
    if after.is_empty() {
        let all: Vec<String> = seen.answered.iter().map(|one| format!("  {} -> {}", one.said, said(one))).collect();
        return Err(format!("no order explains the answers:\n{}\n{why}", all.join("\n")));
    }
    let order_ids = seen.answered.iter().filter_map(|one| one.values.first()?["order_id"].as_str());
    for order_id in order_ids {
        let is_its = |state: &State, of: &HoldOf| state.names.is(&format!("?order:{of}"), order_id);
        let of = after[0].model.orders.keys().find(|of| after.iter().all(|state| is_its(state, of)));
        of.into_iter().for_each(|of| world.remember_order(of, order_id));
    }
    Ok(after)
}

fn said(answered: &Answered) -> String {
    if answered.is_unseen() {
        return "no answer".to_owned();
    }
    serde_json::Value::from(answered.values.clone()).to_string()
}

/// Those of the states that are what the tables say, row by row.
///
/// # Errors
/// None is.
pub async fn compare_tables(world: &World, prefix: &str, states: Vec<State>) -> Result<Vec<State>, String> {
    let found = world.found(prefix).await.map_err(|error| error.to_string())?;
    borne_out(states, &found)
}

/// Those of the states that have just these rows. What the rows say keeps the rules; what was only possible until they were
/// read need not: a lost answer may stand for something that never was.
///
/// # Errors
/// None has.
pub fn borne_out(mut states: Vec<State>, found: &[String]) -> Result<Vec<State>, String> {
    let mut why = String::new();
    states.retain(|state| {
        let difference = tables::difference(&tables::expected(state), found);
        difference.into_iter().map(|difference| why = difference).count() == 0
    });
    states.iter().for_each(|state| state.model.keeps_its_own_rules());
    if states.is_empty() { Err(why) } else { Ok(states) }
}
