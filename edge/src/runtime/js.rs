//! The bridge to JavaScript: the Rust side of `js.js`, where the reasons stand. Everything that the Worker asks of its
//! runtime on the way of a reservation passes here.

use std::fmt::Write as _;

use worker::js_sys::futures::JsFuture;
use worker::js_sys::{Promise, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Env, wasm_bindgen, web_sys};

use crate::runtime::limits::{BODY_DEADLINE_MS, TICK_MS};

mod imports {
    use super::{Env, Promise, wasm_bindgen, web_sys};

    #[wasm_bindgen(module = "/src/runtime/js.js", wasm_bindgen = worker::wasm_bindgen)]
    extern "C" {
        pub fn head(request: &web_sys::Request) -> String;
        pub fn arrive(
            request: &web_sys::Request,
            env: &Env,
            address: Option<&str>,
            announced: bool,
            ticks: u32,
        ) -> Promise;
        pub fn admits(env: &Env, limit: &str, address: &str) -> Promise;
        pub fn object(env: &Env, binding: &str, name: &str, message: &str, wish: Option<&str>, ticks: u32) -> Promise;
        pub fn invoke(url: &str, headers: &str, body: &str, ticks: u32) -> Promise;
        pub fn respond(status: u16, headers: &str, text: Option<&str>, bytes: Option<&[u8]>) -> web_sys::Response;
    }
}

/// A request's lateness, method, address and headers, a line each: see `head` in js.js.
pub fn head(request: &web_sys::Request) -> String {
    imports::head(request)
}

pub enum Arrival {
    Limited,
    /// None: its length is not known.
    Admitted(Option<Vec<u8>>),
}

/// # Errors
/// The body ended early, or did not arrive in time.
pub async fn arrive(
    request: &web_sys::Request,
    env: &Env,
    address: Option<&str>,
    announced: bool,
) -> Result<Arrival, String> {
    let patience = ticks(BODY_DEADLINE_MS);
    let arrived = JsFuture::from(imports::arrive(request, env, address, announced, patience)).await;
    let arrived = arrived.map_err(|error| text_of(&error))?;
    if arrived.is_string() {
        return Ok(Arrival::Limited);
    }
    if announced && arrived.is_undefined() {
        return Err("it did not come in time".to_owned());
    }
    Ok(Arrival::Admitted(announced.then(|| arrived.unchecked_into::<Uint8Array>().to_vec())))
}

/// Whether the named rate limit admits this address. A counter that fails admits.
pub async fn admits(env: &Env, limit: &str, address: &str) -> bool {
    JsFuture::from(imports::admits(env, limit, address)).await.is_ok_and(|admitted| admitted.is_truthy())
}

/// One message to one Durable Object, with what its answer is to bring too, and its answer. None: nothing in time.
///
/// # Errors
/// It cannot be reached, or it broke.
pub async fn object(
    env: &Env,
    binding: &str,
    name: &str,
    message: &str,
    wish: Option<&str>,
    patience_ms: u64,
) -> Result<Option<String>, String> {
    text(imports::object(env, binding, name, message, wish, ticks(patience_ms))).await
}

/// Calls a function by HTTP. None: no response in time.
///
/// # Errors
/// It cannot be reached.
pub async fn invoke<'a>(
    url: &str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: &str,
    patience_ms: u64,
) -> Result<Option<InvokeResponse>, String> {
    let answer = text(imports::invoke(url, &lines(headers), body, ticks(patience_ms))).await?;
    Ok(answer.map(InvokeResponse))
}

/// A function's response as one text: status, whether it failed, body.
pub struct InvokeResponse(String);

impl InvokeResponse {
    pub fn parts(&self) -> (u16, bool, &str) {
        let mut parts = self.0.splitn(3, '\n');
        let mut next = || parts.next().unwrap_or_default();
        (next().parse().unwrap_or_default(), next() == "true", next())
    }
}

pub fn respond<'a>(
    status: u16,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: Option<&[u8]>,
) -> web_sys::Response {
    let text = body.map(std::str::from_utf8).and_then(Result::ok);
    imports::respond(status, &lines(headers), text, body.filter(|_| text.is_none()))
}

async fn text(promise: Promise) -> Result<Option<String>, String> {
    Ok(JsFuture::from(promise).await.map_err(|error| text_of(&error))?.as_string())
}

fn text_of(error: &JsValue) -> String {
    worker::Error::from(error.clone()).to_string()
}

fn ticks(patience_ms: u64) -> u32 {
    u32::try_from(patience_ms.div_ceil(TICK_MS)).unwrap_or(u32::MAX)
}

/// A value with a line break would become two headers: it is dropped, as the runtime would refuse it.
fn lines<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut lines = String::new();
    for (name, value) in headers.filter(|(_, value)| !value.contains('\n')) {
        let separator = if lines.is_empty() { "" } else { "\n" };
        // Writing to a String does not fail.
        let _ = write!(lines, "{separator}{name}\n{value}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_cannot_smuggle_another_one_in() {
        let headers = [("a", "1"), ("b", "2\nset-cookie\nx"), ("c", "3")];
        assert_eq!(lines(headers.into_iter()), "a\n1\nc\n3");
    }

    #[test]
    fn a_functions_result_may_have_line_breaks() {
        assert_eq!(InvokeResponse("200\nfalse\n{\n}".to_owned()).parts(), (200, false, "{\n}"));
        assert_eq!(InvokeResponse("502\ntrue\n".to_owned()).parts(), (502, true, ""));
    }

    #[test]
    fn a_timeout_is_whole_ticks_and_never_zero() {
        assert_eq!((ticks(4_000), ticks(4_001), ticks(1)), (16, 17, 1));
    }
}
