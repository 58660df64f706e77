//! The Worker's side of the Gate: which one to ask, and how long to wait for it.

use std::time::Duration;

use futures_util::future::{Either, select};
use worker::js_sys::futures::JsFuture;
use worker::{Delay, Env, Method, Request, RequestInit, Response, ResponseBody, Stub, web_sys};

use crate::bounds::GATE_CALL_DEADLINE_MS;
use crate::config::Config;
use crate::digest::fnv1a;
use crate::gate::message::{Ask, Reply};
use crate::problem::Problem;

/// # Errors
/// `unavailable`: the Gate did not answer, or not in time.
pub async fn ask(env: &Env, config: &Config, user_id: &str, ask: &Ask) -> Result<Reply, Problem> {
    let name = shard(user_id, config.gate_shards).to_string();
    let stub = env.durable_object("GATE")?.get_by_name(&name)?;
    let exchange = std::pin::pin!(exchange(&stub, ask));
    match select(exchange, Delay::from(Duration::from_millis(GATE_CALL_DEADLINE_MS))).await {
        Either::Left((reply, _)) => reply,
        Either::Right(((), _)) => Err(Problem::unavailable().because("the Gate did not answer in time")),
    }
}

async fn exchange(stub: &Stub, ask: &Ask) -> Result<Reply, Problem> {
    let json = serde_json::to_string(ask).map_err(|error| Problem::unavailable().because(error))?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(json.into()));
    // The address is for the runtime only: a Gate has one thing to ask.
    let request = Request::new_with_init("https://gate/", &init)?;
    let reply = text(stub.fetch_with_request(request).await?).await?;
    serde_json::from_str(&reply).map_err(|error| Problem::unavailable().because(error))
}

/// The body by one native call. `Response::text` reads it chunk by chunk, and letting its reader go costs a
/// captured stack trace each time.
async fn text(response: Response) -> worker::Result<String> {
    let ResponseBody::Stream(stream) = response.body() else { return Ok(String::new()) };
    let raw = web_sys::Response::new_with_opt_readable_stream(Some(stream))?;
    Ok(JsFuture::from(raw.text()?).await?.as_string().unwrap_or_default())
}

/// The same user is at the same Gate, wherever the Worker runs.
fn shard(user_id: &str, shards: u64) -> u64 {
    fnv1a(user_id.as_bytes()).checked_rem(shards).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_always_at_the_same_gate_and_the_gates_share_the_crowd() {
        assert_eq!(shard("홍길동", 4), shard("홍길동", 4));
        assert_eq!(shard("anybody", 0), 0);
        for shards in 1..=16 {
            let used: std::collections::HashSet<_> =
                (0..1_000).map(|user| shard(&format!("u{user}"), shards)).collect();
            assert_eq!(used.len() as u64, shards);
        }
    }
}
