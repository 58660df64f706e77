//! Two answers that only a measurement needs: one from the Worker at once, one from a Durable Object that does nothing.
//! What a request costs more than these is ours. Not in the product: the feature `bench` is off there.

use worker::{DurableObject, Env, Request, Response, State, durable_object, wasm_bindgen};

/// None: a request like any other.
pub async fn answer(request: &Request, env: &Env) -> Option<worker::Result<Response>> {
    match request.path().as_str() {
        "/bench/worker" => Some(Response::ok("at once")),
        "/bench/object" => Some(through(request, env).await),
        _ => None,
    }
}

async fn through(request: &Request, env: &Env) -> worker::Result<Response> {
    env.durable_object("BENCH")?.get_by_name("0")?.fetch_with_request(request.clone()?).await
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
