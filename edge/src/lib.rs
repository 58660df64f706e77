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
use crate::http::context::{Answered, Call};
use crate::http::problem::{self, Code, Problem};
use crate::http::response::Answer;
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
    let mut call = Call::begin(request, env);
    let (route, answer) = match offers(&call) {
        Ok(offers) => answer(&mut call, offers).await,
        Err(problem) => ("none", problem.into()),
    };
    let answer = for_a_person(&call, answer);
    let now_ms = clock::now_ms();
    let origin = call.header("Origin");
    // A gateway is no page, and no page is a gateway.
    let answer =
        if route == routes::WEBHOOK { answer } else { cors::apply(answer, origin, &call.config.allowed_origins) };
    let answer = dress(answer, &call.trace.request_id, now_ms, &call.config);
    log(&call, route, &answer, now_ms);
    Ok(respond(&answer, call.head.method == "HEAD"))
}

/// In development everybody may be anybody, and so only this machine may ask: a name of the web that leads here is a page's
/// that wants to (DNS rebinding).
fn offers(call: &Call) -> Result<Offers, Problem> {
    let development = call.config.development;
    if development && !origin::is_loopback(&call.head.url) {
        return Err(Problem::new(Code::Forbidden, "Ask for 127.0.0.1 or localhost: this is a development server."));
    }
    routes::offers(call.head.path(), development)
}

/// A refusal that a person reads is a page.
fn for_a_person(call: &Call, answer: Answer) -> Answer {
    let is_problem = answer.header("Content-Type") == Some("application/problem+json");
    match answer.code {
        Some(code) if is_problem && shop::refusal::is_for_a_person(&call.head.method, call.header("Accept")) => {
            shop::refusal::page(language::of(call.header("Accept-Language")), call.head.path(), answer, code)
        }
        _ => answer,
    }
}

/// The route's name, and what it answers.
async fn answer(call: &mut Call, offers: Offers) -> (&'static str, Answer) {
    let webhook = offers.iter().any(|(_, route)| matches!(route, Route::Webhook { .. }));
    if call.head.method == "OPTIONS" && !webhook {
        let asks_method = call.header("Access-Control-Request-Method").is_some();
        let origin = call.header("Origin");
        let allowed = &call.config.allowed_origins;
        if let Some(answer) = cors::preflight(origin, asks_method, allowed, &routes::allowed(&offers)) {
            return ("preflight", answer);
        }
    }
    match routes::choose(offers, &call.head.method) {
        Ok(route) => {
            let (name, answer) = (route.name(), dispatch(call, route).await.unwrap_or_else(Answer::from));
            (name, if answer.code == Some(Code::Unauthenticated) { nobody(call, answer).await } else { answer })
        }
        Err(problem) => (if webhook { routes::WEBHOOK } else { "none" }, problem.into()),
    }
}

/// Who is refused for a token goes on trying at the expense of an address, and of nobody who has one.
async fn nobody(call: &Call, answer: Answer) -> Answer {
    address_limit::count(call, &address_limit::STRANGERS).await.err().map_or(answer, Answer::from)
}

