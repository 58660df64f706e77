//! `GET /v1/sales` and `/v1/sales/{sale_id}`, cached by each isolate for a second. While one request refreshes the
//! copy, the others get the old one or wait; while the functions cannot be reached, all requests get the last copy for
//! half a minute.

pub mod cache;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocol::lookup::{LookupOutcome, Question};
use protocol::shop::Sale;
use serde::Serialize;
use worker::Delay;

use crate::api::lookup;
use crate::api::sales::cache::{CacheLookup, Fetched, SaleCache};
use crate::auth::address_limit;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::Problem;
use crate::http::response::Response;
use crate::lambda::invoke;
use crate::runtime::digest::fnv1a;
use crate::runtime::{clock, limits};

thread_local! {
    static CACHE: RefCell<SaleCache<Rc<[u8]>>> = RefCell::default();
}

/// JSON, or none where there is no such sale.
type Body = Option<Rc<[u8]>>;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct List {
    sales: Vec<Sale>,
}

pub async fn list(context: &RequestContext) -> HandlerResult {
    // The list has the empty key, which is no sale's.
    cached(context, "", Question::Sales).await
}

pub async fn one(context: &RequestContext, sale_id: String) -> HandlerResult {
    cached(context, &sale_id, Question::Sale { sale_id: sale_id.clone() }).await
}

/// An operator has created this sale: drop the memory that there is none.
pub fn made(sale_id: &str) {
    CACHE.with_borrow_mut(|cache| cache.made(sale_id));
}

/// The body of [`list`], for the front page.
pub async fn list_json(context: &RequestContext) -> Result<Rc<[u8]>, Problem> {
    copy(context, "", Question::Sales).await?.ok_or_else(Problem::not_found)
}

/// The body of [`one`], for the sale's page. None: there is no such sale.
pub async fn one_json(context: &RequestContext, sale_id: &str) -> Result<Option<Rc<[u8]>>, Problem> {
    copy(context, sale_id, Question::Sale { sale_id: sale_id.to_owned() }).await
}

async fn cached(context: &RequestContext, name: &str, question: Question) -> HandlerResult {
    into_response(copy(context, name, question).await?, context.header("If-None-Match"))
}

async fn copy(context: &RequestContext, name: &str, question: Question) -> Result<Body, Problem> {
    let give_up_ms = context.now_ms.saturating_add(limits::SALE_WAIT_MS);
    loop {
        let now_ms = clock::now_ms();
        match CACHE.with_borrow_mut(|cache| cache.look(name, now_ms)) {
            CacheLookup::Use(body) => return Ok(Some(body)),
            CacheLookup::Missing => return Ok(None),
            // A Worker cannot await another request's fetch, but it can poll for the result.
            CacheLookup::Wait | CacheLookup::Busy if now_ms < give_up_ms => {
                Delay::from(Duration::from_millis(limits::SALE_POLL_MS)).await;
            }
            CacheLookup::Busy => {
                return Err(Problem::unavailable().because("too many lookups of unknown sales"));
            }
            // The answer is late, which is not this caller's doing.
            CacheLookup::Wait => return fetch(context, name, question, Cost::Free).await,
            CacheLookup::Fetch { known: true } => return fetch(context, name, question, Cost::Refresh).await,
            CacheLookup::Fetch { known: false } => {
                let failed = CACHE.with_borrow(|cache| cache.failed_before(name, now_ms));
                let cost = Cost::of_new(name, failed, invoke::rests("lookup"));
                return fetch(context, name, question, cost).await;
            }
        }
    }
}

/// What a fetch costs the caller.
#[derive(Debug, PartialEq, Eq)]
enum Cost {
    /// Nothing: there is such a sale, and an old copy stands in for a late answer.
    Refresh,
    /// Nothing.
    Free,
    /// The id of an unknown sale is counted against the client's address.
    Counted,
}

impl Cost {
    /// Of a name that this isolate does not know. While `lookup` cannot be called, or its last answer about this name
    /// was a failure, a crowd behind one address that repeats its question is not at fault.
    fn of_new(name: &str, failed: bool, rests: bool) -> Self {
        if name.is_empty() || failed || rests { Self::Free } else { Self::Counted }
    }
}

