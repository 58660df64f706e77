//! The Worker's side of the Gate: which one to call, and with which timeout.

use worker::Env;

use crate::gate::concurrency::Permit;
use crate::gate::message::{Ask, Reply};
use crate::http::problem::Problem;
use crate::runtime::config::Config;
use crate::runtime::limits::GATE_DEADLINE_MS;
use crate::runtime::{clock, js};

/// The Gates' binding in wrangler.toml. A Gate's name is its shard.
const BINDING: &str = "GATE";
/// What a Worker wishes for that has no lease.
pub const LEASE: &str = "lease";

/// Calls the user's Gate.
///
/// # Errors
/// `unavailable`: the Gate did not answer, or not in time; or this isolate has as many reservations in flight as it can
/// serve.
pub async fn ask(env: &Env, config: &Config, user_id: &str, ask: &Ask<'_>) -> Result<Reply, Problem> {
    ask_shard(env, config.gate_key.shard(user_id, config.gate_shards), ask, false).await
}

/// The same where the user's Gate is known. `for_a_lease`: a refusal is to come with a lease.
///
/// # Errors
/// As for [`ask`].
pub async fn ask_shard(env: &Env, shard: u64, ask: &Ask<'_>, for_a_lease: bool) -> Result<Reply, Problem> {
    let _permit = Permit::begin(clock::now_ms())?;
    let reply = send(env, shard, ask, for_a_lease.then_some(LEASE), GATE_DEADLINE_MS).await?;
    Reply::read(&reply).ok_or_else(|| Problem::unavailable().because("the Gate's reply cannot be read"))
}

/// Sends one message to one Gate.
///
/// # Errors
/// `unavailable`: it cannot be reached, or not in time.
pub async fn send(
    env: &Env,
    shard: u64,
    ask: &Ask<'_>,
    wish: Option<&str>,
    patience_ms: u64,
) -> Result<String, Problem> {
    let answer = js::object(env, BINDING, &shard.to_string(), &ask.text(), wish, patience_ms).await;
    answer
        .map_err(|error| Problem::unavailable().because(error))?
        .ok_or_else(|| Problem::unavailable().because("the Gate did not answer in time"))
}
