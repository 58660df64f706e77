//! The Cloudflare Worker: routes, checks, refuses early, and gathers reservations into batches.
//!
//! Read from here down: `routes` finds the route, `dispatch` checks what its row says and runs its handler, and every
//! response leaves through `add_common_headers`.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::panic, clippy::arithmetic_side_effects, clippy::unreachable)
)]

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;

mod api;
mod auth;
#[cfg(feature = "bench")]
mod bench;
mod gate;
mod http;
mod lambda;
#[cfg(test)]
mod openapi;
mod routes;
mod runtime;
mod shop;

use worker::{Context, Env, event, web_sys};

use crate::api::payments::confirm;
use crate::api::reservations::reserve;
use crate::auth::address_limit;
use crate::gate::concurrency;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{self, Code, Problem};
use crate::http::response::Response;
use crate::http::{cors, language, origin, query};
use crate::routes::find::{self, Offers};
use crate::routes::route::{Caller, Exists, Limit, PathParameters, Route};
use crate::runtime::config::Config;
use crate::runtime::{clock, js, limits};

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, _context: Context) -> worker::Result<web_sys::Response> {
    #[cfg(feature = "bench")]
    if let Some(response) = bench::answer(&request, &env).await {
        return response;
    }
    let mut context = RequestContext::begin(request, env);
    let (route, answer) = match offers(&context) {
        Ok(offers) => answer(&mut context, offers).await,
        Err(problem) => ("none", problem.into()),
    };
    let answer = for_a_person(&context, answer);
    let now_ms = clock::now_ms();
    let origin = context.header("Origin");
    // Webhooks are not called by pages, so they get no CORS headers.
    let answer =
        if route == routes::WEBHOOK { answer } else { cors::apply(answer, origin, &context.config.allowed_origins) };
    let answer = add_common_headers(answer, &context.trace.request_id, now_ms, &context.config);
    log(&context, route, &answer, now_ms);
    Ok(respond(&answer, context.head.method == "HEAD"))
}

/// In development any caller can sign in as any user, so only this machine may call. A request by a public name that
/// resolves to it is refused: that is DNS rebinding.
fn offers(context: &RequestContext) -> Result<Offers, Problem> {
    let development = context.config.development;
    if development && !origin::is_loopback(&context.head.url) {
        return Err(Problem::new(Code::Forbidden, "Ask for 127.0.0.1 or localhost: this is a development server."));
    }
    find::offers(context.head.path(), development)
}

/// A refusal for a browser becomes a page.
fn for_a_person(context: &RequestContext, answer: Response) -> Response {
    let is_problem = answer.header("Content-Type") == Some("application/problem+json");
    match answer.code {
        Some(code) if is_problem && shop::refusal::is_for_a_person(&context.head.method, context.header("Accept")) => {
            shop::refusal::page(language::of(context.header("Accept-Language")), context.head.path(), answer, code)
        }
        _ => answer,
    }
}

/// The route's name for the log, and the response.
async fn answer(context: &mut RequestContext, offers: Offers) -> (&'static str, Response) {
    let webhook = offers.routes.iter().any(|route| route.name == routes::WEBHOOK);
    if context.head.method == "OPTIONS" && !webhook {
        let asks_method = context.header("Access-Control-Request-Method").is_some();
        let origin = context.header("Origin");
        let allowed = &context.config.allowed_origins;
        if let Some(answer) = cors::preflight(origin, asks_method, allowed, &find::allowed(&offers)) {
            return ("preflight", answer);
        }
    }
    match find::choose(&offers, &context.head.method) {
        Ok(route) => {
            let answer = dispatch(context, route, offers.parameters).await.unwrap_or_else(Response::from);
            (route.name, count_unauthenticated(context, answer).await)
        }
        Err(problem) => (if webhook { routes::WEBHOOK } else { "none" }, problem.into()),
    }
}

/// A refused token is counted against the address it came from, so that guessing costs no user's limit.
async fn count_unauthenticated(context: &RequestContext, answer: Response) -> Response {
    if answer.code != Some(Code::Unauthenticated) {
        return answer;
    }
    address_limit::count(context, &address_limit::UNAUTHENTICATED).await.err().map_or(answer, Response::from)
}

