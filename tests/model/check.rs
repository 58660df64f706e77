//! One history, on the model and on the real transactions at once.

use super::command::{Command, HoldOf};
use super::coverage::Coverage;
use super::explain::{Seen, State};
use super::tables;
use super::world::{Answered, World};

/// With more than this many ways to explain the answers, the tables are asked which it was.
const STATES_MAX: usize = 16;

/// Runs the history to its end, or to where the two differ: `Err` says where and how.
pub async fn run(world: &World, prefix: &str, history: &[Command], coverage: &mut Coverage) -> Result<(), String> {
    world.forget();
    let mut states = vec![State::default()];
    for (number, command) in history.iter().enumerate() {
        states = step(world, states, number, &command.prefixed(prefix), coverage)
            .await
            .map_err(|why| format!("command {}: {command}\n{why}", number + 1))?;
        if states.len() > STATES_MAX {
            states = borne_out(world, prefix, states).await.map_err(|why| format!("after {command}:\n{why}"))?;
        }
    }
    let ended = borne_out(world, prefix, states).await.map_err(|why| format!("at the end of it:\n{why}"))?;
    coverage.count_ended(&ended[0].model);
    Ok(())
}

/// The states that explain what is answered now, of those that explained everything before.
async fn step(
    world: &World,
    states: Vec<State>,
    number: usize,
    command: &Command,
    coverage: &mut Coverage,
) -> Result<Vec<State>, String> {
    let answered = world.perform(command).await.map_err(|error| match error.as_db_error() {
        Some(error) => format!("the database answered {}: {}", error.code().code(), error.message()),
        None => format!("{error:?}"),
    })?;
    coverage.count(command, &answered);
    explained(world, states, number, &answered).await
}

/// What `answered` leaves of `states`.
pub async fn explained(
    world: &World,
    states: Vec<State>,
    number: usize,
    answered: &[Answered],
) -> Result<Vec<State>, String> {
    let mut watched: Vec<String> = states.iter().flat_map(State::watched).collect();
    let by_the_way = answered.len() > 1 || matches!(answered[0].said, Command::Reserve { .. });
    watched.sort_unstable();
    watched.dedup();
    let expired = if by_the_way && !watched.is_empty() { world.expired_among(&watched).await } else { vec![] };
    let seen = Seen { number, answered, expired: &expired };
    let mut after: Vec<State> = Vec::new();
    let mut why = String::new();
    for state in states {
        match state.after(&seen) {
            Ok(found) => after.extend(found.into_iter().filter(|one| !after.contains(one)).collect::<Vec<_>>()),
            Err(reason) => why = reason,
        }
    }
    if after.is_empty() {
        let values = |one: &Answered| serde_json::Value::from(one.values.clone());
        let all: Vec<String> = answered.iter().map(|one| format!("  {} -> {}", one.said, values(one))).collect();
        return Err(format!("no order explains the answers:\n{}\n{why}", all.join("\n")));
    }
    for order_id in answered.iter().filter_map(|one| one.values[0]["order_id"].as_str()) {
        let is_its = |state: &State, of: &HoldOf| state.names.is(&format!("?order:{of}"), order_id);
        let of = after[0].model.orders.keys().find(|of| after.iter().all(|state| is_its(state, of)));
        of.into_iter().for_each(|of| world.remember_order(of, order_id));
    }
    Ok(after)
}

/// One of the states is what the tables say.
pub async fn compare_tables(world: &World, prefix: &str, states: Vec<State>) -> Result<(), String> {
    borne_out(world, prefix, states).await.map(drop)
}

/// Those of the states that are what the tables say, row by row.
async fn borne_out(world: &World, prefix: &str, mut states: Vec<State>) -> Result<Vec<State>, String> {
    let found = tables::found(world, prefix).await;
    let mut why = String::new();
    states.retain(|state| {
        state.model.keeps_its_own_rules();
        let difference = tables::difference(&tables::expected(state), &found);
        difference.into_iter().map(|difference| why = difference).count() == 0
    });
    if states.is_empty() { Err(why) } else { Ok(states) }
}
