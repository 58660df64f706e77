//! The Worker's side of the Gates: which one to ask, and how long to wait for it; and what all of them are told.

use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use wire::shard::{self, fnv1a};
use worker::js_sys::futures::JsFuture;
use worker::{Delay, Env, Method, Request, RequestInit, Response, ResponseBody, Stub, web_sys};

use crate::bounds::{FORGET_DEADLINE_MS, GATE_DEADLINE_MS};
use crate::call::Call;
use crate::config::Config;
use crate::gate::message::{Ask, Reply};
use crate::problem::Problem;

/// # Errors
/// `unavailable`: the Gate did not answer, or not in time.
pub async fn ask(env: &Env, config: &Config, user_id: &str, ask: &Ask) -> Result<Reply, Problem> {
    let stub = gate(env, shard::of(fnv1a(user_id.as_bytes()), config.gate_shards))?;
    let exchange = std::pin::pin!(exchange(&stub, ask));
    match select(exchange, Delay::from(Duration::from_millis(GATE_DEADLINE_MS))).await {
        Either::Left((reply, _)) => reply,
        Either::Right(((), _)) => Err(Problem::unavailable().because("the Gate did not answer in time")),
    }
}

async fn exchange(stub: &Stub, ask: &Ask) -> Result<Reply, Problem> {
    let reply = text(send(stub, ask).await?).await?;
    serde_json::from_str(&reply).map_err(|error| Problem::unavailable().because(error))
}

/// Tells every Gate that stock of this sale came back, or that it opened or closed, before whoever did that is answered:
/// the next buyer gets what is there now. A Gate that cannot be told stops repeating "sold out" by itself within a second.
pub async fn forget(call: &Call, sale_id: &str) {
    let ask = Ask::Forget { sale_id: sale_id.to_owned() };
    let told = join_all((0..call.config.gate_shards).map(|shard| {
        let ask = &ask;
        async move { send(&gate(&call.env, shard)?, ask).await.map(drop) }
    }));
    let failure = match select(told, Delay::from(Duration::from_millis(FORGET_DEADLINE_MS))).await {
        Either::Left((told, _)) => told.into_iter().find_map(Result::err).map(|problem| format!("{problem:?}")),
        Either::Right(((), _)) => Some("not in time".to_owned()),
    };
    if let Some(failure) = failure {
        let request_id = &call.trace.request_id;
        worker::console_error!("{}", serde_json::json!({"forget": failure, "request_id": request_id}));
    }
}

fn gate(env: &Env, shard: u64) -> Result<Stub, Problem> {
    Ok(env.durable_object("GATE")?.get_by_name(&shard.to_string())?)
}

async fn send(stub: &Stub, ask: &Ask) -> Result<Response, Problem> {
    let json = serde_json::to_string(ask).map_err(|error| Problem::unavailable().because(error))?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(json.into()));
    // The address is for the runtime only: a Gate has one thing to ask.
    let request = Request::new_with_init("https://gate/", &init)?;
    Ok(stub.fetch_with_request(request).await?)
}

/// The body by one native call. `Response::text` reads it chunk by chunk, and letting its reader go costs a
/// captured stack trace each time.
async fn text(response: Response) -> worker::Result<String> {
    let ResponseBody::Stream(stream) = response.body() else { return Ok(String::new()) };
    let raw = web_sys::Response::new_with_opt_readable_stream(Some(stream))?;
    Ok(JsFuture::from(raw.text()?).await?.as_string().unwrap_or_default())
}