/// Checks what the table says of the route, in the order of the refusals, and runs its handler.
async fn dispatch(context: &mut RequestContext, route: &Route, parameters: PathParameters) -> HandlerResult {
    context.query_error = route.query.and_then(|known| query::error(&context.head.url, known));
    if route.caller == Caller::Anybody {
        context.query_is_known()?;
    }
    match route.limit {
        Limit::Reservation => {
            concurrency::has_room(context.head.late_ms, context.now_ms)?;
            address_limit::press(context).await?;
        }
        Limit::Unauthenticated => address_limit::count(context, &address_limit::UNAUTHENTICATED).await?,
        // Counted below, when it is known who calls.
        Limit::None | Limit::User | Limit::Hint => {}
    }
    if let Caller::Operator(least) = route.caller {
        auth::admit(context, least)?;
    }
    if let Exists::WithGateway(gateway) = route.exists {
        context.config.webhook_secrets(gateway).ok_or_else(Problem::not_found)?;
        if route.limit == Limit::Hint && !confirm::is_trusted(context, gateway) {
            address_limit::count(context, &address_limit::HINTS).await?;
        }
    }
    if route.caller == Caller::Buyer {
        context.user_id = Some(auth::buyer(context)?);
    }
    if route.limit != Limit::User {
        return (route.handler)(context, parameters).await;
    }
    // In the order of refusals the limit comes before the body, so a bad request is counted too.
    let charge = reserve::charged(context, &context.user_id()?).await?;
    let answer = (route.handler)(context, parameters).await.unwrap_or_else(Response::from);
    Ok(match charge {
        Some(charge) => gate::answer::limits(answer, charge, &context.config),
        None => answer,
    })
}

/// The headers of every response.
fn add_common_headers(answer: Response, request_id: &str, now_ms: u64, config: &Config) -> Response {
    let mut answer = answer
        .with("X-Request-Id", request_id)
        .with("X-Server-Time", now_ms.to_string())
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "strict-origin-when-cross-origin");
    if answer.header("Cache-Control").is_none() {
        answer = answer.with("Cache-Control", "no-store");
    }
    if !config.development {
        answer = answer.with("Strict-Transport-Security", format!("max-age={}", limits::HSTS_MAX_AGE_S));
    }
    answer
}

/// One log line a request, without tokens, keys or bodies.
fn log(context: &RequestContext, route: &str, answer: &Response, now_ms: u64) {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        request_id: &'a str,
        route: &'a str,
        method: &'a str,
        status: u16,
        code: Option<&'static str>,
        ms: u64,
        error: Option<&'a str>,
    }
    let line = Line {
        request_id: &context.trace.request_id,
        route,
        method: &context.head.method,
        status: answer.status,
        code: answer.code.map(problem::Code::name),
        ms: now_ms.saturating_sub(context.now_ms),
        error: answer.internal.as_deref(),
    };
    worker::console_log!("{}", serde_json::to_string(&line).unwrap_or_default());
}

fn respond(answer: &Response, without_body: bool) -> web_sys::Response {
    let headers = answer.headers.iter().map(|(name, value)| (*name, value.as_str()));
    // 204 and 304 must not have a body.
    let body = Some(answer.body.as_slice()).filter(|body| !without_body && !body.is_empty());
    js::respond(answer.status, headers, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_has_the_common_headers_and_hsts_stays_out_of_development() {
        let of = |environment: &str| Config::from(|name| (name == "ENVIRONMENT").then(|| environment.to_owned()));
        let answer = add_common_headers(problem::Problem::not_found().into(), "id", 7, &of("production"));
        for (name, value) in [
            ("X-Request-Id", "id"),
            ("X-Server-Time", "7"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
            ("Strict-Transport-Security", "max-age=31536000"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        let answer =
            add_common_headers(Response::empty(200).with("Cache-Control", "public"), "id", 7, &of("development"));
        assert_eq!(
            (answer.header("Cache-Control"), answer.header("Strict-Transport-Security")),
            (Some("public"), None)
        );
    }
}
