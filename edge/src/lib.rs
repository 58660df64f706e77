//! The Cloudflare Worker: routes, checks, refuses early, and gathers reservations into batches.
//!
//! A request is read from here down: `routes` finds its verb, the verb's file does the rest, and every answer leaves
//! through `dress`, whatever happened on the way.

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
mod openapi;
mod routes;
mod runtime;
mod shop;

use worker::{Context, Env, event, web_sys};

use crate::api::admin::{actions, dead_letters, payments, subscriptions, users};
use crate::api::payments::{confirm, open, returns};
use crate::api::reservations::{pay, release, reserve};
use crate::api::{admin, lists, lookup, sales};
use crate::auth::{address_limit, dev_session};
use crate::gate::concurrency;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{self, Code, Problem};
use crate::http::response::Response;
use crate::http::{cors, language, origin, query};
use crate::routes::{Offers, Route};
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
    // A gateway is no page, and no page is a gateway.
    let answer =
        if route == routes::WEBHOOK { answer } else { cors::apply(answer, origin, &context.config.allowed_origins) };
    let answer = add_common_headers(answer, &context.trace.request_id, now_ms, &context.config);
    log(&context, route, &answer, now_ms);
    Ok(respond(&answer, context.head.method == "HEAD"))
}

/// In development everybody may be anybody, and so only this machine may ask: a name of the web that leads here is a page's
/// that wants to (DNS rebinding).
fn offers(context: &RequestContext) -> Result<Offers, Problem> {
    let development = context.config.development;
    if development && !origin::is_loopback(&context.head.url) {
        return Err(Problem::new(Code::Forbidden, "Ask for 127.0.0.1 or localhost: this is a development server."));
    }
    routes::offers(context.head.path(), development)
}

/// A refusal that a person reads is a page.
fn for_a_person(context: &RequestContext, answer: Response) -> Response {
    let is_problem = answer.header("Content-Type") == Some("application/problem+json");
    match answer.code {
        Some(code) if is_problem && shop::refusal::is_for_a_person(&context.head.method, context.header("Accept")) => {
            shop::refusal::page(language::of(context.header("Accept-Language")), context.head.path(), answer, code)
        }
        _ => answer,
    }
}

/// The route's name, and what it answers.
async fn answer(context: &mut RequestContext, offers: Offers) -> (&'static str, Response) {
    let webhook = offers.iter().any(|(_, route)| matches!(route, Route::Webhook { .. }));
    if context.head.method == "OPTIONS" && !webhook {
        let asks_method = context.header("Access-Control-Request-Method").is_some();
        let origin = context.header("Origin");
        let allowed = &context.config.allowed_origins;
        if let Some(answer) = cors::preflight(origin, asks_method, allowed, &routes::allowed(&offers)) {
            return ("preflight", answer);
        }
    }
    match routes::choose(offers, &context.head.method) {
        Ok(route) => {
            let (name, answer) = (route.name(), dispatch(context, route).await.unwrap_or_else(Response::from));
            (name, if answer.code == Some(Code::Unauthenticated) { nobody(context, answer).await } else { answer })
        }
        Err(problem) => (if webhook { routes::WEBHOOK } else { "none" }, problem.into()),
    }
}

/// Who is refused for a token goes on trying at the expense of an address, and of nobody who has one.
async fn nobody(context: &RequestContext, answer: Response) -> Response {
    address_limit::count(context, &address_limit::STRANGERS).await.err().map_or(answer, Response::from)
}

async fn dispatch(context: &mut RequestContext, route: Route) -> HandlerResult {
    context.query_error = route.parameters().and_then(|known| query::error(&context.head.url, known));
    if matches!(route, Route::Sales | Route::Sale { .. }) {
        // Nobody is asked who they are here.
        context.query_is_known()?;
    }
    if route == Route::Reserve {
        concurrency::has_room(context.head.late_ms, context.now_ms)?;
    }
    match route {
        Route::Reserve => address_limit::press(context).await?,
        // Its browser is asked who it is, and need not say.
        Route::TossReturn => address_limit::count(context, &address_limit::STRANGERS).await?,
        // A page, a file, a copy: whoever asks costs nothing. Who has a token is counted by it.
        _ => {}
    }
    if let Some(least) = routes::required(&route, &context.head.method) {
        auth::admit(context, least)?;
    }
    match route {
        Route::Reserve => reserve::reserve(context).await,
        Route::Hold { hold_id } => lookup::hold(context, hold_id).await,
        Route::PayHold { hold_id } => pay::pay(context, hold_id).await,
        Route::Release { hold_id } => release::release(context, hold_id).await,
        Route::Order { order_id } => lookup::order(context, order_id).await,
        Route::Holds => lists::holds(context).await,
        Route::Orders => lists::orders(context).await,
        Route::Sales => sales::list(context).await,
        Route::Sale { sale_id } => sales::one(context, sale_id).await,
        Route::Webhook { gateway } => confirm::webhook(context, gateway).await,
        Route::TossReturn => returns::toss_return(context).await,
        Route::PortOneConfirm => returns::portone_confirm(context).await,
        Route::OpenPayment { hold_id } => open::open(context, hold_id).await,
        Route::RefundAccount { hold_id } => open::refund_account(context, hold_id).await,
        Route::CreateSale => admin::create_sale(context).await,
        Route::SetStatus { sale_id } => admin::set_status(context, sale_id).await,
        Route::AdjustStock { sku_id } => admin::adjust_stock(context, sku_id).await,
        Route::Report { sale_id } => admin::report(context, sale_id).await,
        Route::Actions => actions::list(context).await,
        Route::Subscriptions => subscriptions::list(context).await,
        Route::Subscribe => subscriptions::create(context).await,
        Route::Subscription { subscription_id } => subscriptions::one(context, subscription_id).await,
        Route::SetSubscription { subscription_id } => subscriptions::change(context, subscription_id).await,
        Route::Unsubscribe { subscription_id } => subscriptions::delete(context, subscription_id).await,
        Route::RotateSecret { subscription_id } => subscriptions::rotate_secret(context, subscription_id).await,
        Route::DeadLetters => dead_letters::list(context).await,
        Route::ReplayDeadLetter { id } => dead_letters::replay_one(context, id).await,
        Route::ReplayDeadLetters => dead_letters::replay_many(context).await,
        Route::DecideDeadLetter { id, decision } => dead_letters::decide(context, id, decision).await,
        Route::AdminOrder { order_id } => payments::order(context, order_id).await,
        Route::ForgetUser { user_id } => users::forget(context, user_id).await,
        Route::CancelOrder { order_id } => payments::cancel_order(context, order_id).await,
        Route::ListPayments => payments::list(context).await,
        Route::Shop { sale_id: None } => shop::home(context).await,
        Route::Shop { sale_id: Some(sale_id) } => shop::sale(context, sale_id).await,
        Route::OrdersPage { order_id } => Ok(shop::orders(context, order_id)),
        Route::Asset { name } => shop::asset(&name, context.header("If-None-Match"), context.header("Accept-Encoding")),
        Route::Health => Ok(Response::json(200, &serde_json::json!({"ok": true}))),
        Route::Description => openapi::serve(context).await,
        Route::DevSession => dev_session::begin(context).await,
    }
}

/// What every answer carries.
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

/// One line a request, without token, key or body.
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
    // 204 and 304 may not even have an empty body.
    let body = Some(answer.body.as_slice()).filter(|body| !without_body && !body.is_empty());
    js::respond(answer.status, headers, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_dressed_and_hsts_stays_out_of_development() {
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