async fn fetch(context: &RequestContext, name: &str, question: Question, cost: Cost) -> Result<Body, Problem> {
    if cost == Cost::Counted
        && let Err(limited) = address_limit::count(context, &address_limit::UNKNOWN).await
    {
        CACHE.with_borrow_mut(|cache| cache.fetched(name, Fetched::Limited, clock::now_ms()));
        return Err(limited);
    }
    let within_ms = if cost == Cost::Refresh { limits::SALE_REFRESH_MS } else { limits::INVOKE_DEADLINE_MS };
    let body = lookup::ask_within(context, question, within_ms).await.and_then(body);
    let fetched = match &body {
        Ok(Some(body)) => Fetched::Found(Rc::clone(body)),
        Ok(None) => Fetched::Missing,
        Err(_) => Fetched::Failed,
    };
    CACHE.with_borrow_mut(|cache| cache.fetched(name, fetched, clock::now_ms()));
    body.or_else(|problem| last_resort(name, problem))
}

/// A stale copy is better than an error.
fn last_resort(name: &str, problem: Problem) -> Result<Body, Problem> {
    CACHE.with_borrow(|cache| cache.last_resort(name, clock::now_ms())).map(Some).ok_or(problem)
}

fn body(outcome: LookupOutcome) -> Result<Body, Problem> {
    let json = match outcome {
        LookupOutcome::NotFound => return Ok(None),
        LookupOutcome::Sale { sale } => serde_json::to_vec(&sale),
        LookupOutcome::Sales { sales } => serde_json::to_vec(&List { sales }),
        LookupOutcome::Hold { .. }
        | LookupOutcome::Order { .. }
        | LookupOutcome::Holds { .. }
        | LookupOutcome::Orders { .. }
        | LookupOutcome::SkuRanking { .. }
        | LookupOutcome::SaleRanking { .. }
        | LookupOutcome::Holders { .. } => {
            return Err(Problem::unavailable().because("lookup answered another question"));
        }
    };
    json.map(|json| Some(json.into())).map_err(|error| Problem::unavailable().because(error))
}

fn into_response(body: Body, if_none_match: Option<&str>) -> HandlerResult {
    let body = body.ok_or_else(Problem::not_found)?;
    let etag = format!("\"{:016x}\"", fnv1a(&body));
    Ok(Response::bytes(200, "application/json", body.to_vec())
        .with("ETag", etag)
        .with("Cache-Control", format!("public, max-age={}", limits::SALE_MAX_AGE_S))
        .unless_known(if_none_match))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_is_cacheable_for_a_second_and_revalidated_by_its_etag() {
        let answer = into_response(Some(b"{}".as_slice().into()), None).unwrap_or_else(Response::from);
        assert_eq!((answer.status, answer.header("Cache-Control")), (200, Some("public, max-age=1")));
        let etag = answer.header("ETag").map(str::to_owned);
        let again = into_response(Some(b"{}".as_slice().into()), etag.as_deref()).unwrap_or_else(Response::from);
        assert_eq!((again.status, again.body.len()), (304, 0));
        let changed = into_response(Some(b"{ }".as_slice().into()), etag.as_deref()).unwrap_or_else(Response::from);
        assert_eq!(changed.status, 200);
    }

    #[test]
    fn only_lookups_of_unknown_sales_count_against_the_limit_and_failures_do_not() {
        assert_eq!(Cost::of_new("drop", false, false), Cost::Counted);
        assert_eq!(Cost::of_new("drop", true, false), Cost::Free, "its last answer was a failure of ours");
        assert_eq!(Cost::of_new("drop", false, true), Cost::Free, "no function is called");
        assert_eq!(Cost::of_new("", false, false), Cost::Free, "the list");
    }

    #[test]
    fn an_empty_list_is_an_object_and_an_unknown_sale_is_404() {
        let text = |body: Option<Body>| body.flatten().map(|body| String::from_utf8_lossy(&body).into_owned());
        assert_eq!(text(body(LookupOutcome::Sales { sales: Vec::new() }).ok()).as_deref(), Some(r#"{"sales":[]}"#));
        assert_eq!(body(LookupOutcome::NotFound), Ok(None));
        assert_eq!(into_response(None, None).map_err(|problem| Response::from(problem).status), Err(404));
    }
}
