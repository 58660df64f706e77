//! Answers that only a measurement needs: one from the Worker at once; one from a Durable Object that does nothing, as the
//! `worker` crate calls it and as a Gate is called (what a request costs more than these is ours); and how large the Wasm's
//! memory is. Not in the product: the feature `bench` is off there.

use worker::{DurableObject, Env, Request, Response, State, durable_object, wasm_bindgen, web_sys};

use crate::gate::client::send;
use crate::gate::message::Ask;
use crate::runtime::limits::GATE_DEADLINE_MS;

/// None: a request like any other.
pub async fn answer(request: &web_sys::Request, env: &Env) -> Option<worker::Result<web_sys::Response>> {
    match request.url().split_once("/bench/").map(|(_, row)| row) {
        Some("worker") => Some(Response::ok("at once").map(Into::into)),
        Some("object") => Some(through(request, env).await),
        Some("call") => Some(called(env).await),
        Some("memory") => Some(Response::ok(memory_bytes().to_string()).map(Into::into)),
        _ => None,
    }
}

/// As a reservation goes to its Gate. Forgetting no sale does nothing.
async fn called(env: &Env) -> worker::Result<web_sys::Response> {
    let nothing = Ask::Forget { sale_ids: Vec::new() };
    match send(env, 0, &nothing, None, GATE_DEADLINE_MS).await {
        Ok(answer) => Response::ok(answer).map(Into::into),
        Err(problem) => Response::error(format!("{problem:?}"), 503).map(Into::into),
    }
}

/// It only ever grows.
fn memory_bytes() -> u64 {
    #[cfg(target_arch = "wasm32")]
    let pages = core::arch::wasm32::memory_size(0) as u64;
    #[cfg(not(target_arch = "wasm32"))]
    let pages = 0;
    pages * 65_536
}

async fn through(request: &web_sys::Request, env: &Env) -> worker::Result<web_sys::Response> {
    let request = Request::from(request.clone()?);
    env.durable_object("BENCH")?.get_by_name("0")?.fetch_with_request(request).await.map(Into::into)
}

#[durable_object(fetch)]
pub struct Bench;

impl DurableObject for Bench {
    fn new(_state: State, _env: Env) -> Self {
        Self
    }

    async fn fetch(&self, _request: Request) -> worker::Result<Response> {
        Response::ok("at once")
    }
}