async fn dispatch(call: &mut Call, route: Route) -> Answered {
    call.query_fault = route.parameters().and_then(|known| query::fault(&call.head.url, known));
    if matches!(route, Route::Sales | Route::Sale { .. }) {
        // Nobody is asked who they are here.
        call.query_is_known()?;
    }
    if route == Route::Reserve {
        concurrency::has_room(call.head.late_ms, call.now_ms)?;
    }
    match route {
        Route::Reserve => address_limit::press(call).await?,
        // Its browser is asked who it is, and need not say.
        Route::TossReturn => address_limit::count(call, &address_limit::STRANGERS).await?,
        // A page, a file, a copy: whoever asks costs nothing. Who has a token is counted by it.
        _ => {}
    }
    if let Some(least) = routes::required(&route, &call.head.method) {
        auth::admit(call, least)?;
    }
    match route {
        Route::Reserve => reserve::reserve(call).await,
        Route::Hold { hold_id } => lookup::hold(call, hold_id).await,
        Route::PayHold { hold_id } => pay::pay(call, hold_id).await,
        Route::Release { hold_id } => release::release(call, hold_id).await,
        Route::Order { order_id } => lookup::order(call, order_id).await,
        Route::Holds => lists::holds(call).await,
        Route::Orders => lists::orders(call).await,
        Route::Sales => sales::list(call).await,
        Route::Sale { sale_id } => sales::one(call, sale_id).await,
        Route::Webhook { gateway } => confirm::webhook(call, gateway).await,
        Route::TossReturn => returns::toss_return(call).await,
        Route::PortOneConfirm => returns::portone_confirm(call).await,
        Route::OpenPayment { hold_id } => open::open(call, hold_id).await,
        Route::RefundAccount { hold_id } => open::refund_account(call, hold_id).await,
        Route::CreateSale => admin::create_sale(call).await,
        Route::SetStatus { sale_id } => admin::set_status(call, sale_id).await,
        Route::AdjustStock { sku_id } => admin::adjust_stock(call, sku_id).await,
        Route::Report { sale_id } => admin::report(call, sale_id).await,
        Route::Actions => actions::list(call).await,
        Route::Subscriptions => subscriptions::list(call).await,
        Route::Subscribe => subscriptions::create(call).await,
        Route::Subscription { subscription_id } => subscriptions::one(call, subscription_id).await,
        Route::SetSubscription { subscription_id } => subscriptions::change(call, subscription_id).await,
        Route::Unsubscribe { subscription_id } => subscriptions::delete(call, subscription_id).await,
        Route::RotateSecret { subscription_id } => subscriptions::rotate_secret(call, subscription_id).await,
        Route::DeadLetters => dead_letters::list(call).await,
        Route::ReplayDeadLetter { id } => dead_letters::replay_one(call, id).await,
        Route::ReplayDeadLetters => dead_letters::replay_many(call).await,
        Route::DecideDeadLetter { id, decision } => dead_letters::decide(call, id, decision).await,
        Route::AdminOrder { order_id } => payments::order(call, order_id).await,
        Route::ForgetUser { user_id } => users::forget(call, user_id).await,
        Route::CancelOrder { order_id } => payments::cancel_order(call, order_id).await,
        Route::ListPayments => payments::list(call).await,
        Route::Shop { sale_id: None } => shop::home(call).await,
        Route::Shop { sale_id: Some(sale_id) } => shop::sale(call, sale_id).await,
        Route::OrdersPage { order_id } => Ok(shop::orders(call, order_id)),
        Route::Asset { name } => shop::asset(&name, call.header("If-None-Match"), call.header("Accept-Encoding")),
        Route::Health => Ok(Answer::json(200, &serde_json::json!({"ok": true}))),
        Route::Description => openapi::serve(call).await,
        Route::DevSession => dev_session::begin(call).await,
    }
}

/// What every answer carries.
fn dress(answer: Answer, request_id: &str, now_ms: u64, config: &Config) -> Answer {
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
fn log(call: &Call, route: &str, answer: &Answer, now_ms: u64) {
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
        request_id: &call.trace.request_id,
        route,
        method: &call.head.method,
        status: answer.status,
        code: answer.code.map(problem::Code::name),
        ms: now_ms.saturating_sub(call.now_ms),
        error: answer.internal.as_deref(),
    };
    worker::console_log!("{}", serde_json::to_string(&line).unwrap_or_default());
}

fn respond(answer: &Answer, without_body: bool) -> web_sys::Response {
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
        let answer = dress(problem::Problem::not_found().into(), "id", 7, &of("production"));
        for (name, value) in [
            ("X-Request-Id", "id"),
            ("X-Server-Time", "7"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
            ("Strict-Transport-Security", "max-age=31536000"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        let answer = dress(Answer::empty(200).with("Cache-Control", "public"), "id", 7, &of("development"));
        assert_eq!(
            (answer.header("Cache-Control"), answer.header("Strict-Transport-Security")),
            (Some("public"), None)
        );
    }
}
